"""IMAP on the wire: bytes to commands, answers to bytes; no socket, no store, no clock."""
