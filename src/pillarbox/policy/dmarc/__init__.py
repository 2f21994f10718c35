"""Whether mail may bear its author's domain, and what that domain wants done if not (RFC 9989).

``evaluate.evaluate`` answers; ``record`` and ``tree`` are the pure parts of it.
"""
