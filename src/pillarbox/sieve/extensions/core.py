"""The base language (RFC 5228 §3, §4, §5), what it names and takes for granted."""

from __future__ import annotations

from datetime import datetime

from pillarbox.model.address import parse_address
from pillarbox.sieve.actions import Discard, Keep, Redirect
from pillarbox.sieve.ask import ListMembers
from pillarbox.sieve.compare import COMPARATORS
from pillarbox.sieve.extensions.fields import PARTS, address_part, addresses, contents, selected
from pillarbox.sieve.extensions.flagset import flags_of
from pillarbox.sieve.match import matches
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State, Stop
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Tests, Word

_WITH_ADDRESSES = frozenset(
    {
        *("from", "to", "cc", "bcc", "sender", "reply-to"),
        *(
            "resent-from",
            "resent-to",
            "resent-cc",
            "resent-bcc",
            "resent-sender",
            "resent-reply-to",
        ),
        *("return-path", "delivered-to", "envelope-to", "envelope-from", "x-original-to"),
        *("x-envelope-to", "x-envelope-from", "apparently-to", "errors-to", "return-receipt-to"),
        *("disposition-notification-to", "original-recipient", "final-recipient", "original-from"),
        *("mail-followup-to", "mail-reply-to"),
    }
)
"""RFC 5228 §5.1: fields that hold address lists, the required ones and what mail has besides."""


# ---------------------------------------------------------------------------- control


def _if(state: State, node: Node) -> bool:
    if not state.do(node.tests[0]):
        return False
    state.block(node.block)
    return True


def _else(state: State, node: Node) -> bool:
    state.block(node.block)
    return True


def _stop(state: State, node: Node) -> None:
    raise Stop


# ---------------------------------------------------------------------------- actions


def _keep(state: State, node: Node) -> None:
    state.act(Keep(flags_of(state, node), state.message()), cancels=True)


def _discard(state: State, node: Node) -> None:
    state.act(Discard(), cancels=True)


def is_address(text: str) -> str:
    """A complaint about what mail cannot be sent to (RFC 5228 §2.4.2.3)."""
    found = parse_address(text) if not any(0xD800 <= ord(c) <= 0xDFFF for c in text) else None
    if found is None or "@" in found.domain or any(c in '<>,;()[]"\\' for c in found.domain):
        return f'"{text}" is no address'
    plain = found.local.replace('"', "").replace("\\", "")
    if any(c in "<>,;()[]:" for c in plain) and not text.startswith('"'):
        return f'"{text}" is no address'
    return ""


def _redirect(state: State, node: Node) -> None:
    goals = [state.text(node.text("address"))]
    if node.flag("list"):  # RFC 6134 §2.3
        members = state.ask(ListMembers(goals[0]))[0]
        if not isinstance(members, tuple):
            raise Failed(f'there is no list "{goals[0]}"')
        goals = list(members)
    for goal in goals:
        if complaint := is_address(goal):
            raise Failed(complaint)
        state.act(
            Redirect(
                *(goal, node.flag("copy"), state.forwarded()),
                notify=state.text(node.text("notify")).upper(),
                ret=state.text(node.text("ret")).upper(),
                by=_deliver_by(state, node),
            ),
            cancels=not node.flag("copy"),
        )


def _redirect_complaint(node: Node) -> str:
    goal = node.text("address")
    return is_address(goal) if isinstance(goal, str) and not node.flag("list") else ""


def _deliver_by(state: State, node: Node) -> str:
    """The BY parameter that RFC 6009 §4 asks for, '' for none."""
    if node.flag("bytimerelative"):
        seconds = node.number("bytimerelative")
    elif node.flag("bytimeabsolute"):
        seconds = int(
            absolute(state.text(node.text("bytimeabsolute"))) - state.context.now.timestamp()
        )
    else:
        return ""
    final = state.text(node.text("bymode", "return")).lower() != "notify"
    seconds = max(seconds, 1 if final else -999_999_999)
    return f"{min(seconds, 999_999_999)};{'R' if final else 'N'}{'T' * node.flag('bytrace')}"


# ---------------------------------------------------------------------------- tests


def _allof(state: State, node: Node) -> bool:
    return all(state.do(test) for test in node.tests)


def _anyof(state: State, node: Node) -> bool:
    return any(state.do(test) for test in node.tests)


def _not(state: State, node: Node) -> bool:
    return not state.do(node.tests[0])


def _true(state: State, node: Node) -> bool:
    return True


def _false(state: State, node: Node) -> bool:
    return False


def _size(state: State, node: Node) -> bool:
    """RFC 5228 §5.9: neither over nor under its own size."""
    size = len(state.mail.data)
    if node.flag("over"):
        return size > node.number("over")
    return size < node.number("under")


def _size_complaint(node: Node) -> str:
    return "" if node.flag("over") or node.flag("under") else '"size" needs ":over" or ":under"'


def _exists(state: State, node: Node) -> bool:
    """RFC 5228 §5.5: all of them."""
    return all(selected(state, node, [name]) for name in state.texts(node.texts("names")))


def _header(state: State, node: Node) -> bool:
    found = selected(state, node, state.texts(node.texts("names")))
    values = [value for one in found for value in contents(node, one, state)]
    return matches(state, node, values, state.texts(node.texts("keys")))


def _address(state: State, node: Node) -> bool:
    names = state.texts(node.texts("names"))
    if not node.flag("mime"):
        names = [name for name in names if name.lower() in _WITH_ADDRESSES]
    part = node.chosen(PARTS, "all")
    values = []
    for one in selected(state, node, names):
        for found in addresses(one):
            value = address_part(part, found, state.context.separator)
            if value is not None:
                values.append(value)
    return matches(state, node, values, state.texts(node.texts("keys")))


def _address_complaint(node: Node) -> str:
    """RFC 5228 §5.1: MUST restrict the test to fields that hold addresses."""
    if node.flag("mime"):
        return ""
    for name in node.texts("names"):
        if isinstance(name, str) and name.lower() not in _WITH_ADDRESSES:
            return f'the field "{name}" holds no addresses'
    return ""


# ---------------------------------------------------------------------------- the table

NAMES = Arg("names", Kind.STRINGS)
KEYS = Arg("keys", Kind.STRINGS)


def _comparator(name: str) -> str:
    return "" if name in COMPARATORS else f'there is no comparator "{name}"'


def timestamp(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 date-time, None for what is none."""
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None


def absolute(text: str) -> float:
    """The same; Failed for what is none."""
    found = timestamp(text)
    if found is None:
        raise Failed(f'"{text}" is no date-time of RFC 3339')
    return found


EXTENSIONS = (
    Extension(
        "",
        "RFC 5228",
        commands=(
            Word("if", _if, tests=Tests.ONE, block=True),
            Word("elsif", _if, tests=Tests.ONE, block=True, after=("if", "elsif")),
            Word("else", _else, block=True, after=("if", "elsif")),
            Word("stop", _stop),
            Word("keep", _keep),
            Word("discard", _discard),
            Word(
                "redirect",
                _redirect,
                (Arg("address", Kind.STRING),),
                check=_redirect_complaint,
            ),
        ),
        tests=(
            Word("allof", _allof, tests=Tests.LIST),
            Word("anyof", _anyof, tests=Tests.LIST),
            Word("not", _not, tests=Tests.ONE),
            Word("true", _true),
            Word("false", _false),
            Word("size", _size, check=_size_complaint),
            Word("exists", _exists, (NAMES,), ("MIME",)),
            Word("header", _header, (NAMES, KEYS), ("MATCH", "INDEX", "MIME", "MIMEOPTS")),
            Word(
                *("address", _address, (NAMES, KEYS), ("MATCH", "INDEX", "MIME", "ADDRESS")),
                check=_address_complaint,
            ),
        ),
        tags=(
            Tag("comparator", ("MATCH",), Arg("comparator", Kind.STRING, True, _comparator)),
            Tag("is", ("MATCH",), group="match"),
            Tag("contains", ("MATCH",), group="match"),
            Tag("matches", ("MATCH",), group="match"),
            Tag("all", ("ADDRESS",), group="part"),
            Tag("localpart", ("ADDRESS",), group="part"),
            Tag("domain", ("ADDRESS",), group="part"),
            Tag("over", ("size",), Arg("size", Kind.NUMBER), group="side"),
            Tag("under", ("size",), Arg("size", Kind.NUMBER), group="side"),
        ),
    ),
)
