"""copy (RFC 3894): file or forward without giving up the implicit keep."""

from __future__ import annotations

from pillarbox.sieve.words import Extension, Tag

EXTENSIONS = (Extension("copy", "RFC 3894", tags=(Tag("copy", ("fileinto", "redirect")),)),)
