"""The route table at work: from a request to an answer, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pillarbox.base.errors import Temporary
from pillarbox.base.log import Logger
from pillarbox.serve.http.values import TEXT, Answer, Handler, Page, Request

log = Logger("http")

NOT_FOUND = Answer(404, b"There is nothing here.\n", TEXT)
NOT_NOW = Answer(503, b"That is not possible right now; try again later.\n", TEXT)
BROKEN = Answer(500, b"Something is wrong here.\n", TEXT)
TLS_ONLY = Answer(403, b"Only over https.\n", TEXT)

SECURE = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),  # an address of ours may hold a token
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
)
"""In every answer; a page may say otherwise."""
HSTS = ("strict-transport-security", "max-age=31536000")


class Site:
    """All pages of a house. Stateless: any door asks it."""

    def __init__(self, pages: Iterable[Page], url: str) -> None:
        """``url``: where others reach this site, such as ``https://mail.example.org``."""
        self._pages = [(page.path.strip("/").split("/"), page) for page in pages]
        self._url = url

    async def answer(self, request: Request) -> Answer:
        """Never raises."""
        try:
            found = await self._answer(request)
        except Temporary as error:
            log.warning("http.unavailable", path=request.path, error=str(error))
            found = NOT_NOW
        except Exception as error:
            log.error("http.bug", exc=error, path=request.path)
            found = BROKEN
        said = {name for name, _ in found.headers}
        more = [pair for pair in SECURE if pair[0] not in said]
        if request.secure:
            more.append(HSTS)
        return replace(found, headers=[*found.headers, *more])

    async def _answer(self, request: Request) -> Answer:
        page, words = self._find(request.path)
        if page is None:
            return NOT_FOUND
        handler = _method(page, request.method)
        if handler is None:
            allowed = sorted({*page.methods, *(["HEAD"] if "GET" in page.methods else [])})
            return Answer(405, headers=[("allow", ", ".join(allowed))])
        if not request.secure:
            if request.method not in {"GET", "HEAD"} or not self._url:
                return TLS_ONLY
            return Answer(308, headers=[("location", self._url + _target(request))])
        return await handler(replace(request, words=words))

    def _find(self, path: str) -> tuple[Page | None, dict[str, str]]:
        segments = path.strip("/").split("/")
        for pattern, page in self._pages:
            words = _matched(pattern, segments)
            if words is not None:
                return page, words
        return None, {}


def _matched(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    words = {}
    for part, segment in zip(pattern, segments, strict=True):
        if part.startswith("{"):
            words[part.strip("{}")] = segment
        elif part != segment:
            return None
    return words


def _method(page: Page, method: str) -> Handler | None:
    return page.methods.get("GET" if method == "HEAD" else method)


def _target(request: Request) -> str:
    """Path and query as they may stand in a Location: what needs care is left out."""
    query = f"?{request.query}" if request.query else ""
    target = f"/{request.path.lstrip('/')}{query}"
    return target if target.isascii() and target.isprintable() and " " not in target else "/"
