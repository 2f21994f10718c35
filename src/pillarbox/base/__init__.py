"""Floor 0: what every room may use and what knows nothing of mail."""
