"""What may not stand in any tracked file, and what the papers of the house must keep true."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.tree import PACKAGE, ROOT, text_of, toml, tracked

# Written so that this file does not match itself.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.~/-])/(?:work|root|home/[a-z]\w*|tmp/pb)(?:/|[\s`'\"]|$)",
    "a registry's host": r"\b(?:pypi|pythonhosted|npmjs|crates)\.(?:org|io|com)\b",
    "an index address": r"--(?:extra-)?index-url|https?://\S+/simple\b",
    "a package mirror": r"\bdeb\.debian\.org|security\.debian\.org",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a merge left open": r"^(?:<{7}|>{7}) ",
    "a note to oneself": r"\b(?:TODO|FIXME|XXX|HACK)\b",
}
# File and complaint that are as they should be, and why.
ALLOWED: dict[tuple[str, str], str] = {}

SKIPS = {"skip", "skipif", "importorskip"}


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    yield from enumerate((text_of(path) or "").splitlines(), 1)


@pytest.mark.parametrize("complaint", FORBIDDEN)
def test_no_tracked_file_holds(complaint: str) -> None:
    pattern = re.compile(FORBIDDEN[complaint])
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path in tracked()
        if path.suffix != ".eml" and path.name != "LICENSE"
        if (str(path), complaint) not in ALLOWED and path.name != Path(__file__).name
        for number, line in lines_of(path)
        if pattern.search(line)
    ]
    assert not found, "\n" + "\n".join(found)


def test_the_forbidden_is_recognised() -> None:
    samples = {
        "a path of one machine": "cd /" + "work/main",
        "a registry's host": "from pypi" + ".org",
        "an index address": "pip install --index" + "-url x",
        "a package mirror": "deb.debian" + ".org",
        "a private key": "-----BEGIN EC PRIVATE" + " KEY-----",
        "a merge left open": "<<<<" + "<<< HEAD",
        "a note to oneself": "# TO" + "DO later",
    }
    for complaint, pattern in FORBIDDEN.items():
        assert re.search(pattern, samples[complaint]), complaint
    for harmless in (
        "/var/lib/pillarbox",
        "ProtectHome=yes",
        "/etc/pillarbox",
        "a/work/b",
        "homework",
    ):
        assert not re.search(FORBIDDEN["a path of one machine"], harmless)


def test_tests_do_not_skip_quietly() -> None:
    found = []
    for path in tracked():
        if path.suffix == ".py" and path.parts[0] == "tests" and "support" not in path.parts:
            text = text_of(path) or ""
            if not any(word in text for word in SKIPS):
                continue
            for node in ast.walk(ast.parse(text)):
                if not isinstance(node, ast.Attribute) or node.attr not in SKIPS:
                    continue
                if ast.unparse(node).startswith(("pytest.", "unittest.")):
                    found.append(f"{path}:{node.lineno}: use support.needs")
    assert not found, "\n" + "\n".join(found)


def test_every_paper_named_exists() -> None:
    """Links and names of Markdown files, so that no paper points at one that is not here."""
    names = {path.name for path in tracked()} | {path.name for path in PACKAGE.rglob("*.md")}
    found = []
    for path in tracked():
        if path.suffix not in {".md", ".py", ".toml", ".sh", ""} or path.name == "LICENSE":
            continue
        for number, line in lines_of(path):
            for target in re.findall(r"[\w./-]+\.md\b", line):
                if Path(target).name not in names:
                    found.append(f"{path}:{number}: there is no {target}")
            if path.suffix == ".md":
                for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", line):
                    if not (ROOT / path.parent / target).exists():
                        found.append(f"{path}:{number}: the link to {target} leads nowhere")
    assert not found, "\n" + "\n".join(found)


def test_the_changelog_has_room_for_what_comes() -> None:
    headings = re.findall(r"^## (.*)$", text_of(Path("CHANGELOG.md")) or "", re.MULTILINE)
    assert headings[:1] == ["Unreleased"]


def test_dependencies_are_explained_and_pinned() -> None:
    project = toml("pyproject.toml")["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.split(r"[<>=!~ \[;]", line)[0] for group in groups for line in group}
    paper = text_of(Path("docs/dependencies.md")) or ""
    assert not [name for name in declared if f"`{name}`" not in paper]
    pins = {line.split("==")[0].lower() for _, line in lines_of(Path("constraints.txt"))}
    assert not [name for name in declared if name.lower() not in pins]


def test_every_target_is_explained() -> None:
    targets = re.findall(r"^([a-z]+):(.*)$", text_of(Path("Makefile")) or "", re.MULTILINE)
    silent = [name for name, rest in targets if "## " not in rest and name != "dev"]
    assert not silent
    known = {name for name, _ in targets}
    for paper in ("README.md", "CONTRIBUTING.md", "docs/testing.md"):
        used = set(re.findall(r"(?<![\w-])make ([a-z]+)\b(?=[`\s])", text_of(Path(paper)) or ""))
        prose = {"a", "an", "it", "its", "sure", "the", "their", "this", "your"}
        assert used - prose <= known, paper


def keys() -> Iterator[tuple[str, str]]:
    """Section class and key of everything that the configuration file may say."""
    for path in sorted((PACKAGE / "config").glob("[a-z]*.py")):
        module = importlib.import_module(f"pillarbox.config.{path.stem}")
        for _, kind in inspect.getmembers(module, dataclasses.is_dataclass):
            if isinstance(kind, type) and kind.__module__ == module.__name__:
                for field in dataclasses.fields(kind):
                    if "doc" in field.metadata:
                        yield kind.__name__, field.name


def test_every_key_of_the_configuration_is_documented() -> None:
    found = list(keys())
    assert found or not list((PACKAGE / "config").glob("*.py")), "pillarbox.config has no keys"
    paper = ROOT / "docs" / "config.md"
    text = paper.read_text(encoding="utf-8") if paper.exists() else ""
    missing = [
        f"{section}.{key}"
        for section, key in found
        if not re.search(rf"`{key}`|^{key} =", text, re.MULTILINE)
    ]
    assert not missing, f"docs/config.md does not say what these are: {missing}"
