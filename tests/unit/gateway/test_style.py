"""The style sheet's colours can be read by everybody."""

import re
from pathlib import Path

import pytest

import gateway

_CSS = (Path(gateway.__file__).parent / "static" / "headrace.css").read_text()
_PALETTES = [
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", _CSS, re.DOTALL)
]
_READ_ON = [
    *(
        (text, ground)
        for text in ("ink", "muted", "accent", "good", "warn", "bad")
        for ground in ("ground", "sheet")
    ),
    ("accent-ink", "accent"),
    ("ink", "soft"),
    ("ink", "warn-ground"),
    ("accent", "warn-ground"),
]


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", _PALETTES, ids=["light", "dark"])
def test_text_contrasts_with_what_it_stands_on(palette: dict[str, str]) -> None:
    """Every text colour has a contrast of 4.5:1 or more on every ground that it is used on (WCAG 2.2, 1.4.3), and
    the focus ring one of 3:1 (1.4.11)."""
    faint = {pair: _contrast(palette[pair[0]], palette[pair[1]]) for pair in _READ_ON}
    assert {pair: value for pair, value in faint.items() if value < 4.5} == {}
    assert min(_contrast(palette["focus"], palette[ground]) for ground in ("ground", "sheet")) >= 3
