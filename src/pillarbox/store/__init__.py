"""Floor 4: where mail is kept. ``api`` says what a store can do; the rest does it."""
