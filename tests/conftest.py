"""What holds for every test: kinds, order, missing parts, the corpus, hypothesis."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from support import compiled, corpus, needs, tree
from support.needs import could_not_run

# First what is pure and quick, so that a red engine explains a red client; long work last.
ORDER = (
    "house", "base", "model", "message", "wire", "sieve", "dns", "store", "bus", "net", "policy",
    "auth", "mailbox", "queue", "delivery", "outbound", "serve", "config", "app", "cli",
    "contracts", "transcripts", "flows", "clients", "peers", "crash", "fuzz",
)  # fmt: skip
KINDS = {"flows", "clients", "peers", "crash", "fuzz"}

# A test's time is the machine's business, and the same examples are tried on every machine of
# a build; chance belongs to tests/fuzz. The inner loop tries a few examples, the suite all.
settings.register_profile("house", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")


def pytest_configure(config: pytest.Config) -> None:
    """Take the hooks of support.needs in. With PILLARBOX_COMPILED nothing runs on plain rooms."""
    config.pluginmanager.register(needs, "needs")
    if os.environ.get("PILLARBOX_COMPILED") and (plain := compiled.plain()):
        raise pytest.UsageError(f"not compiled: {' '.join(plain)}")


def _folder(item: pytest.Item) -> str:
    parts = item.path.relative_to(Path(__file__).parent).parts
    return parts[0] if len(parts) > 1 else ""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the mark of its folder, and put the folders in order."""
    rank = {folder: place for place, folder in enumerate(ORDER)}
    items.sort(key=lambda item: rank.get(_folder(item), rank["contracts"]))
    for item in items:
        folder = _folder(item)
        if folder in KINDS:
            item.add_marker(folder)
        elif folder == "house":  # one process reads the source, once
            item.add_marker(pytest.mark.xdist_group("house"))


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Forget the source as trees when those who look at it are through: they are millions of
    objects, which every collection of garbage after them would look at."""
    if _folder(item) == "house" and (nextitem is None or _folder(nextitem) != "house"):
        tree.sources.cache_clear()


def pytest_collection_finish() -> None:
    """Take what was collected out of the garbage collector's sight.

    The thousands of tests are a million objects that live to the end; a full collection in a
    test would look at each of them for half a second, over and over.
    """
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `corpus_file` runs once a message of the corpus."""
    if "corpus_file" in metafunc.fixturenames:
        found = [pytest.param(path, id=corpus.name(path)) for path in corpus.files()]
        none = [pytest.param(None, id="no-corpus", marks=pytest.mark.needs(corpus=True))]
        metafunc.parametrize("corpus_file", found or none)


@pytest.fixture(scope="session")
def corpus_files() -> tuple[Path, ...]:
    """Every message of the corpus."""
    if not corpus.files():
        could_not_run(corpus.ABSENT)
    return corpus.files()
