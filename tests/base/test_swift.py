"""Frozen values that are made quickly are the same as others."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from pillarbox.base.swift import swift


@dataclass(frozen=True, slots=True)
class Plain:
    a: int
    b: str = "b"
    c: list[int] = field(default_factory=list)
    d: float | None = None


@swift
@dataclass(frozen=True, slots=True)
class Swift:
    a: int
    b: str = "b"
    c: list[int] = field(default_factory=list)
    d: float | None = None


def test_it_says_and_takes_the_same() -> None:
    assert repr(Swift(1, d=2.0)) == repr(Plain(1, d=2.0)).replace("Plain", "Swift")
    assert Swift(1) == Swift(1, "b", [], None) != Swift(2)
    assert Swift(1).c is not Swift(1).c
    assert replace(Swift(1), b="x") == Swift(1, "x")
    assert type(Swift(1)) is Swift
    names = list(inspect.signature(Swift).parameters)
    assert names == list(inspect.signature(Plain).parameters)


def test_it_cannot_be_changed() -> None:
    one = Swift(1)
    with pytest.raises(FrozenInstanceError):
        one.a = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del one.b  # type: ignore[misc]


def test_it_can_be_copied_and_sent() -> None:
    one = Swift(1, "x", [3])
    sent = pickle.loads(pickle.dumps(one))  # noqa: S301  (our own)
    assert sent == copy.deepcopy(one) == copy.copy(one) == one


@pytest.mark.parametrize("wrong", [{}, {"a": 1, "z": 2}])
def test_it_refuses_what_the_other_refuses(wrong: dict[str, int]) -> None:
    for kind in (Plain, Swift):
        with pytest.raises(TypeError):
            kind(**wrong)  # type: ignore[arg-type]
