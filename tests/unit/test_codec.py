"""Nouns as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import codec
from pipeline.model import (
    Access,
    Decision,
    Description,
    Event,
    EventType,
    FileEntry,
    FilesAccess,
    FilesView,
    Identification,
    Outcome,
    Problem,
    ScanStatus,
    ScanVerdict,
)

ACCESS = Access(FilesAccess.RESTRICTED, date(2031, 2, 3), "thesis")
VERDICT = ScanVerdict(ScanStatus.INFECTED, "clamd", "windows", "Eicar", "27500/Wed Nov 18 10:00:00 2026")
PARTIAL = ScanVerdict(
    ScanStatus.PARTIAL,
    "clamd",
    "windows",
    at=datetime(2026, 11, 21, 3, 15, 42, tzinfo=UTC),
    scanned=((0, 5), (9, 12)),
    reason="limits",
)
PDF = Identification("fmt/18", "PDF", "1.4", "application/pdf", "byte match", "odd extension", "pygfried")
VIEW = FilesView("b.csv", ("b.csv", "a.csv"))
BARE = Description({})
NOUNS = [
    ("access", ACCESS),
    ("access", Access()),
    ("description", Description({"title": "T"}, {"code:x": [1]}, ACCESS, "10.1/x", ("a", "b"), VIEW)),
    ("description", BARE),
    ("verdict", VERDICT),
    ("verdict", PARTIAL),
    ("identification", PDF),
    ("problem", Problem("p", "r", Outcome.QUARANTINED, "infected", "why", "f", "remedy")),
]
AT = datetime(2026, 11, 21, 3, 15, 42, tzinfo=UTC)
LAW = Decision("ida", "a court said so", AT)
FILE = FileEntry(
    "a/b",
    1,
    {"sha512": "f", "md5": "e"},
    "a",
    9,
    {"md5": "e"},
    PDF,
    VERDICT,
    7,
    os.fsdecode(b"x/\xff"),
    AT,
    LAW,
)
EVENT = Event("urn:uuid:1", EventType.VIRUS, AT, "clamd", "pass", 5, ("sha512:ab",), {"n": 1})


@pytest.mark.parametrize(("kind", "noun"), NOUNS)
def test_a_noun_that_is_read_comes_back_from_its_json(kind: str, noun: Any) -> None:
    """Through text as every reader and database takes it: valid UTF-8."""
    document = getattr(codec, f"{kind}_to_json")(noun)
    text = json.dumps(document, ensure_ascii=False).encode()
    assert getattr(codec, f"{kind}_from_json")(json.loads(text)) == noun


def test_what_is_kept_for_good_is_written_in_full() -> None:
    """Files and events go into a record's OCFL object, and are read by others; a path that is not UTF-8 as its bytes,
    so that the text is valid all the same."""
    written = json.loads(
        json.dumps([codec.file_to_json(FILE), codec.event_to_json(EVENT)], ensure_ascii=False).encode()
    )
    assert written == [
        {
            "key": "a/b",
            "size": 1,
            "digests": {"md5": "e", "sha512": "f"},
            "content": "a",
            "holder": 9,
            "declared": {"md5": "e"},
            "identification": codec.identification_to_json(PDF),
            "scan": codec.verdict_to_json(VERDICT),
            "mtime_ns": 7,
            "original_path": {"base64": "eC//"},
            "taken_at": "2026-11-21T03:15:42Z",
            "purged": {"by": "ida", "reason": "a court said so", "at": "2026-11-21T03:15:42Z"},
        },
        {
            "id": "urn:uuid:1",
            "type": "virus check",
            "at": "2026-11-21T03:15:42Z",
            "agent": "clamd",
            "outcome": "pass",
            "record_id": 5,
            "objects": ["sha512:ab"],
            "detail": {"n": 1},
        },
    ]


@pytest.mark.parametrize(("kind", "noun"), [*NOUNS, ("file", FILE), ("event", EVENT)])
def test_no_field_of_a_noun_is_forgotten(kind: str, noun: Any) -> None:
    """A field that is added to a noun has to be added to its JSON. How files are shown most descriptions do not say."""
    unsaid = {"files"} if noun == BARE else set()
    assert set(getattr(codec, f"{kind}_to_json")(noun)) == {each.name for each in fields(noun)} - unsaid


def test_equal_files_give_equal_text() -> None:
    """Digests stand in the order of their names, whatever order they were computed in."""
    one = FileEntry("a", 1, {"md5": "1", "sha1": "2"}, "c")
    other = replace(one, digests={"sha1": "2", "md5": "1"})
    assert json.dumps(codec.file_to_json(one)) == json.dumps(codec.file_to_json(other))


def test_times_are_written_in_utc() -> None:
    """RFC 3339 with `Z`, whatever the zone they came in."""
    at = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert codec.time_to_json(at) == "2025-12-31T23:00:00Z"
    assert codec.time_from_json("2025-12-31T23:00:00Z") == at


def test_what_an_older_writer_left_out_is_the_default() -> None:
    """Optional fields may be absent."""
    assert codec.description_from_json({"metadata": {"title": "T"}}) == Description({"title": "T"})
    verdict = {"status": "infected", "engine": "headrace-eicar/1", "method": "stream", "signature": "EICAR"}
    assert codec.verdict_from_json(verdict) == ScanVerdict(
        ScanStatus.INFECTED, "headrace-eicar/1", "stream", "EICAR"
    )


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=5))
def test_canonical_text_does_not_depend_on_order(document: dict[str, Any]) -> None:
    """Keys are sorted, and the text is ASCII."""
    backwards = dict(reversed(document.items()))
    assert codec.to_text(document) == codec.to_text(backwards)
    assert codec.to_text(document).isascii()
    assert json.loads(codec.to_text(document)) == document


@given(
    st.dictionaries(st.text(), st.integers() | st.text()),
    st.text(),
    st.lists(st.dictionaries(st.text(), st.integers())),
)
def test_a_long_list_is_written_in_pieces(document: dict[str, Any], name: str, items: list[Any]) -> None:
    """The text is that of the whole, wherever the list stands in it."""
    others = {key: value for key, value in document.items() if key != name}
    assert "".join(codec.to_texts(others, name, iter(items))) == codec.to_text({**others, name: items})
