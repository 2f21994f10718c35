"""Floor 4: decisions that need the world outside: where to send, whom to believe."""
