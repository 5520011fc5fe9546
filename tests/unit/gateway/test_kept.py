"""Documents that are kept for whoever asks next."""

from __future__ import annotations

import pytest

from gateway.http.kept import LARGEST, Kept


def test_a_document_is_made_once() -> None:
    """And again for another key."""
    kept, made = Kept(), list[int]()

    def make(number: int) -> bytes:
        made.append(number)
        return b"document %d" % number

    assert [kept.get(number, lambda number=number: make(number)) for number in (1, 1, 2, 1)] == [
        b"document 1",
        b"document 1",
        b"document 2",
        b"document 1",
    ]
    assert made == [1, 2]


def test_what_nobody_has_asked_for_longest_goes_first() -> None:
    """There are never more bytes than there is room for."""
    kept, made = Kept(most_bytes=30), list[str]()

    def ask(name: str) -> None:
        kept.get(name, lambda: made.append(name) or name.encode() * 10)

    for name in "abcadab":
        ask(name)
    assert made == ["a", "b", "c", "d", "b"]


def test_a_large_document_is_not_kept() -> None:
    """It would drive out many others."""
    kept, made = Kept(), list[int]()
    for _ in range(2):
        kept.get("large", lambda: made.append(1) or bytes(LARGEST + 1))
    assert made == [1, 1]


def test_what_cannot_be_made_is_asked_for_again() -> None:
    """Nothing is kept of it."""

    def fail() -> bytes:
        raise LookupError

    kept = Kept()
    with pytest.raises(LookupError):
        kept.get("one", fail)
    assert kept.get("one", lambda: b"made") == b"made"
