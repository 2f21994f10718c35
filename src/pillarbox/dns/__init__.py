"""Floor 3: what can be asked of the DNS, and what an answer is. No sockets."""
