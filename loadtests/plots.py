"""Lines over two axes, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TypeAlias

Line: TypeAlias = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 380, 70, 190, 40, 50
_COLOURS = ("#0b6e99", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#5d6d7e")
_TICKS = 5


def draw(path: Path, title: str, across: str, up: str, lines: Mapping[str, Line]) -> None:
    """Write the lines, which are named beside them, with both axes from zero."""
    points = [point for line in lines.values() for point in line]
    widest = max((x for x, _ in points), default=1.0) or 1.0
    highest = max((y for _, y in points), default=1.0) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + x / widest * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - y / highest * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 22, title, size=15),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, across, anchor="middle"),
        _text(_LEFT, _TOP - 6, up),
    ]
    for tick in range(_TICKS + 1):
        x, y = widest * tick / _TICKS, highest * tick / _TICKS
        (left, level), (right, _), (column, floor) = place(0, y), place(widest, y), place(x, 0)
        parts += [
            f'<line x1="{left:.1f}" y1="{level:.1f}" x2="{right:.1f}" y2="{level:.1f}" stroke="#ddd"/>',
            _text(left - 6, level + 4, f"{y:,.4g}", anchor="end"),
            _text(column, floor + 16, f"{x:,.4g}", anchor="middle"),
        ]
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts += [
            f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.8"/>',
            _text(_WIDTH - _RIGHT + 12, _TOP + 12 + 18 * number, name, fill=colour),
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, fill: str = "#222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">'
        f"{escape(words)}</text>"
    )
