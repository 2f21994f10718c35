"""foreverypart (RFC 5703 §3): doing something for each part of a message."""

from __future__ import annotations

from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import Break, State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word


def _foreverypart(state: State, node: Node) -> None:
    frame, mail = state.frame, state.mail
    outer = frame.part
    # Inside another loop: the parts of its part, without that part itself.
    paths = mail.below(frame.base) if outer is None else mail.below(outer)[1:]
    name = state.text(node.text("name"))
    frame.loops.append(name)
    try:
        for path in paths:
            if mail.part(path) is None:
                continue  # a replace took it away
            state.spend(1)
            frame.part = path
            state.block(node.block)
    except Break as ended:
        if ended.name and ended.name != name:
            raise
    finally:
        frame.part = outer
        frame.loops.pop()


def _break(state: State, node: Node) -> None:
    name = state.text(node.text("name"))
    if name and name not in state.frame.loops:
        raise Failed(f'there is no loop "{name}" to break')
    raise Break(name)


_NAME = Arg("name", Kind.STRING)

EXTENSIONS = (
    Extension(
        "foreverypart",
        "RFC 5703",
        commands=(
            Word("foreverypart", _foreverypart, block=True),
            Word("break", _break, inside="foreverypart"),
        ),
        tags=(Tag("name", ("foreverypart", "break"), _NAME),),
    ),
)
