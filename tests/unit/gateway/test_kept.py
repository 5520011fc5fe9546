"""Documents that are kept for whoever asks next."""

from __future__ import annotations

import pytest

from gateway.http.kept import LARGEST, Kept, get


def test_a_document_is_made_once() -> None:
    """And again for another key."""
    kept, made = Kept[bytes](), list[int]()

    def make(number: int) -> bytes:
        made.append(number)
        return b"document %d" % number

    assert [get(kept, number, lambda number=number: make(number)) for number in (1, 1, 2, 1)] == [
        b"document 1",
        b"document 1",
        b"document 2",
        b"document 1",
    ]
    assert made == [1, 2]


def test_what_nobody_has_asked_for_longest_goes_first() -> None:
    """There are never more bytes than there is room for."""
    kept, made = Kept[bytes](most_bytes=30), list[str]()

    def ask(name: str) -> None:
        get(kept, name, lambda: made.append(name) or name.encode() * 10)

    for name in "abcadab":
        ask(name)
    assert made == ["a", "b", "c", "d", "b"]


def test_a_large_document_is_not_kept() -> None:
    """It would drive out many others."""
    kept, made = Kept[bytes](), list[int]()
    for _ in range(2):
        get(kept, "large", lambda: made.append(1) or bytes(LARGEST + 1))
    assert made == [1, 1]


def test_what_cannot_be_made_is_asked_for_again() -> None:
    """Nothing is kept of it."""

    def fail() -> bytes:
        raise LookupError

    kept = Kept[bytes]()
    with pytest.raises(LookupError):
        get(kept, "one", fail)
    assert get(kept, "one", lambda: b"made") == b"made"


def test_what_was_forgotten_leaves_its_room() -> None:
    """There is as much as before."""
    kept = Kept[str](most_bytes=30)
    for round_ in range(3):
        for name in "abc":
            kept.keep(name, f"{name} {round_}", 10)
        assert [kept.find(name) for name in "abc"] == [f"{name} {round_}" for name in "abc"]
        kept.clear()
        assert kept.find("a") is None
