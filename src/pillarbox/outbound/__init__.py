"""Floor 6: mail on its way to other servers."""
