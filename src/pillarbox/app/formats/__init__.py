"""Mail as other programs keep it in files: Maildir, mbox, directories of .eml."""
