"""Floor 8, highest step: the commands."""
