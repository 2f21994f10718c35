"""Floor 5: what a mailbox is here: the way in, what can be done to it, and how sessions see it."""
