"""The examples that the RFCs print: all of them are read, checked and run."""

from __future__ import annotations

import pytest

from pillarbox.sieve.problem import Invalid
from pillarbox.sieve.run import compile_script
from support.needs import could_not_run
from support.rfctexts import ABSENT, directory, scripts
from support.sievesay import BODIES, World, outcome

TEXTS = (
    *(3894, 5173, 5183, 5228, 5229, 5230, 5231, 5232, 5233, 5235, 5260, 5293, 5429, 5435, 5436),
    *(5463, 5490, 5703, 6131, 6609, 6785, 7352),
)
PRINTED_WRONG = {
    (5229, 0): "a semicolon is missing",
    (5229, 1): "fileinto is spelt fileinfo",
    (5230, 3): "the semicolon after the text is missing",
    (5232, 0): "anyof without parentheses",
    (5235, 0): "the name of a capability is broken over two lines",
    (5235, 2): "the name of a capability is broken over two lines",
    (5260, 6): "a comma before a block",
    (5429, 3): "relational is not required",
    (5490, 1): "the semicolon after the text is missing",
    (5703, 2): "a size in quotes",
    (5703, 6): "a tag :text that the same text does not define",
    (5703, 7): "foreverypart is not required",
}
"""Examples that are no Sieve by the RFCs' own grammar, and why."""


def whole(source: str) -> str | None:
    """A script, without the prose that may follow it; None if no part of it is one."""
    lines = source.split("\n")
    for end in range(len(lines), 1, -1):
        part = "\n".join(lines[:end]) + "\n"
        try:
            if compile_script(part.encode()).program.nodes or end == len(lines):
                return part
        except Invalid:
            continue
    return None


@pytest.mark.parametrize("number", TEXTS)
def test_examples(number: int) -> None:
    folder = directory()
    if folder is None:
        could_not_run(ABSENT)
    found = list(scripts(folder / f"rfc{number}.txt"))
    for place, source in enumerate(found):
        good = whole(source)
        wrong = PRINTED_WRONG.get((number, place))
        if wrong is not None:
            with pytest.raises(Invalid):
                compile_script(source.encode())
            continue
        assert good is not None, (number, place, source)
        for body in BODIES:
            ended = outcome(good, body, world=World(lists={}))
            assert ended.actions


def test_most_texts_have_examples() -> None:
    folder = directory()
    if folder is None:
        could_not_run(ABSENT)
    assert sum(len(list(scripts(folder / f"rfc{number}.txt"))) for number in TEXTS) > 75
