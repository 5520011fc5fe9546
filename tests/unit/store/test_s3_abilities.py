"""What is found out about S3 servers that are not as those of the contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import pytest

from pipeline.errors import Conflict, Misconfigured, Unavailable
from pipeline.settings import StoreLocation
from pipeline.store.s3 import bucket as bucket_module
from pipeline.store.s3.bucket import Abilities, Bucket
from pipeline.store.s3.checksums import CRC32C, CRC64NVME
from pipeline.store.s3.store import S3Store
from tests.lesser_s3 import Answers, lesser_s3

TAKEN = 200, ""
REFUSED = 412, "PreconditionFailed"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def found(answers: Answers) -> Abilities:
    with lesser_s3(answers) as url, closing(Bucket(StoreLocation("s3://bucket", url))) as bucket:
        return bucket.abilities()


def answering(conditional: tuple[int, str] = TAKEN, trailed: tuple[int, str] = TAKEN) -> Answers:
    def answer(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        if "if-match" in headers or "if-none-match" in headers:
            return conditional
        return trailed if "x-amz-trailer" in headers else TAKEN

    return answer


@pytest.mark.parametrize(
    ("answer", "heeded"),
    [(TAKEN, False), ((501, "NotImplemented"), False), ((400, "InvalidArgument"), False), (REFUSED, True)],
)
def test_a_condition_is_heeded_where_the_server_says_so(answer: tuple[int, str], heeded: bool) -> None:
    """Who has no conditional writes takes such a write, or refuses it for another reason."""
    assert found(answering(answer)) == Abilities(None, trailers=False, conditions=heeded)


@pytest.mark.parametrize("which", ["conditional", "trailed"])
def test_a_server_in_trouble_tells_nothing(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again, and in the end it is away."""
    monkeypatch.setattr(bucket_module, "pause", lambda tries: 0)
    with pytest.raises(Unavailable):
        found(answering(**{which: (503, "SlowDown")}))


def test_a_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did in a bad moment is no finding."""
    monkeypatch.setattr(bucket_module, "pause", lambda tries: 0)
    troubles = iter([(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout")])

    def answer(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        return next(troubles, REFUSED) if "if-match" in headers else answering(REFUSED)(headers, body)

    assert found(answer).conditions


@pytest.mark.parametrize("code", ["BadDigest", "XAmzContentChecksumMismatch"])
def test_a_server_without_trailers_may_know_a_checksum(code: str) -> None:
    """The one by which it takes right bytes and refuses wrong ones, whatever it calls them."""

    def answer(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        if "x-amz-trailer" in headers or CRC64NVME.header in headers:
            return 400, "InvalidRequest"
        return TAKEN if headers.get(CRC32C.header, CRC32C.of(body)) == CRC32C.of(body) else (400, code)

    assert found(answer) == Abilities(CRC32C, trailers=False, conditions=False)


def test_when_keys_end_is_for_the_server_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of it, nobody could change for a process that runs."""
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
    assert found(answering(REFUSED)).conditions
    with pytest.raises(Misconfigured) as ended:
        found(lambda headers, body: (400, "ExpiredToken"))
    assert ended.value.field == "AWS_SESSION_TOKEN"


@contextmanager
def store_without_conditions() -> Iterator[S3Store]:
    with (
        lesser_s3(answering((501, "NotImplemented"))) as url,
        closing(S3Store(StoreLocation("s3://bucket/prefix", url))) as store,
    ):
        yield store


def test_without_conditions_swaps_look_first() -> None:
    """Such a server is sent none; what was there is compared before each write."""
    with store_without_conditions() as store:
        store.swap_many({"a": (None, b"1")})
        store.swap_many({"a": (b"1", b"2")})
        with pytest.raises(Conflict):
            store.swap_many({"a": (b"1", b"3")})
        assert b"".join(store.read("a")) == b"2"
