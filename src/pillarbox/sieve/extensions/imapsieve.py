"""imapsieve (RFC 6785): a script that is run when an IMAP client changes something.

It adds no words: the event is told by items of ``environment``, which it brings along (§4).
"""

from __future__ import annotations

from pillarbox.sieve.words import Extension

EXTENSIONS = (Extension("imapsieve", "RFC 6785"),)
