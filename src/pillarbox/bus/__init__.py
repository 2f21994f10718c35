"""Floor 4: tells whoever listens what changed in mailboxes, after the commit."""
