"""The protocol between mail servers and their filters (milter): an engine of the server's side."""
