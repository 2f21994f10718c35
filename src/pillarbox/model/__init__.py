"""Floor 1: the one vocabulary of SMTP, IMAP, POP3, Sieve and the store. Values only."""
