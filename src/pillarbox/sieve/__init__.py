"""Floor 3: Sieve (RFC 5228), the language of rules for mail, as a pure interpreter."""
