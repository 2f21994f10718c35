"""Files to read in one sitting, functions that fit a screen; exceptions give a reason."""

from __future__ import annotations

from support.tree import definitions, sources

FILE_LINES = 400
FUNCTION_LINES = 80

# Path, or path:function, with why it may be longer. An entry no longer needed fails too.
LARGE_FILES: dict[str, str] = {
    "src/pillarbox/store/api.py": "the whole contract of the store, to be read as one",
    "src/pillarbox/store/sqlite/schema.py": "all migrations in order; old ones are never edited",
    "src/pillarbox/wire/imap/commands.py": "a vocabulary: small values, no code",
}
LONG_FUNCTIONS: dict[str, str] = {}


def test_files_are_short() -> None:
    lengths = {source.path: source.text.count("\n") for source in sources()}
    large = {path: count for path, count in lengths.items() if count > FILE_LINES}
    assert set(large) == set(LARGE_FILES), {
        "too long": {path: large[path] for path in set(large) - set(LARGE_FILES)},
        "listed for nothing": set(LARGE_FILES) - set(large),
    }


def test_functions_are_short() -> None:
    lengths = {
        f"{source.path}:{name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for source in sources()
        for name, node in definitions(source.tree)
        if type(node).__name__ != "ClassDef"
    }
    long = {name: count for name, count in lengths.items() if count > FUNCTION_LINES}
    assert set(long) == set(LONG_FUNCTIONS), {
        "too long": {name: long[name] for name in set(long) - set(LONG_FUNCTIONS)},
        "listed for nothing": set(LONG_FUNCTIONS) - set(long),
    }
