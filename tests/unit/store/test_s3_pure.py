"""The parts of the S3 store that need no server: names, checksums, refusals, and the memory of what is on its way."""

from __future__ import annotations

import threading
from random import Random

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Conflict, HeadraceError, Misconfigured, Missing, OutOfSpace, Rejected, Unavailable
from pipeline.model import Part
from pipeline.store import layout
from pipeline.store.s3.buffers import BUFFER, Budget, BufferPool, Cut, PartPipe
from pipeline.store.s3.checksums import CRC32C, CRC64NVME, Checksum
from pipeline.store.s3.names import key_of, name_of
from pipeline.store.s3.refusals import code_in, refusal, translated
from pipeline.store.s3.uploads import multipart_etag

# ---------------------------------------------------------------- names

_SEGMENTS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0") | st.sampled_from("|\\\n\ufffe%5c"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", ".."))
_KEYS = st.lists(_SEGMENTS, min_size=1, max_size=4).map("/".join)
_PREFIXES = st.sampled_from(["", "archive", "a/b", "|"])


@given(_PREFIXES, _KEYS, _KEYS)
def test_a_name_is_one_keys(prefix: str, one: str, other: str) -> None:
    """It leads back to the very key, so different keys have different names."""
    name = name_of(prefix, one)
    assert key_of(prefix, name) == one
    assert (name == name_of(prefix, other)) == (one == other)


@given(_PREFIXES, _KEYS)
def test_a_name_can_be_said_in_xml_and_in_paths(prefix: str, key: str) -> None:
    """S3 lists names in XML 1.0, and servers on file systems take a backslash for a slash."""
    inner = name_of(prefix, key).removeprefix(prefix)
    assert not [char for char in inner if char < " " or char in "\\\ufffe\uffff"]
    assert inner.count("/") == key.count("/") + bool(prefix)


@given(_KEYS)
def test_content_is_named_as_the_inventory_says(key: str) -> None:
    """What an OCFL object consists of has no escape in its name, and fits."""
    root = f"{layout.object_root('urn:x')}/v1234567/content/"
    name = name_of("p" * 100, root + layout.content_path(key))
    assert name == f"{'p' * 100}/{root}{layout.content_path(key)}"


def test_the_longest_content_path_fits() -> None:
    """With a prefix of a hundred bytes before it."""
    path = layout.content_path("/".join(["𝒳" * 60] * 30))
    assert name_of("p" * 100, f"{layout.object_root('urn:x')}/v1234567/content/{path}")
    with pytest.raises(Rejected):
        name_of("", "a" * 1025)


# ---------------------------------------------------------------- checksums


@pytest.mark.parametrize(
    ("algorithm", "content", "expected"),
    [
        (CRC64NVME, b"123456789", "rosUhgp5mIg="),
        (CRC32C, b"123456789", "4waSgw=="),
        (CRC32C, b"", "AAAAAA=="),
    ],
)
def test_checksums_are_those_of_the_catalogue_of_crcs(
    algorithm: Checksum, content: bytes, expected: str
) -> None:
    """The check values: 0xae8b14860a799888 and 0xe3069283."""
    assert algorithm.of(content) == expected


@given(
    st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=6), st.sampled_from([CRC64NVME, CRC32C])
)
def test_the_checksum_of_the_whole_follows_from_its_parts(pieces: list[bytes], algorithm: Checksum) -> None:
    """However it is cut."""
    parts = [Part(n, len(piece), "e", "x", algorithm.of(piece)) for n, piece in enumerate(pieces, 1)]
    assert algorithm.of_parts(parts) == algorithm.of(b"".join(pieces))


def test_parts_of_another_algorithm_make_no_checksum() -> None:
    """Nor does one without."""
    other = Part(2, 1, "e", "x", CRC32C.of(b"b"))
    assert CRC64NVME.of_parts([Part(1, 1, "e", "x", CRC64NVME.of(b"a")), other]) is None
    assert CRC32C.of_parts([other, Part(3, 1, "e", "x")]) is None


def test_the_etag_of_parts_is_known_where_etags_are_md5() -> None:
    """As SeaweedFS and versitygw told that of 5 MiB of `a` and 100 `b`. Elsewhere it is not known."""
    md5s = ["79b281060d337b9b2b84ccf390adcf74", "d84a935724eac27d7c9676679b6cdbaf"]
    parts = [Part(number, 1, etag, "x") for number, etag in enumerate(md5s, 1)]
    assert multipart_etag(parts) == "16cafe8d6b8c1c55c3d339c8d69326c6-2"
    assert multipart_etag([*parts, Part(3, 1, "0x8D", "x")]) is None


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("code", "expected", "field"),
    [
        ("NoSuchKey", Missing, ""),
        ("404", Missing, ""),
        ("NoSuchBucket", Misconfigured, "HEADRACE_STORE"),
        ("NoSuchUpload", Conflict, ""),
        ("PreconditionFailed", Conflict, ""),
        ("SignatureDoesNotMatch", Misconfigured, "AWS_ACCESS_KEY_ID"),
        ("ExpiredToken", Misconfigured, "AWS_SESSION_TOKEN"),
        ("AccessDenied", Misconfigured, "AWS_ACCESS_KEY_ID"),
        ("403", Misconfigured, "AWS_ACCESS_KEY_ID"),
        ("PermanentRedirect", Misconfigured, "HEADRACE_S3_REGION"),
        ("QuotaExceeded", OutOfSpace, ""),
        ("507", OutOfSpace, ""),
        ("NotImplemented", Misconfigured, "HEADRACE_STORE"),
        ("KeyTooLongError", Rejected, ""),
        ("SlowDown", Unavailable, ""),
        ("InternalError", Unavailable, ""),
        ("BadDigest", Unavailable, ""),
        ("503", Unavailable, ""),
        ("", Unavailable, ""),
    ],
)
def test_what_s3_refuses_says_who_can_mend_it(code: str, expected: type[HeadraceError], field: str) -> None:
    """And the error is of just that kind."""
    error = refusal(code, "write a")
    assert (type(error), error.field) == (expected, field)
    assert error.remedy or expected not in (Misconfigured, Unavailable)


def test_clients_errors_stay_inside() -> None:
    """Neither their type nor their words, which may hold a key, come out."""
    with pytest.raises(OutOfSpace), translated("write"):
        raise ClientError({"Error": {"Code": "QuotaExceeded"}}, "PutObject")
    with pytest.raises(Unavailable) as caught, translated("write"):
        raise EndpointConnectionError(endpoint_url="http://key:secret@host")
    assert "secret" not in str(caught.value)
    assert "HEADRACE_S3_ENDPOINT" in caught.value.remedy
    assert caught.value.__cause__ is None


def test_the_code_of_an_answer_is_found() -> None:
    """In its XML; another body has none."""
    assert (
        code_in(b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>x</Message></Error>')
        == "SlowDown"
    )
    assert code_in(b"<html>Bad Gateway</html>") == ""


# ---------------------------------------------------------------- memory


def fed(pipe: PartPipe, content: bytes, piece: int) -> None:
    view = memoryview(content)
    for at in range(0, len(content), piece):
        block = view[at : at + piece]
        while block:
            block = block[pipe.feed(block) :]


@pytest.mark.parametrize(
    ("size", "piece"), [(1, 1), (BUFFER, 1000), (2 * BUFFER + 7, 65_537), (3 * BUFFER, 3 << 20)]
)
def test_a_part_arrives_in_full_buffers_and_a_last_one(size: int, piece: int) -> None:
    """Its length on the wire is told before its bytes, so this must be so; two buffers suffice for any part."""
    content, arrived = Random(size).randbytes(size), []
    pipe = PartPipe(BufferPool(2), size)

    def send() -> None:
        arrived.extend(bytes(block) for block in pipe.blocks())

    sender = threading.Thread(target=send)
    sender.start()
    fed(pipe, content, piece)
    sender.join(10)
    assert pipe.is_full
    assert b"".join(arrived) == content
    assert [len(block) for block in arrived[:-1]] == [BUFFER] * ((size - 1) // BUFFER)


def test_a_part_given_up_gives_its_buffers_back() -> None:
    """Those on their way, the one being filled, and those that come after the sender has failed."""
    pool = BufferPool(3)
    cut, failed = PartPipe(pool, 9 * BUFFER), PartPipe(pool, 9 * BUFFER)
    fed(cut, bytes(2 * BUFFER + 1), BUFFER)
    cut.cut()
    with pytest.raises(Cut):
        list(cut.blocks())
    cut.close()
    fed(failed, bytes(2 * BUFFER), BUFFER)
    failed.close()
    fed(failed, bytes(5 * BUFFER), BUFFER)
    failed.cut()
    assert [len(pool.take()) for _ in range(3)] == [BUFFER] * 3


def test_who_wants_more_than_is_left_waits() -> None:
    """Until another gives back."""
    budget, had = Budget(10), threading.Event()
    budget.take(8)

    def take() -> None:
        budget.take(3)
        had.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    assert not had.wait(0.05)
    budget.give(8)
    assert had.wait(10)
    waiting.join()


def test_who_always_has_some_leaves_less_to_others() -> None:
    """Who overdraws waits for nobody; nothing is left for others until as much was given back."""
    budget = Budget(10)
    for _ in range(3):
        budget.overdraw(5)
    budget.give(5)
    assert not budget.take_at_once(1)
    budget.give(5)
    assert (budget.take_at_once(5), budget.take_at_once(1)) == (True, False)
