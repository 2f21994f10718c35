"""RFC 5322 and MIME: bytes in, facts out; never an exception for bad mail."""
