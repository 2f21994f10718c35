"""What tests share: imported as `support.…`, since `tests` is on pytest's path."""
