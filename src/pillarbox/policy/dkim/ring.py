"""The keys of the house: PEM files in a folder of the data directory, one folder a domain.

``<folder>/<domain>/<selector>.pem`` signs; of several with one algorithm the last by name does, so
a new key takes over by being there and the old one's record can stay published while mail that it
signed is under way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from pillarbox.base.errors import Misuse
from pillarbox.policy.dkim import keys
from pillarbox.policy.dkim.keys import Algorithm, Key

_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_DOMAIN = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+\Z")


class KeyRing:
    """Reads the folder when made and at ``reload``."""

    def __init__(self, folder: Path) -> None:
        """Raises Misuse for a file that is no key; a folder that is not there holds none."""
        self._folder = folder
        self._keys: dict[str, tuple[Key, ...]] = {}
        self.reload()

    def reload(self) -> None:
        """Read all files again; changes nothing if one of them is bad."""
        found: dict[str, list[Key]] = {}
        for path in sorted(self._folder.glob("*/*.pem")):
            domain = path.parent.name
            try:
                found.setdefault(domain, []).append(keys.read(domain, path.stem, path.read_bytes()))
            except (OSError, ValueError) as error:
                raise Misuse(f"{path}: {error}") from error
        self._keys = {domain: tuple(some) for domain, some in found.items()}

    def all(self, domain: str) -> Sequence[Key]:
        """Every key of a domain: what has to be published."""
        return self._keys.get(domain, ())

    def signing(self, domain: str) -> Sequence[Key]:
        """The keys to sign with: the newest of each algorithm, none for a foreign domain."""
        return list({key.algorithm: key for key in self.all(domain)}.values())

    def add(self, domain: str, day: str) -> Sequence[Key]:
        """Make and keep a key of each algorithm; ``day`` (``20260131``) makes their selectors.

        Raises Misuse for names that cannot be file names or DNS labels.
        """
        if not _DOMAIN.match(domain) or not _SELECTOR.match(f"{day}x"):
            raise Misuse(f"no keys can be made for {domain!r}")
        place = self._folder / domain
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for letter, algorithm in (("r", Algorithm.RSA), ("e", Algorithm.ED25519)):
            path = place / f"{day}{letter}.pem"
            if path.exists():
                continue
            made = keys.make(domain, path.stem, algorithm)
            side = path.with_suffix(".new")
            fd = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(made.pem)
                file.flush()
                os.fsync(file.fileno())
            side.replace(path)
        self.reload()
        return self.all(domain)
