"""Checksum files: what `md5sum` and the BSD tools write is understood, anything else is refused."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.ingest.checksums import checksum_algorithm, parse_checksum_file

if TYPE_CHECKING:
    from pathlib import Path

ALGORITHMS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
AWKWARD_NAMES = [
    b"plain.csv",
    b" begins with a blank",
    b"two  blanks *and a star",
    b"back\\slash",
    b"new\nline",
    b"carriage return\r",
    b"\xe6\xb0\xb4\xe6\xb8\xa9.csv",
    b"not-utf8-\xff\xfe",
    b"looks (like) = a tag",
    b"# no comment",
]

segments = st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & {0, 0x2F} and name != b".")
paths = st.lists(segments, min_size=1, max_size=3).map(b"/".join)


@st.composite
def listings(draw: st.DrawFn) -> tuple[str, dict[bytes, str]]:
    algorithm = draw(st.sampled_from(sorted(ALGORITHMS)))
    digits = st.text("0123456789abcdef", min_size=ALGORITHMS[algorithm], max_size=ALGORITHMS[algorithm])
    return algorithm, draw(st.dictionaries(paths, digits, max_size=5))


def escaped(path: bytes) -> tuple[bytes, bytes]:
    """The mark at the line's beginning and the path, as GNU coreutils 9 writes them."""
    text = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if text != path else b""), text


def gnu_line(path: bytes, digest: str, separator: bytes) -> bytes:
    mark, text = escaped(path)
    return mark + digest.encode() + separator + text


def tagged_line(path: bytes, digest: str, algorithm: str) -> bytes:
    mark, text = escaped(path)
    return mark + algorithm.upper().encode() + b" (" + text + b") = " + digest.encode()


@given(listings(), st.sampled_from([b"  ", b" *"]), st.sampled_from([b"\n", b"\r\n"]))
def test_gnu_listings_are_read_back_as_written(
    listing: tuple[str, dict[bytes, str]], separator: bytes, line_end: bytes
) -> None:
    """Whatever the paths are made of, a listing in GNU's form gives back its paths and digests."""
    algorithm, digests = listing
    text = line_end.join(gnu_line(path, digest, separator) for path, digest in digests.items())
    assert parse_checksum_file(f"checksums.{algorithm}", text) == (algorithm, digests)


@given(listings())
def test_tagged_listings_are_read_back_as_written(listing: tuple[str, dict[bytes, str]]) -> None:
    """Whatever the paths are made of, a listing in the BSD form gives back its paths and digests."""
    algorithm, digests = listing
    text = b"".join(tagged_line(path, digest, algorithm) + b"\n" for path, digest in digests.items())
    assert parse_checksum_file(f"manifest-{algorithm}.txt", text) == (algorithm, digests)


@given(st.binary(max_size=200))
def test_any_bytes_are_either_understood_or_rejected(text: bytes) -> None:
    """Garbage never raises anything but Rejected, and what is understood are digests of the right length."""
    with contextlib.suppress(Rejected):
        algorithm, digests = parse_checksum_file("md5sum.txt", text)
        assert algorithm == "md5"
        assert {len(digest) for digest in digests.values()} <= {32}


@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]], ids=["text", "binary", "tag"])
def test_what_sha256sum_writes_is_understood(tmp_path: Path, options: list[str]) -> None:
    """The real sha256sum's listing of awkward names gives every name and digest."""
    root = os.fsencode(tmp_path)
    expected = {}
    for name in AWKWARD_NAMES:
        with open(os.path.join(root, name), "wb") as file:  # noqa: PTH118, PTH123  pathlib has no bytes paths
            file.write(name)
        expected[name] = hashlib.sha256(name).hexdigest()
    listing = subprocess.run(
        ["sha256sum", *options, "--", *AWKWARD_NAMES], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    assert parse_checksum_file("SHA256SUMS", listing) == ("sha256", expected)


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("checksums.md5", "md5"),
        ("checksum.sha1", "sha1"),
        ("checksums.sha256", "sha256"),
        ("md5sum.txt", "md5"),
        ("MD5SUMS", "md5"),
        ("sha512sum.txt", "sha512"),
        ("SHA256SUMS", "sha256"),
        ("manifest-md5.txt", "md5"),
        ("tagmanifest-md5.txt", None),
        ("data.md5", None),
        ("checksums.csv", None),
        ("readme.txt", None),
    ],
)
def test_names_tell_checksum_files_and_their_algorithm(name: str, algorithm: str | None) -> None:
    """The usual names are known with their algorithm, and data files are never taken for checksum files."""
    assert checksum_algorithm(name) == algorithm


def test_comments_and_blank_lines_are_passed_over_and_dot_slash_taken_off() -> None:
    """A listing made with `find . -exec md5sum` and commented by hand is understood."""
    text = f"# made 2021-03-04\n\n{EMPTY_MD5.upper()}  ./raw/a.csv\n".encode()
    assert parse_checksum_file("md5sum.txt", text) == ("md5", {b"raw/a.csv": EMPTY_MD5})


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("readme.txt", b"", "its name tells no algorithm"),
        ("md5sum.txt", b"a.csv\n", "line 1 is neither"),
        ("md5sum.txt", f"{EMPTY_MD5} a.csv".encode(), "line 1 is neither"),
        ("md5sum.txt", b"\n" + EMPTY_MD5[:-1].encode() + b"  a.csv", "line 2 has 31 hex digits"),
        ("sha256sum.txt", f"{EMPTY_MD5}  a.csv".encode(), "line 1 has 32 hex digits"),
        ("sha256sum.txt", f"MD5 (a.csv) = {EMPTY_MD5}".encode(), "a digest of MD5, the name says sha256"),
        ("md5sum.txt", f"\\{EMPTY_MD5}  a\\tb".encode(), "line 1 has an escape"),
        ("md5sum.txt", f"{EMPTY_MD5}  a\n{'0' * 32}  a".encode(), "line 2 gives another digest"),
    ],
)
def test_what_cannot_be_trusted_is_rejected_with_its_line(name: str, text: bytes, reason: str) -> None:
    """A wrong line rejects the whole file, and the message says where and why."""
    with pytest.raises(Rejected) as refusal:
        parse_checksum_file(name, text)
    assert reason in refusal.value.message
