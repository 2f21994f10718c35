"""Floor 5: mail that waits: when it is tried, what an answer means, who is told."""
