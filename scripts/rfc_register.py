"""Bring docs/rfc.toml up to date: which room cites which RFC.

Without words it shows what is missing; with --write it mends the `modules` of every entry and
adds entries for RFCs it does not know, with the title "?" for a person to fill in. Status and
notes are a person's to say; only planned becomes part, and part planned, when code comes or goes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import register  # noqa: E402  the tests' own reading of citations

FILE = ROOT / "docs" / "rfc.toml"


def renewed() -> list[dict[str, Any]]:
    """The entries as they should be, by number."""
    known = {entry["number"]: entry for entry in register.entries()}
    citing = register.cited()
    for number in citing.keys() - known.keys():
        known[number] = {"number": number, "title": "?", "status": "part"}
    for number, entry in known.items():
        entry["modules"] = sorted({register.room_of(module) for module in citing.get(number, ())})
        if not entry["modules"]:
            entry["status"] = "planned"
        elif entry["status"] == "planned":
            entry["status"] = "part"
        if entry["status"] == "part":
            entry.setdefault("note", "begun")
        elif entry.get("note") == "begun":
            del entry["note"]
    return [known[number] for number in sorted(known)]


def text(entries: list[dict[str, Any]]) -> str:
    """The file, keeping the words at its head."""
    head = FILE.read_text(encoding="utf-8").split("[[rfc]]")[0]
    keys = ("number", "title", "status", "note", "modules")
    blocks = [
        "[[rfc]]\n"
        + "".join(
            f"{key} = {json.dumps(entry[key], ensure_ascii=False)}\n"
            for key in keys
            if key in entry
        )
        for entry in entries
    ]
    return head + "\n".join(blocks)


def main() -> int:
    """0 when the register is (now) true and every title is known."""
    entries = renewed()
    wanted = text(entries)
    changed = wanted != FILE.read_text(encoding="utf-8")
    if changed and "--write" in sys.argv:
        FILE.write_text(wanted, encoding="utf-8")
        print("docs/rfc.toml: rewritten")
    elif changed:
        print("docs/rfc.toml is not what the source says: make register")
        return 1
    untitled = [entry["number"] for entry in entries if entry["title"] == "?"]
    if untitled:
        print("titles wanted for RFC", ", ".join(map(str, untitled)))
    return 1 if untitled else 0


if __name__ == "__main__":
    sys.exit(main())
