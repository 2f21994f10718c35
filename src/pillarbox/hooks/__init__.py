"""What operators say in Python about mail that passes: ``from pillarbox import hooks``.

A hook is an async function under ``@hooks.on(...)`` that gets one frozen value and gives a
``Decision``, or None where it has nothing to say. docs/hooks.md tells it whole.
"""

from pillarbox.hooks.decision import Decision, accept, defer, junk, refuse
from pillarbox.hooks.letter import Attachment, Message
from pillarbox.hooks.mark import on
from pillarbox.hooks.values import Append, Data, Deliver, QueueResult, Rcpt

__all__ = [
    "Append",
    "Attachment",
    "Data",
    "Decision",
    "Deliver",
    "Message",
    "QueueResult",
    "Rcpt",
    "accept",
    "defer",
    "junk",
    "on",
    "refuse",
]
