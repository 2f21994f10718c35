"""encoded-character (RFC 5228 §2.4.2.4): strings are decoded as they are checked."""

from __future__ import annotations

from pillarbox.sieve.words import Extension

EXTENSIONS = (Extension("encoded-character", "RFC 5228", static=True),)
