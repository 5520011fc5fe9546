"""What clients say of files that they are going to send."""

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway.depositing import announcements
from gateway.depositing.announcements import Announcements
from pipeline.catalogue.pending_files import AnnouncedFile
from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.model import JsonObject
from pipeline.store.transfer import LARGEST_PART, SMALLEST_PART

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = st.sampled_from(["key", "size", "checksum", "transfer", "metadata", "access"])


@given(st.lists(st.dictionaries(NAMES, ANYTHING), max_size=3) | ANYTHING)
def test_whatever_is_said_is_understood_or_refused(body: object) -> None:
    """Never anything but a list of files with keys as they were given, or an error that names a field."""
    faults: tuple[FieldFault, ...] = ()
    found = Announcements((), ())
    try:
        found = announcements.read(body)
    except InvalidFields as refused:
        faults = refused.faults
    except Rejected as refused:
        faults = (FieldFault(refused.field, (refused.message,)),)
    assert bool(faults) != bool(found.files)
    assert all(re.fullmatch(r"_schema|\d+(\.\w+)*", one.field) and one.messages[0] for one in faults)
    if isinstance(body, list) and not faults:
        assert [one.key for one in found.files] == [one["key"] for one in body]


@given(st.text(), st.none() | st.integers(0, (1 << 63) - 1), st.sampled_from([None, {}, {"type": "L"}]))
def test_what_is_well_said_is_taken_as_it_is(key: str, size: int | None, transfer: JsonObject | None) -> None:
    """Size and checksum need not be told; digits of digests may be capitals."""
    body = [{"key": key, "size": size, "checksum": f"md5:{MD5.upper()}", "transfer": transfer}]
    assert announcements.read(body).files == (AnnouncedFile(key, size, {"md5": MD5}),)
    assert announcements.read([{"key": key}]).files == (AnnouncedFile(key, None, {}),)


@given(st.integers(1, 1 << 43), st.integers(1, 10_000))
def test_parts_that_agree_are_taken_as_they_are(part_size: int, parts: int) -> None:
    """Where S3 would take them."""
    size = part_size * parts - part_size // 2
    said = {"type": "M", "parts": parts, "part_size": part_size}
    try:
        [found] = announcements.read([{"key": "a", "size": size, "transfer": said}]).files
    except InvalidFields as refused:
        assert not SMALLEST_PART <= part_size <= LARGEST_PART
        [fault] = refused.faults
        assert fault.field == "0.transfer.part_size"
    else:
        assert (found.size, found.part_size, found.plan.count) == (size, part_size, parts)


def test_one_request_announces_no_more_parts_than_one_file_may_have() -> None:
    """Each of them has a URL in the answer."""
    transfer = {"type": "M", "parts": 5_001, "part_size": SMALLEST_PART}
    file = {"size": 5_001 * SMALLEST_PART, "transfer": transfer}
    assert len(announcements.read([{"key": "a", **file}]).files) == 1
    with pytest.raises(Rejected, match="10,000 parts at most"):
        announcements.read([{"key": "a", **file}, {"key": "b", **file}])


@pytest.mark.parametrize("body", [[], {}, None, "a.csv", {"key": "a.csv"}])
def test_what_is_no_list_of_files_names_none(body: object) -> None:
    with pytest.raises(Rejected, match="No files to upload") as refused:
        announcements.read(body)
    assert refused.value.field == "_schema"


@pytest.mark.parametrize(
    ("said", "field", "begins"),
    [
        ({}, "0.key", "Missing data for required field."),
        ({"key": 7}, "0.key", "Not a valid string."),
        ({"key": "a", "size": -1}, "0.size", "Not a valid integer."),
        ({"key": "a", "size": True}, "0.size", "Not a valid integer."),
        ({"key": "a", "checksum": f"md5:{MD5}0"}, "0.checksum", "Not a checksum"),
        ({"key": "a", "checksum": "crc32:00000000"}, "0.checksum", "Not a checksum"),
        ({"key": "a", "transfer": {"type": "F"}}, "0.transfer.type", "Unsupported value: F"),
        ({"key": "a", "transfer": {"type": ["L"]}}, "0.transfer.type", "Unsupported value"),
        ({"key": "a", "transfer": "M"}, "0.transfer.type", "Invalid input type."),
        ("a", "0", "Invalid input type."),
    ],
)
def test_what_is_wrong_is_named(said: object, field: str, begins: str) -> None:
    """By its place in the list, whatever else is wrong."""
    with pytest.raises(InvalidFields) as refused:
        announcements.read([said])
    [fault] = refused.value.faults
    assert fault.field == field
    assert fault.messages[0].startswith(begins)


def test_what_is_not_kept_is_told() -> None:
    """Metadata of files, and that they be hidden; empty or open ones say nothing."""
    said = [
        {"key": "a", "metadata": {"title": "A"}, "access": {"hidden": True}},
        {"key": "b", "metadata": {}, "access": {"hidden": False}},
    ]
    assert [one["field"] for one in announcements.read(said).dropped] == ["0.metadata", "0.access.hidden"]


def test_a_request_announces_a_hundred_files_in_parts_at_most() -> None:
    """Beside however many that come in one piece."""
    said = {"type": "M", "parts": 1, "part_size": SMALLEST_PART}
    body = [{"key": str(number), "size": SMALLEST_PART, "transfer": said} for number in range(101)]
    whole = [{"key": f"whole {number}"} for number in range(101)]
    assert len(announcements.read(body[1:] + whole).files) == 201
    with pytest.raises(Rejected, match="100 files in parts at most"):
        announcements.read(body)
