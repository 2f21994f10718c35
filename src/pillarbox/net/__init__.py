"""Floor 4: the only room with mail sockets and TLS."""
