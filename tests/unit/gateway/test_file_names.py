"""Names of files by the doors that they come in through."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.depositing import file_names
from pipeline.errors import Missing


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("a/b c.txt", "a_b_c.txt"),
        ("räksmörgås 1.txt", "raksmorgas_1.txt"),
        (r"C:\data\tide.csv", "C_data_tide.csv"),
        ("../../etc/passwd", "etc_passwd"),
        ("潮位.csv", "csv"),
        ("..", ""),
    ],
)
def test_names_of_forms_are_made_plain(given_name: str, kept: str) -> None:
    """Folders become part of the name, accents go, and what has no plain letters goes as well."""
    assert file_names.from_form(given_name) == kept


@given(st.text())
def test_a_plain_name_is_one_segment_and_stays_as_it_is(name: str) -> None:
    """Whatever was given, no second look changes it, and a bucket takes it."""
    plain = file_names.from_form(name)
    assert re.fullmatch(r"([A-Za-z0-9-]([A-Za-z0-9_.-]*[A-Za-z0-9-])?)?", plain)
    assert file_names.from_form(plain) == file_names.segment(plain) == plain


@given(st.text(), st.text())
def test_a_bucket_has_no_folders(before: str, after: str) -> None:
    """A name with a slash is no name there, wherever the slash is."""
    with pytest.raises(Missing):
        file_names.segment(f"{before}/{after}")
