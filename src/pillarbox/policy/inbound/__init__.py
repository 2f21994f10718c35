"""What to do with a message from another server, by all that can be known about it.

``inspect.Inspector`` begins an inspection as the message does; ``judge`` is the decision, pure.
"""
