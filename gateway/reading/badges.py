"""Badges: a DOI as a small picture, for READMEs and web pages (Zenodo's REST API, web pages).

Drawn here, for any value: a badge says what it is given, not that there is such a DOI.
"""

import re
from hashlib import sha256
from html import escape

from fastapi import APIRouter, Request, Response

from gateway.http.content import is_same_tag
from gateway.http.methods import READ
from pipeline.errors import Missing, Rejected

router = APIRouter(prefix="/badge")

LONGEST = 300
"""Characters of a badge's value."""

_HEIGHT = 20
_PADDING = 6
_LABEL, _LABEL_WIDTH = "DOI", 33
_COLOUR = "007ec6"
_HEX = re.compile("#?([0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
_CHARACTER_WIDTH = 6.6
_WIDE_CHARACTER_WIDTH = 11.0


@router.api_route("/{label}/{value:path}", methods=READ)
def badge(request: Request, label: str, value: str, color: str = "") -> Response:
    """`/badge/DOI/<doi>.svg`, in lower case as well; `color` is a hexadecimal colour. Raises `Missing` for another
    address and for no value, `Rejected` for one that is too long."""
    text = value.removesuffix(".svg")
    if label not in ("DOI", "doi") or text in ("", value):
        raise Missing("There is no such badge.")
    if len(text) > LONGEST:
        raise Rejected(f"Longer than {LONGEST} characters.", field="doi")
    found = _HEX.fullmatch(color)
    body = drawn(text, colour=found[1] if found else _COLOUR).encode()
    headers = {
        "ETag": f'"{sha256(body).hexdigest()[:32]}"',
        "Cache-Control": "no-cache",
        # It is made to be shown by other sites.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if is_same_tag(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="image/svg+xml", headers=headers)


def drawn(text: str, *, colour: str) -> str:
    """An SVG document with `DOI` on grey and `text` on `colour` (hexadecimal). Its text is fitted to its width, since
    fonts differ between those who look at it."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    length = round(
        sum(_CHARACTER_WIDTH if char.isascii() else _WIDE_CHARACTER_WIDTH for char in shown), ndigits=1
    )
    width = _LABEL_WIDTH + length + 2 * _PADDING
    title, value = escape(f"{_LABEL}: {shown}"), escape(shown)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" '
        f'aria-label="{title}"><title>{title}</title>'
        '<linearGradient id="b" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/>'
        '<stop offset="1" stop-opacity=".1"/></linearGradient>'
        f'<mask id="a"><rect width="{width}" height="{_HEIGHT}" rx="3" fill="#fff"/></mask>'
        f'<g mask="url(#a)"><rect width="{_LABEL_WIDTH}" height="{_HEIGHT}" fill="#555"/>'
        f'<rect x="{_LABEL_WIDTH}" width="{width - _LABEL_WIDTH}" height="{_HEIGHT}" fill="#{colour}"/>'
        f'<rect width="{width}" height="{_HEIGHT}" fill="url(#b)"/></g>'
        '<g fill="#fff" font-family="DejaVu Sans,Verdana,Geneva,sans-serif" font-size="11">'
        f"{_engraved(_LABEL, x=_PADDING, length=_LABEL_WIDTH - 2 * _PADDING)}"
        f"{_engraved(value, x=_LABEL_WIDTH + _PADDING, length=length)}"
        "</g></svg>\n"
    )


def _engraved(text: str, *, x: float, length: float) -> str:
    """Text with its shadow, which is one to the eye only."""
    fitted = f'x="{x}" textLength="{length}" lengthAdjust="spacingAndGlyphs"'
    shadow = 'fill="#010101" fill-opacity=".3" aria-hidden="true"'
    return f'<text y="15" {shadow} {fitted}>{text}</text><text y="14" {fitted}>{text}</text>'
