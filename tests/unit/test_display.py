"""Names that may be any bytes, shown to people."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from pipeline.display import shown, told


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


@given(st.text(st.characters(exclude_categories=())))
def test_what_others_say_is_told_on_one_line(text: str) -> None:
    """Whatever they send: it fits into every database, and steers no terminal."""
    line = told(text)
    line.encode()
    assert not {"\0", "\n", "\r", "\x1b"} & set(line)


def test_of_a_whole_page_its_beginning_is_told() -> None:
    """A thousand characters, which say that there are more."""
    assert told("refused:\n  <html>") == "refused: <html>"
    page = told("sorry " * 100_000)
    assert (len(page), page[:12], page[-1]) == (1000, "sorry sorry ", "…")
    assert told("x" * 1000) == "x" * 1000
