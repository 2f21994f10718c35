"""Pages of docs/bench: figures between marks, which a run replaces; the words around them stay."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from pillarbox.message import scan


def put_into(page: Path, mark: str, text: str) -> None:
    """In place of what stood between ``<!-- mark -->`` and ``<!-- end of mark -->``. A page that is
    not there yet begins with the marks alone. Raises ValueError where it has no such marks."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    whole = page.read_text("utf-8") if page.exists() else begin + end
    before, found, rest = whole.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no place for {mark}")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{begin}{text.rstrip()}\n{end}{after}", "utf-8")


def machine() -> str:
    """Where and when, and how busy it was."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} cores ({model}), load average {os.getloadavg()[0]:.1f}, Linux"
        f" {platform.release()}, Python {platform.python_version()}"
        f"{' with rooms compiled' if compiled() else ''}, {time.strftime('%Y-%m-%d')}"
    )


def compiled() -> bool:
    """Whether rooms are compiled for what this process starts (decision 0097)."""
    return not scan.__file__.endswith(".py")
