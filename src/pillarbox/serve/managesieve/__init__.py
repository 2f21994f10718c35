"""The door of ManageSieve (RFC 5804): accounts keep their own scripts."""
