"""What is to be read in files that are text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.index import plain_text
from pipeline.ingest.identify import Sample, identify_many
from pipeline.model import UNIDENTIFIED, Identification


def read(data: bytes, name: str = "notes.txt") -> str:
    """With the format that is found in it."""
    sample = Sample(len(data))
    sample.feed(data)
    [found] = identify_many([(name, sample)])
    return plain_text.read(data, found)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_in_the_encoding_that_it_is_in(encoding: str) -> None:
    """And in one line."""
    text = "Der Müller maß\nfünf Gezeiten.\t–\r\n" * 20
    assert read(text.encode(encoding)) == " ".join(text.split())


def test_half_a_character_at_the_end_is_left_out() -> None:
    """Of a long file only the beginning is read."""
    assert read("Gezeiten für".encode()[:-2]) == "Gezeiten f"


def test_bytes_that_are_no_text_have_none() -> None:
    """Whatever their name says."""
    assert plain_text.read(b"a\0b\0\1\2", UNIDENTIFIED) == ""


def test_html_is_read_without_its_markup() -> None:
    """And without what is there for machines; what is never closed hides the rest."""
    page = b"""<!DOCTYPE html><html><head><title>Tides</title><style>p { color: red }</style>
    <SCRIPT>var secret = "<p>";</SCRIPT></head><body><p>of the <b>harbour</b> &amp; pier</p><script>let x"""
    assert read(page, "index.html") == "Tides of the harbour & pier"


@given(st.binary(max_size=200), st.sampled_from(["", "text/html"]))
def test_any_bytes_are_one_line_of_text_or_none(data: bytes, mime: str) -> None:
    """Of characters that may be stored and sent."""
    found = plain_text.read(data, Identification("x", mime=mime))
    assert found == " ".join(found.split())
    assert "\0" not in found
    found.encode()
