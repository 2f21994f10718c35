"""ManageSieve (RFC 5804) as an engine: bytes to events, answers to bytes."""
