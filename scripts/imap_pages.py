"""Draw the pages about IMAP in docs/ (states, capabilities, clients) from the tables of the engine.

Without words it says whether they are current; with --write it writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "src"))

from support import imappages  # noqa: E402

PAGES = {
    imappages.STATES: imappages.states,
    imappages.CAPABILITIES: imappages.capabilities,
    imappages.CLIENTS: imappages.clients,
}


def main() -> int:
    """0 when the pages are (now) what the tables say."""
    stale = 0
    for name, draw in PAGES.items():
        path, text = ROOT / name, draw()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--write" in sys.argv:
            path.write_text(text, encoding="utf-8")
            print(f"{name}: written")
        else:
            print(f"{name} is not what the tables say: scripts/imap_pages.py --write")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
