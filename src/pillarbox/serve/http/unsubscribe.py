"""Leaving a list by one click (RFC 8058): GET asks and changes nothing, POST does it.

A mail program POSTs on its own when its user clicks; a browser shows the page first, because
programs that look at links on the way fetch them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pillarbox.delivery.lists.subscriptions import Subscriptions
from pillarbox.message.scan import scan
from pillarbox.serve.http.site import NOT_FOUND
from pillarbox.serve.http.values import TEXT, Answer, Page, Request, pairs

_NAME, _VALUE = "List-Unsubscribe", "One-Click"
NOT_ASKED = Answer(400, b"A POST here says List-Unsubscribe=One-Click.\n", TEXT)


class Unsubscribe:
    """The pages behind the tokens of ``delivery.lists``."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    def pages(self) -> Sequence[Page]:
        """One, for both ways."""
        return (Page("/u/{token}", {"GET": self._ask, "POST": self._leave}),)

    async def _ask(self, request: Request) -> Answer:
        token = request.words["token"]
        if not self._subscriptions.is_token(token):
            return NOT_FOUND
        found = await self._subscriptions.who(token)
        if found is None:
            return _page("<p>That address is not on the list any more.</p>")
        one, member = found
        return _page(
            f"<p>Take <b>{escape(member.address)}</b> off the list"
            f" <b>{escape(one.title or one.address)}</b>?</p>"
            f'<form method="post"><input type="hidden" name="{_NAME}" value="{_VALUE}">'
            "<button>Leave the list</button></form>"
        )

    async def _leave(self, request: Request) -> Answer:
        if not _says_so(request):
            return NOT_ASKED
        if not await self._subscriptions.leave(request.words["token"], "by a click"):
            return NOT_FOUND
        return _page("<p>Done. Nothing more will be sent from that list.</p>")


def _says_so(request: Request) -> bool:
    """RFC 8058 §3.2: the one pair, in either form of a form."""
    if request.content_type.lower().startswith("multipart/form-data"):
        head = f"Content-Type: {request.content_type}\r\n\r\n".encode("latin-1", "replace")
        data = head + request.body
        for part in scan(data).root.children:
            names = dict(part.disposition[1]) if part.disposition else {}
            value = data[part.body_start : part.body_end].strip().decode("latin-1")
            if names.get(b"name", b"").decode("latin-1") == _NAME and value == _VALUE:
                return True
        return False
    return (_NAME, _VALUE) in pairs(request.body.decode("latin-1"))


def _page(body: str) -> Answer:
    style = "body{font:1.1em sans-serif;max-width:30em;margin:4em auto;padding:0 1em}"
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailing list</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{style}</style>{body}</html>\n"
    )
    return Answer(200, text.encode())
