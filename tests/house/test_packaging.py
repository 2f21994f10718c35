"""The systemd units agree with the configuration on doors, names and ports."""

from __future__ import annotations

import ast
import configparser
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from support import tree
from support.compiled import modules
from support.tree import ROOT

UNITS = ROOT / "packaging" / "systemd"
PORTS = {
    "smtp": 25,
    "submission": 587,
    "smtps": 465,
    "http": 80,
    "https": 443,
    "lmtp": 24,
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "sieve": 4190,
}
CLOSED = {"lmtp", "http", "https"}
"""Unless the configuration opens them."""


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path)
    return parser


def test_every_door_has_its_socket() -> None:
    sockets = {path: unit(path)["Socket"] for path in UNITS.glob("*.socket")}
    ports = {
        socket["FileDescriptorName"]: int(socket["ListenStream"].rpartition(":")[2])
        for socket in sockets.values()
    }
    assert ports == PORTS
    for path, socket in sockets.items():
        assert path.name == f"pillarbox-{socket['FileDescriptorName']}.socket"
        assert socket["Service"] == "pillarbox.service"


def test_the_relays_door_stays_on_this_machine() -> None:
    assert unit(UNITS / "pillarbox-lmtp.socket")["Socket"]["ListenStream"] == "127.0.0.1:24"


def test_the_service_is_confined_and_says_when_it_is_ready() -> None:
    service = unit(UNITS / "pillarbox.service")["Service"]
    assert service["Type"] == "notify"
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectory"] == "pillarbox"
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"]
    assert service["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    assert service["User"] != "root"


def test_the_configuration_names_the_same_doors() -> None:
    paper = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    for name, port in PORTS.items():
        assert f"| `{name}` | `[" in paper
        assert name in CLOSED or f"0.0.0.0:{port}" in paper


def test_what_is_compiled_is_such_as_mypyc_takes() -> None:
    """An ``async def`` that yields is what it does not."""
    sources = {source.module: source for source in tree.sources()}
    for name in modules():
        for node in ast.walk(sources[name].tree):
            if isinstance(node, ast.AsyncFunctionDef):
                assert not any(isinstance(one, ast.Yield) for one in ast.walk(node)), name


def test_no_plain_class_inherits_from_a_compiled_one() -> None:
    """Python would refuse to make it, as soon as somebody imports it."""
    compiled = set(modules())
    for source in tree.sources():
        if source.module in compiled:
            continue
        names = {
            alias.asname or alias.name: (node.module, f"{node.module}.{alias.name}")
            for node in ast.walk(source.tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for node in ast.walk(source.tree):
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                word = ast.unparse(base).partition(".")[0]
                assert compiled.isdisjoint(names.get(word, ())), (source.path, word)


def build_hook() -> ModuleType:
    """``hatch_build.py``, as the builder has it."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


@pytest.mark.needs(module="hatchling")
def test_a_wheel_that_was_to_be_compiled_is() -> None:
    """What is packed is what lies beside the sources, with a library of every module."""
    hook = build_hook()
    names = [name.replace(".", "/") for name in modules()]
    made = [Path(f"{name}.cpython-311.so") for name in names]
    there = [Path("pillarbox_base__mypyc.cpython-311.so"), *made]
    own = [Path("build", "lib") / one for one in made]
    assert hook.libraries([*there, *own]) == there
    for fewer in (own, [*there[:1], *made[1:], *own]):
        with pytest.raises(RuntimeError, match=f"compiling {names[0]}.py"):
            hook.libraries(fewer)
