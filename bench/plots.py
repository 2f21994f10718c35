"""Pictures of figures, as SVG that needs nothing to be shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


_COLOURS = ("#3a7d44", "#b3422f", "#2f5fb3", "#b38a2f", "#7a3ab3", "#2fa3b3", "#888", "#333")


def growth(sizes: Sequence[int], lines: Mapping[str, Sequence[float]]) -> str:
    """A line for each kind of work over the sizes, both axes logarithmic: what is flat at 1 does
    not grow."""
    wide, high, left, top = 420, 260, 60, 20
    most = max(10.0, *(value for values in lines.values() for value in values))
    least = min(0.5, *(value for values in lines.values() for value in values))

    def at(size: float, value: float) -> str:
        x = math.log(size / sizes[0]) / (math.log(sizes[-1] / sizes[0]) or 1)
        y = math.log(value / least) / math.log(most / least)
        return f"{left + x * wide:.1f},{top + (1 - y) * high:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + wide + 300}"'
        f' height="{top + high + 40}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for value in (0.1, 0.5, 1, 2, 5, 10, 100, 1_000, 10_000):
        if least <= value <= most:
            begin, end = at(sizes[0], value), at(sizes[-1], value)
            weight = "#666" if value == 1 else "#ddd"
            parts.append(f'<polyline points="{begin} {end}" stroke="{weight}"/>')
            y = float(begin.split(",")[1])
            parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{value:g}</text>')
    for size in sizes:
        x = at(size, 1).split(",")[0]
        parts.append(f'<text x="{x}" y="{top + high + 18}" text-anchor="middle">{size:,}</text>')
    for number, (name, values) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        dashes = "" if number < len(_COLOURS) else ' stroke-dasharray="4 3"'
        points = " ".join(at(size, value) for size, value in zip(sizes, values, strict=True))
        parts.append(f'<polyline points="{points}" stroke="{colour}" fill="none"{dashes}/>')
        y = top + 10 + number * 16
        parts.append(
            f'<line x1="{left + wide + 16}" x2="{left + wide + 40}" y1="{y - 4}" y2="{y - 4}"'
            f' stroke="{colour}"{dashes}/>'
        )
        parts.append(f'<text x="{left + wide + 46}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _place(value: float) -> float:
    clipped = min(max(value, _LEAST), _MOST)
    share = math.log10(clipped / _LEAST) / math.log10(_MOST / _LEAST)
    return _LEFT + share * _WIDTH
