"""Floor 7: pages and policies over HTTP."""
