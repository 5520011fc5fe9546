"""Content negotiation as Zenodo does it: by quality, and only exact names match."""

import re
from collections.abc import Sequence

_QUALITY = re.compile(r"^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$")
_PARAMETER = re.compile(r""";\s*([\w!#$&^.+-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]+)""")
_ITEM = re.compile(r"""(?:[^,"]|"(?:[^"\\]|\\.)*")+""")
ANYTHING = "*/*"


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """The best of the `offered` media types for an Accept header; the first one where anything will do, None
    where nothing offered is taken."""
    if accept is None or not accept.strip():
        return offered[0]
    for wanted in _by_quality(accept):
        if wanted == ANYTHING:
            return offered[0]
        if wanted in offered:
            return wanted
    return None


def _by_quality(accept: str) -> list[str]:
    ranked = [_parsed(item) for item in _ITEM.findall(accept)]
    # Sorting is stable: among equals the client's order counts.
    return [name for name, quality in sorted(ranked, key=lambda one: -one[1]) if quality > 0]


def _parsed(item: str) -> tuple[str, float]:
    """Name with its parameters but `q` and `charset`, and quality. An unreadable quality counts as 1."""
    name = item.partition(";")[0].strip().lower()
    quality = 1.0
    for key, value in _PARAMETER.findall(item):
        if key.lower() == "q":
            quality = float(value) if _QUALITY.match(value) else 1.0
        elif key.lower() != "charset":
            name += f";{key.lower()}={value}"
    return name, quality
