"""Floor 3: languages spoken with peers. Sans-IO engines and syntax; no sockets, no store."""
