"""Names that may be any bytes, shown to people."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from pipeline.display import shown


@given(st.binary(max_size=20))
def test_any_name_can_be_shown_on_one_line(name: bytes) -> None:
    """Odd bytes and control characters appear as `\\xNN`."""
    text = shown(os.fsdecode(name))
    text.encode()
    assert "\n" not in text
    assert "\x1b" not in text


def test_odd_bytes_are_shown_in_hexadecimal() -> None:
    """As the interface promises."""
    assert shown(os.fsdecode(b"a\xff\n")) == r"a\xff\x0a"
