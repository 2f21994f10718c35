"""Pictures of figures, as SVG that needs nothing to be shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_ROW, _LEFT, _WIDTH, _TOP = 18, 430, 420, 34
_LEAST, _MOST = 0.1, 1000.0


def ratios(rows: Sequence[tuple[str, float, float | None]]) -> str:
    """A bar for each (name, ratio, goal), on a logarithmic scale around 1; a tick at the goal."""
    height = _TOP + _ROW * len(rows) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 60}" height="{height}"'
        ' font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    value = _LEAST
    while value <= _MOST:
        x = _place(value)
        weight = "#666" if value == 1 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="20" y2="{height}" stroke="{weight}"/>')
        parts.append(f'<text x="{x:.1f}" y="14" text-anchor="middle">{value:g}</text>')
        value = round(value * 10, 6)
    for number, (name, ratio, goal) in enumerate(rows):
        y = _TOP + number * _ROW
        x, one = _place(ratio), _place(1.0)
        colour = "#888" if goal is None else "#3a7d44" if ratio >= goal else "#b3422f"
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 9}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<rect x="{min(x, one):.1f}" y="{y}" width="{max(abs(x - one), 1):.1f}" height="11"'
            f' fill="{colour}"/>'
        )
        parts.append(f'<text x="{max(x, one) + 4:.1f}" y="{y + 9}">{ratio:.3g}</text>')
        if goal is not None:
            at = _place(goal)
            parts.append(
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 2}" y2="{y + 13}" stroke="black"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _place(value: float) -> float:
    clipped = min(max(value, _LEAST), _MOST)
    share = math.log10(clipped / _LEAST) / math.log10(_MOST / _LEAST)
    return _LEFT + share * _WIDTH
