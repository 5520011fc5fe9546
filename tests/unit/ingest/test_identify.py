"""Formats: what a sample of a file tells of it."""

from __future__ import annotations

import io
import resource
import struct
import time
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.identify import HEAD, TAIL, WHOLE, Sample, identify_many
from pipeline.model import Identification

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
DOCX_TYPES = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    b'<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument'
    b'.wordprocessingml.document.main+xml"/></Types>'
)


def png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0\0"))
        + chunk(b"IEND", b"")
    )


def docx(padding: int = 0) -> bytes:
    """A Word document; with `padding` bytes that cannot be compressed in front of its directory."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("[Content_Types].xml", DOCX_TYPES)
        archive.writestr("_rels/.rels", b"<Relationships/>")
        archive.writestr("word/document.xml", b"<w:document/>")
        if padding:
            archive.writestr("word/media/image1.bin", b"\xa5" * padding)
    return raw.getvalue()


def sampled(content: bytes, block: int = 1 << 20) -> Sample:
    sample = Sample(len(content))
    for at in range(0, len(content), block):
        sample.feed(memoryview(content)[at : at + block])
    return sample


def identified(name: str, content: bytes) -> Identification:
    [found] = identify_many([(name, sampled(content))])
    return found


@pytest.mark.parametrize(
    ("name", "content", "puid"),
    [
        ("report.pdf", PDF, "fmt/18"),
        ("report", PDF, "fmt/18"),
        ("map.png", png(), "fmt/11"),
        ("table.csv", b"time,level\n0,1.2\n1,1.3\n", "x-fmt/18"),
        ("letter.docx", docx(), "fmt/412"),
        ("letter.docx", docx(WHOLE + 3), "fmt/412"),
        ("long.pdf", PDF.replace(b"%%EOF", b"%" + b" " * (WHOLE * 2) + b"\n%%EOF"), "fmt/18"),
    ],
)
def test_formats_are_told_by_content_and_by_extension(name: str, content: bytes, puid: str) -> None:
    """By the beginning and the end of a large file too, and by a container's directory behind all its content."""
    found = identified(name, content)
    assert found.puid == puid
    assert found.tool.startswith("siegfried")
    assert found.basis


def test_an_empty_file_has_no_format() -> None:
    """And says why."""
    assert identified("empty.pdf", b"") == Identification("", warning="empty file", tool=found_tool())


def test_what_nothing_matches_has_no_puid() -> None:
    """It is no error: much research data has no registered format."""
    assert identified("unknown", bytes(range(256)) * 8).puid == ""


@pytest.mark.parametrize(
    "name", ["x.csv" + "y" * 300, "a/b.c/d", "x.ü", "x.\n", "..", "x.csv/", "-rf", ".csv", ""]
)
def test_a_name_can_be_anything(name: str) -> None:
    """It never becomes a path."""
    assert identified(name, PDF).puid == "fmt/18"


def test_a_file_of_any_size_is_sampled_in_little_memory() -> None:
    """And identified in well under a second: the engine would read a file of zeros to its end."""
    size = 1 << 40
    sample, zeros = Sample(size), bytes(1 << 20)
    tracemalloc.start()
    # Of the terabyte, the sample has to be fed the beginning and the end only to know what it keeps.
    for _ in range(8):
        sample.feed(zeros)
    sample._at = size - (4 << 20)
    for _ in range(4):
        sample.feed(zeros)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert (len(sample.head), len(sample.tail)) == (HEAD, TAIL)
    started = time.process_time()  # whatever else the machine does
    [found] = identify_many([("zeros", sample)])
    assert found.puid == ""
    assert time.process_time() - started < 2


@settings(max_examples=15, deadline=None)
@given(
    size=st.integers(0, 2 * WHOLE) | st.sampled_from([HEAD, WHOLE - 1, WHOLE, WHOLE + 1, WHOLE + TAIL]),
    block=st.integers(60_000, 3 << 20),
)
def test_a_sample_is_the_whole_file_or_its_beginning_and_end(size: int, block: int) -> None:
    """However it is cut into blocks."""
    content = b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]
    sample = Sample(size)
    for at in range(0, size, block):
        sample.feed(memoryview(content)[at : at + block])
    if size <= WHOLE:
        assert (bytes(sample.head), bytes(sample.tail)) == (content, b"")
    else:
        assert (bytes(sample.head), bytes(sample.tail)) == (content[:HEAD], content[-TAIL:])


def test_a_file_that_grows_while_it_is_read_does_not_fill_the_memory() -> None:
    """It will be rejected; until then the sample keeps no more than it would have of the size that was told."""
    sample = Sample(10)
    for _ in range(20):
        sample.feed(bytes(1 << 20))
    assert len(sample.head) + len(sample.tail) <= WHOLE + TAIL


def test_no_room_for_the_sample_is_no_fault_of_the_file() -> None:
    """Its format stays unknown, with the reason; it is taken into custody all the same."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        found = identified("report.pdf", PDF)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (found.puid, found.warning[:14]) == ("", "not identified")


MIXED = st.lists(
    st.tuples(
        st.sampled_from(["a.pdf", "b", "c.png", "d.csv", "e.docx", "f.unheard-of", "g.ü", "h.csv"]),
        st.sampled_from(
            [b"", PDF, png(), b"time,level\n0,1.2\n", docx(), bytes(range(256)) * 8, docx(WHOLE)]
        ),
    ),
    max_size=8,
)


@settings(max_examples=15, deadline=None)
@given(MIXED)
def test_many_at_once_are_told_as_one_by_one(files: list[tuple[str, bytes]]) -> None:
    """In order, whatever else is asked for with them, empty files and equal ones among them."""
    together = identify_many([(name, sampled(content)) for name, content in files])
    assert together == [identified(name, content) for name, content in files]


def test_one_file_without_room_does_not_keep_the_others_from_being_told() -> None:
    """A full memory file system costs the format of the files that did not fit, and of no other."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        small, large = identify_many([("a.pdf", sampled(PDF)), ("b.pdf", sampled(PDF + b" " * 2000))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert small.puid == "fmt/18"
    assert large.warning.startswith("not identified")


def found_tool() -> str:
    return identified("x", b"x").tool
