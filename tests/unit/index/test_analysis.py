"""From text to words: what is cheap for ASCII is what all text gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.index.analysis import fold


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_folded_as_all_text_is(text: str) -> None:
    """A letter behind it that is not ASCII changes nothing in what stands before."""
    assert fold(f"{text}\u00c9") == f"{fold(text)}e"
