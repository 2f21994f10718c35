"""Floor 6: where a recipient leads, and putting mail into the mailboxes of this house."""
