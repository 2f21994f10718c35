"""One file per family of commands; ``table`` joins them into the parser that the engine calls."""
