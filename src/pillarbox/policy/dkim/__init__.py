"""DomainKeys Identified Mail (RFC 6376, RFC 8463): canonical forms, keys, signing. Pure."""
