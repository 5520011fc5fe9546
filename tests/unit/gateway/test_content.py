"""The pure half of serving files: types, dispositions, ranges, conditions."""

import re
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http import content
from gateway.http.problems import RangeNotSatisfiable
from pipeline.model import FileEntry, Identification

MODIFIED = datetime(2026, 3, 9, 14, 10, 0, 500_000, tzinfo=UTC)
VALIDATORS = content.Validators('"md5:0cc175b9c0f1b6a831c399e269772661"', MODIFIED)
sizes = st.integers(0, 300)


def entry(key: str, mime: str = "") -> FileEntry:
    return FileEntry(key, 1, {"md5": "00"}, f"data/{key}", identification=Identification("", mime=mime))


@given(st.binary(max_size=300), st.integers(0, 400), st.none() | st.integers(0, 400))
def test_a_range_is_a_slice(data: bytes, first: int, last: int | None) -> None:
    """`bytes=first-last` gives exactly the bytes from first to last, cut at the end of the file; a range that
    begins behind the end cannot be satisfied; one that ends before it begins is no range."""
    headers = {"range": f"bytes={first}-{'' if last is None else last}"}
    if last is not None and last < first:
        assert content.requested_span(headers, VALIDATORS, len(data)) is None
    elif first >= len(data):
        with pytest.raises(RangeNotSatisfiable):
            content.requested_span(headers, VALIDATORS, len(data))
    else:
        span = content.requested_span(headers, VALIDATORS, len(data))
        assert span is not None
        wanted = data[first:] if last is None else data[first : last + 1]
        assert data[span.start : span.stop] == wanted
        assert span.content_range == f"bytes {first}-{first + len(wanted) - 1}/{len(data)}"


@given(st.binary(min_size=1, max_size=300), st.integers(1, 400))
def test_a_suffix_range_is_the_end(data: bytes, length: int) -> None:
    """`bytes=-n` gives the last n bytes, or all of a shorter file."""
    span = content.requested_span({"range": f"bytes=-{length}"}, VALIDATORS, len(data))
    assert span is not None
    assert data[span.start : span.stop] == data[-length:]


@pytest.mark.parametrize("header", ["bytes=-0", "bytes=5-", "bytes=5-9"])
def test_nothing_to_give_is_not_satisfiable(header: str) -> None:
    """A range that holds no byte of a file of five bytes is refused."""
    with pytest.raises(RangeNotSatisfiable):
        content.requested_span({"range": header}, VALIDATORS, 5)


@given(st.text(max_size=40) | st.from_regex(r"bytes=[0-9,\- ]{0,20}"), sizes)
def test_any_range_header_is_answered(header: str, size: int) -> None:
    """Whatever stands in a Range header, the answer is all of the file, a part within it, or a refusal."""
    try:
        span = content.requested_span({"range": header}, VALIDATORS, size)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span.start < span.stop <= size


@pytest.mark.parametrize(
    "header", ["bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=x-2", "items=0-1", "bytes=" + "9" * 50 + "-"]
)
def test_what_is_no_single_range_is_ignored(header: str) -> None:
    """Several ranges, other units and nonsense are answered with all of the file, as RFC 9110 allows."""
    assert content.requested_span({"range": header}, VALIDATORS, 100) is None


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (VALIDATORS.etag, True),
        (f"W/{VALIDATORS.etag}", False),
        ('"md5:other"', False),
        ("Mon, 09 Mar 2026 14:10:00 GMT", True),
        ("Mon, 09 Mar 2026 14:10:01 GMT", False),
        ("yesterday", False),
    ],
)
def test_if_range_guards_a_resumed_download(condition: str, *, holds: bool) -> None:
    """A part is given only while the file is still the one that the client began with."""
    headers = {"range": "bytes=1-2", "if-range": condition}
    assert (content.requested_span(headers, VALIDATORS, 5) is not None) == holds


@pytest.mark.parametrize(
    ("headers", "unchanged"),
    [
        ({}, False),
        ({"if-none-match": VALIDATORS.etag}, True),
        ({"if-none-match": f'"a", W/{VALIDATORS.etag}'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"a"', "if-modified-since": "Mon, 09 Mar 2026 14:10:00 GMT"}, False),
        ({"if-modified-since": "Mon, 09 Mar 2026 14:10:00 GMT"}, True),
        ({"if-modified-since": "Mon, 09 Mar 2026 14:09:59 GMT"}, False),
        ({"if-modified-since": "Mon, 09 Mar 2026 14:10:00 -0000"}, True),
        ({"if-modified-since": "soon"}, False),
    ],
)
def test_conditions_spare_a_second_download(headers: dict[str, str], *, unchanged: bool) -> None:
    """If-None-Match compares tags weakly and comes before If-Modified-Since, which compares seconds."""
    assert content.is_unchanged(headers, VALIDATORS) == unchanged


# No surrogates: they are in no key. Everything else may be in a name, were it to break out of the header.
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: "/" not in name
)


@given(names, st.booleans())
def test_any_name_fits_into_the_header(name: str, attachment: bool) -> None:
    """A name in any script, with quotes and line breaks in it, comes back from the header whole, and adds none."""
    header = content.disposition(f"folder/{name}", attachment=attachment)
    assert re.fullmatch(r"[ -~]+", header)
    found = re.fullmatch(
        r"(inline|attachment); filename=\"([^\"\\]*)\"(?:; filename\*=UTF-8''([A-Za-z0-9%._~-]+))?", header
    )
    assert found is not None
    kind, plain, extended = found.groups()
    assert kind == ("attachment" if attachment else "inline")
    assert (unquote(extended) if extended else plain) == name


@pytest.mark.parametrize(
    ("key", "served"),
    [
        ("readme.txt", (content.PLAIN_TEXT, True)),
        ("data/table.CSV", (content.PLAIN_TEXT, True)),
        ("page.html", (content.PLAIN_TEXT, True)),
        ("page.xhtml", (content.BINARY, False)),
        ("drawing.svg", (content.PLAIN_TEXT, True)),
        ("program.js", (content.PLAIN_TEXT, True)),
        ("map.geojson", (content.PLAIN_TEXT, True)),
        ("photo.JPG", ("image/jpeg", True)),
        ("plot.png", ("image/png", True)),
        ("paper.pdf", (content.BINARY, False)),
        ("table.csv.gz", (content.BINARY, False)),
        ("applet.swf", (content.BINARY, False)),
        ("unknown", (content.BINARY, False)),
        ("data:text/html,x", (content.BINARY, False)),
    ],
)
def test_nothing_is_served_as_what_can_run(key: str, served: tuple[str, bool]) -> None:
    """Texts, scripts and markup included, are plain text in place; common images are themselves; all else is a
    download of bytes."""
    assert content.served_type(entry(key)) == served


@given(
    st.text(max_size=20),
    st.sampled_from(
        ["", "text/html", "image/svg+xml", "application/pdf", "text/plain, text/csv", "image/png\r\nX: y"]
    ),
)
def test_only_three_kinds_of_type_leave(key: str, mime: str) -> None:
    """Whatever a file is called and was identified as, its Content-Type is plain text, bytes or a raster image."""
    served, _ = content.served_type(entry(key, mime))
    assert served in {content.PLAIN_TEXT, content.BINARY} or re.fullmatch(
        "image/(avif|bmp|gif|jpeg|png|webp)", served
    )


@given(st.lists(st.binary(max_size=50)), st.integers(1, 40))
def test_blocks_are_the_same_bytes(blocks: list[bytes], size: int) -> None:
    """Re-blocking changes no byte; every block but the last has the size, and none is empty."""
    out = list(content.in_blocks(iter(blocks), size))
    assert b"".join(out) == b"".join(blocks)
    assert all(len(block) == size for block in out[:-1])
    assert all(0 < len(block) <= size for block in out)
