"""UUIDs of buckets and files say what they stand for, and nothing else is taken for one."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.depositing.handles import Kind, handle, number_of
from pipeline.dissemination import Repository

REPOSITORY = Repository("Pier", "pier.example", "https://pier.example", "ida@pier.example", "10.5072", "pier")
OTHER = Repository("Quay", "quay.example", "https://quay.example", "jo@quay.example", "10.5072", "quay")
numbers = st.integers(0, (1 << 62) - 1)


@given(st.sampled_from(Kind), numbers)
def test_a_handle_leads_back_to_its_number(kind: Kind, number: int) -> None:
    """It is a UUID of version 8 in the variant of RFC 9562."""
    made = handle(REPOSITORY, kind, number)
    assert (made.version, made.variant) == (8, "specified in RFC 4122")
    assert number_of(REPOSITORY, kind, str(made)) == number


@given(st.sampled_from(Kind), st.sampled_from(Kind), numbers)
def test_a_handle_of_another_kind_or_repository_is_none(kind: Kind, other: Kind, number: int) -> None:
    made = str(handle(REPOSITORY, kind, number))
    assert number_of(OTHER, kind, made) is None
    assert (number_of(REPOSITORY, other, made) is None) == (kind is not other)


@given(st.text() | st.uuids().map(str))
def test_any_other_text_is_no_handle(text: str) -> None:
    """Unless it is the one UUID in two to the 64 that is."""
    number = number_of(REPOSITORY, Kind.FILE, text)
    assert number is None or UUID(text) == handle(REPOSITORY, Kind.FILE, number)
