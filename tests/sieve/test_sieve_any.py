"""Scripts made by chance: they never break the interpreter, whatever the message."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.sieve.actions import Keep
from pillarbox.sieve.extensions.table import CAPABILITIES, COMMANDS, TAGS, TESTS
from pillarbox.sieve.lex import Kind as Token
from pillarbox.sieve.lex import Lexer
from pillarbox.sieve.limits import Limits
from pillarbox.sieve.problem import Invalid, Wrong
from pillarbox.sieve.run import compile_script
from pillarbox.sieve.show import shown
from pillarbox.sieve.words import Kind, Word
from pillarbox.sieve.words import Tests as Inner
from support.sievesay import BODIES, World, outcome

LIMITS = Limits(steps=5000, regex_seconds=0.01, regex_total=0.05)
REQUIRE = "require [" + ", ".join(f'"{name}"' for name in CAPABILITIES) + "];\n"
WORLD = World(
    mailboxes={"INBOX": "i0", "a": "i1"},
    uses={"\\Junk": "Junk"},
    lists={"l": ("a@b.example",)},
    scripts={("a", False): "keep;", ("b", False): 'require "include"; include "a"; stop;'},
)

_WORDS = [
    "", "a", "subject", "from", "To", "*", "?*", "\\*", "${1}", "${v}", "${global.g}",
    "a@b.example",
    "mailto:a@b.example", "INBOX", "gt", "eq", "i;octet", "i;ascii-numeric", "i;unicode-casemap",
    "year", "+0100", "date", "content-type", "\\Seen", "\\Junk", "v", "1", "/shared/a", "é", "\n",
    "x" * 300, "^(a|b)*$", "${hex:41}", "${unicode:e9}", "message-id", "tag:l",
    "2026-01-01T00:00:00Z",
    "text/plain", "10", "notify",
]  # fmt: skip
_text = st.sampled_from(_WORDS).map(
    lambda word: '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
_list = st.one_of(_text, st.lists(_text, min_size=1, max_size=3).map(lambda a: f"[{', '.join(a)}]"))
_number = st.sampled_from(["0", "1", "2", "100", "3K", "9999999999"])
_VALUES = {Kind.STRING: _text, Kind.STRINGS: _list, Kind.NUMBER: _number}


@st.composite
def _arguments(draw: st.DrawFn, word: Word) -> str:
    bearers = {word.name, *word.takes}
    fitting = [
        tag for same in TAGS.values() for tag, _ in same if bearers.intersection(tag.on)
    ]  # fmt: skip
    out: list[str] = []
    for tag in draw(st.lists(st.sampled_from(fitting), max_size=3, unique=True)) if fitting else ():
        out.append(f":{tag.name}")
        if tag.value is not None:
            out.append(draw(_VALUES[tag.value.kind]))
    for arg in word.args:
        if not arg.optional or draw(st.booleans()):
            out.append(draw(_VALUES[arg.kind]))
    return " ".join(["", *out])


@st.composite
def _test(draw: st.DrawFn, depth: int) -> str:
    word = draw(st.sampled_from(sorted(TESTS))) if depth else "true"
    entry = TESTS[word].word
    inner = ""
    if entry.tests is Inner.ONE:
        inner = " " + draw(_test(depth - 1))
    elif entry.tests is Inner.LIST:
        inner = f" ({', '.join(draw(st.lists(_test(depth - 1), min_size=1, max_size=3)))})"
    return word + draw(_arguments(entry)) + inner


@st.composite
def _commands(draw: st.DrawFn, depth: int) -> str:
    out = []
    for _ in range(draw(st.integers(0, 4))):
        entry = COMMANDS[draw(st.sampled_from(sorted(COMMANDS)))].word
        if entry.after:
            continue
        line = entry.name + draw(_arguments(entry))
        if entry.tests is Inner.ONE:
            line += " " + draw(_test(2))
        if entry.block:
            line += " {" + (draw(_commands(depth - 1)) if depth else "") + "}"
            if entry.name == "if" and draw(st.booleans()):
                line += " else {" + (draw(_commands(depth - 1)) if depth else "") + "}"
            out.append(line)
        else:
            out.append(line + ";")
    return "\n".join(out)


def good(source: bytes) -> bool:
    """Whether it can run; what cannot says where it is wrong."""
    try:
        compile_script(source, LIMITS)
    except Invalid as invalid:
        return bool([str(one) for one in invalid.problems if one.place.line < 1])
    return True


@pytest.mark.slow
@settings(max_examples=500)
@given(_commands(2), st.sampled_from(BODIES), st.booleans())
def test_made_scripts_end(source: str, message: bytes, event: bool) -> None:
    if not good((REQUIRE + source).encode()):
        return
    more = {"envelope": None} if event else {}
    ended = outcome(REQUIRE + source, message, world=WORLD, limits=LIMITS, **more)
    assert ended.actions
    assert shown(ended)
    if ended.error:
        assert [type(one) for one in ended.actions] == [Keep]
        assert ended.actions[0].message is None


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [
                *COMMANDS,
                *TESTS,
                *(f":{name}" for name in TAGS),
                *"()[]{},;",
                '"a"',
                "5",
                "text:\n",
                ".\n",
            ]
        ),
        max_size=30,
    )
)
def test_any_words_are_a_script_or_are_refused(words: list[str]) -> None:
    good(" ".join(words).encode())


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_octets_are_a_script_or_are_refused(octets: bytes) -> None:
    good(octets)


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_places_lie_in_the_text(text: str) -> None:
    text = text.replace("\0", "").replace("\r", "")
    lexer = Lexer(text)
    lines = text.split("\n")
    with contextlib.suppress(Wrong):
        while (token := lexer.next()).kind is not Token.END:
            assert token.place.column <= len(lines[token.place.line - 1]) + 1
