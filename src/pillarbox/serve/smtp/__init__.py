"""The doors mail comes in by: MX, submission and LMTP."""
