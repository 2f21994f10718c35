"""What idle connections cost, kept from growing unnoticed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "net_connections.py"

#: Kilobytes an idle connection; measured 4.5 and 17.5, and asyncio's own TLS would be 285.
BOUNDS = {"plain": 9.0, "TLS": 35.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    "loop", ["asyncio", pytest.param("uvloop", marks=pytest.mark.needs(module="uvloop"))]
)
def test_idle_connections_are_small(loop: str) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH), "--loop", loop, "--idle", "500", "--only", "idle"],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    found = dict(re.findall(r"^(plain|TLS) +idle +([\d.]+) KB", done.stdout, re.MULTILINE))
    assert set(found) == set(BOUNDS)
    for kind, kilobytes in found.items():
        assert 0 < float(kilobytes) < BOUNDS[kind], done.stdout
