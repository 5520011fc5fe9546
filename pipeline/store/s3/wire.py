"""Bytes on their way to S3: PUT requests whose headers are signed and whose payload is not (Signature Version 4,
`UNSIGNED-PAYLOAD` and `STREAMING-UNSIGNED-PAYLOAD-TRAILER`), over kept connections.

botocore's own calls hold every body in memory or read it twice, and cost milliseconds of CPU each: what is sent by
the thousand or by the gigabyte goes this way (decision 0006).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast
from urllib.parse import quote

import urllib3
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pipeline.errors import OutOfSpace, Unavailable
from pipeline.store.s3.buffers import BUFFER
from pipeline.store.s3.checksums import Checksum
from pipeline.store.s3.refusals import code_in, refusal, translated

# Under the time to connect urllib3 sends, too, on a connection that is new: a sender may stall as long as an answer.
_TIMEOUT = urllib3.Timeout(connect=60, read=60)
_TRIES = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """To a request that S3 carried out."""

    headers: Mapping[str, str]

    @property
    def etag(self) -> str:
        """Without quotes."""
        return self.headers.get("etag", "").strip('"')


@dataclass(frozen=True, slots=True)
class Target:
    """What a PUT is for: an object, or by its `query` a part of one."""

    key: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trailer:
    """The checksum of what is sent, told after it: `value` is asked when all of it has gone out."""

    checksum: Checksum
    value: Callable[[], str]

    def line(self, value: str) -> bytes:
        """The end of the body: the empty last chunk, then the trailer."""
        return f"0\r\n{self.checksum.header}:{value}\r\n\r\n".encode()


class Wire:
    """PUTs into one bucket; its methods may be called by many threads."""

    def __init__(
        self, bucket_url: str, region: str, credentials: Credentials, ca_bundle: str, connections: int
    ) -> None:
        self._url = bucket_url
        self._region = region
        self._credentials = credentials
        self._pool = urllib3.PoolManager(
            maxsize=connections, block=False, timeout=_TIMEOUT, retries=False, ca_certs=ca_bundle
        )

    def put(
        self,
        target: Target,
        content: bytes | bytearray | memoryview,
        checksum: Checksum | None,
        *,
        tries: int = _TRIES,
    ) -> Answer:
        """Write content that is at hand; tries again where that may help. Raises what `refusals` says."""
        extra = {checksum.header: checksum.of(content)} if checksum else {}
        for tries_left in reversed(range(tries)):
            try:
                return self._request(target, [content] if content else [], len(content), extra, UnsignedAuth)
            except Unavailable as error:
                if not tries_left or isinstance(error, OutOfSpace):
                    raise
                time.sleep(pause(tries - tries_left))
        raise AssertionError("unreachable")

    def stream(
        self, target: Target, blocks: Iterable[memoryview], size: int, trailer: Trailer | None
    ) -> Answer:
        """Write content that can be had only once: full buffers and a last one, then the trailer.
        Raises what `refusals` says, and whatever `blocks` does."""
        if trailer is None:
            return self._request(target, blocks, size, {}, UnsignedAuth)
        extra = {
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(size),
            "x-amz-trailer": trailer.checksum.header,
        }
        length = _chunked_length(size) + len(trailer.line(trailer.checksum.encoded(0)))
        return self._request(target, _chunked(blocks, trailer), length, extra, TrailerAuth)

    def signed_url(self, target: Target, size: int, lifetime: timedelta) -> str:
        """Where anybody may PUT just that many bytes for just that target, for as long (Signature Version 4, query
        parameters). In a third of the time of botocore's own way: of one object there may be 10,000."""
        request = AWSRequest("PUT", self._address(target), headers={"content-length": str(size)})
        expires = int(lifetime.total_seconds())
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=expires).add_auth(request)
        return str(request.url)

    def close(self) -> None:
        self._pool.clear()

    def _address(self, target: Target) -> str:
        return f"{self._url}/{quote(target.key, safe='/~')}{target.query and '?' + target.query}"

    def _request(
        self,
        target: Target,
        body: Iterable[bytes | bytearray | memoryview],
        length: int,
        extra: Mapping[str, str],
        auth: type[S3SigV4Auth],
    ) -> Answer:
        url = self._address(target)
        request = AWSRequest("PUT", url, headers={**target.headers, **extra, "content-length": str(length)})
        auth(self._credentials, "s3", self._region).add_auth(request)
        with translated(f"write {target.key}"):
            response = self._pool.request(
                "PUT",
                url,
                headers=dict(request.headers.items()),
                body=cast("Iterator[bytes]", iter(body)),
                redirect=False,
            )
        if response.status != 200:
            code = code_in(response.data) or str(response.status)
            raise refusal(code, f"write {target.key}", status=response.status)
        return Answer({name.lower(): value for name, value in response.headers.items()})


class UnsignedAuth(S3SigV4Auth):
    """Signs headers; the transport, or the network that the operator trusts, and the checksum guard the payload."""

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - what it overrides
        return "UNSIGNED-PAYLOAD"


class TrailerAuth(S3SigV4Auth):
    """The same for payload with a trailer."""

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - what it overrides
        return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def _chunked(blocks: Iterable[memoryview], trailer: Trailer) -> Iterator[bytes | memoryview]:
    """S3's own chunks inside a body of known length (API reference, "aws-chunked")."""
    end = b""
    for block in blocks:
        yield b"%b%x\r\n" % (end, len(block))
        yield block
        end = b"\r\n"
    yield end + trailer.line(trailer.value())


def _chunked_length(size: int) -> int:
    full, rest = divmod(size, BUFFER)
    return full * _chunk_length(BUFFER) + (_chunk_length(rest) if rest else 0)


def _chunk_length(size: int) -> int:
    return len(b"%x\r\n\r\n" % size) + size


def pause(tries: int) -> float:
    """Seconds before another try: twice as long each time, and nobody at the same moment as others ("full jitter")."""
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tries))
