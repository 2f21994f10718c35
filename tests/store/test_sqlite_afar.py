"""Which methods a store that is written elsewhere answers by itself."""

from __future__ import annotations

import inspect

from pillarbox.store.api import Store
from pillarbox.store.sqlite.afar import HERE, _Reading

METHODS = {
    name: method
    for name, method in inspect.getmembers(Store, inspect.isfunction)
    if not name.startswith("_")
}


def test_what_is_answered_here_is_a_stores() -> None:
    assert set(METHODS) >= HERE
    assert all(hasattr(_Reading, name) for name in HERE)


def test_what_cannot_be_awaited_cannot_be_asked_of_another_process() -> None:
    at_once = {name for name, method in METHODS.items() if not inspect.iscoroutinefunction(method)}
    assert at_once
    assert at_once <= HERE
