"""The Authenticated Received Chain (RFC 8617): what those said who passed a message on."""
