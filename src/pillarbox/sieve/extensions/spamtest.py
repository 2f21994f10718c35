"""spamtest, spamtestplus and virustest (RFC 5235): what others found out about a message."""

from __future__ import annotations

from pillarbox.sieve.match import matches
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _said(number: int, text: str) -> str:
    return f"{number} {text}" if text else str(number)


def _spamtest(state: State, node: Node) -> bool:
    """RFC 5235 §3.2: 0 is unknown, 1 to 10 how sure; or percent, where 0 is clean too."""
    score, text = state.context.spam, state.context.spam_text
    if score is None:
        value = "0"
    else:
        score = min(max(score, 0.0), 1.0)
        value = _said(round(score * 100) if node.flag("percent") else 1 + round(score * 9), text)
    return matches(state, node, [value], [state.text(node.text("key"))], int(score is not None))


def _virustest(state: State, node: Node) -> bool:
    number = state.context.virus
    value = _said(number, state.context.virus_text)
    return matches(state, node, [value], [state.text(node.text("key"))], int(number > 0))


_KEY = (Arg("key", Kind.STRING),)
_SPAMTEST = Word("spamtest", _spamtest, _KEY, ("MATCH",))

EXTENSIONS = (
    Extension("spamtest", "RFC 5235", tests=(_SPAMTEST,)),
    Extension(
        "spamtestplus",
        "RFC 5235",
        tests=(_SPAMTEST,),
        tags=(Tag("percent", ("spamtest",)),),
    ),
    Extension("virustest", "RFC 5235", tests=(Word("virustest", _virustest, _KEY, ("MATCH",)),)),
)
