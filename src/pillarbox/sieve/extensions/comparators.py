"""Comparators that must be required (RFC 5228 §2.7.3)."""

from __future__ import annotations

from pillarbox.sieve.words import Extension

EXTENSIONS = (
    Extension("comparator-i;ascii-numeric", "RFC 4790"),
    Extension("comparator-i;unicode-casemap", "RFC 5051"),
    Extension("comparator-i;octet", "RFC 4790"),
    Extension("comparator-i;ascii-casemap", "RFC 4790"),
)
