"""A request and its answer, as the pages of this room see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
XML = "text/xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """``host`` is in lower case without port, '' where none was given; ``path`` is decoded."""

    method: str
    host: str
    path: str
    query: str = ""
    content_type: str = ""
    body: bytes = b""
    secure: bool = True
    """It came over TLS, through a door of ours or a proxy's."""
    words: Mapping[str, str] = field(default_factory=dict)
    """What stood in the ``{}`` of the page's path."""

    def asked(self) -> dict[str, str]:
        """The query's parameters; the first of each name."""
        return dict(reversed(pairs(self.query, blank=True)))


def pairs(form: str, *, blank: bool = False) -> list[tuple[str, str]]:
    """Of a query or a form; none of one that has more than anybody asks for."""
    try:
        return parse_qsl(form, keep_blank_values=blank, max_num_fields=100)
    except ValueError:
        return []


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is all of it: pages are small."""

    status: int
    body: bytes = b""
    content_type: str = HTML
    headers: Sequence[tuple[str, str]] = ()


Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Page:
    """One line of the route table. ``path`` may have ``{name}`` in the place of a segment."""

    path: str
    methods: Mapping[str, Handler]
    """HEAD is answered wherever GET is."""
