"""Floor 8, middle step: puts the rooms together; the only place that knows everyone."""
