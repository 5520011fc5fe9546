"""Reading an object as a stream that outlives its connection."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from pipeline.errors import Conflict, Unavailable
from pipeline.store.s3.bucket import Bucket
from pipeline.store.s3.refusals import away, translated
from pipeline.store.transfer import MIB

_TRIES = 5
_RANGE_NOT_SATISFIABLE = 416


def read(bucket: Bucket, name: str, offset: int, length: int | None) -> Iterator[bytes]:
    """Blocks of the object's bytes in the range. Raises `Missing` at the call."""
    blocks = _blocks(bucket, name, offset, None if length is None else offset + length)
    # The request is made now, and its connection given up however the generator ends, unread too.
    next(blocks)
    return blocks


def _blocks(bucket: Bucket, name: str, position: int, stop: int | None) -> Iterator[bytes]:
    """Nothing once S3 has answered, then the blocks. A connection that breaks is followed by another for the rest,
    a few times without a new byte."""
    etag, tries_left = "", _TRIES
    while answer := _answer(bucket, name, position, stop, etag):
        if not etag:
            etag = answer["ETag"]
            yield b""
        try:
            with closing(answer["Body"]) as body:
                while block := body.read(MIB):
                    position, tries_left = position + len(block), _TRIES
                    yield block
        except (BotoCoreError, HTTPError, OSError) as error:
            tries_left -= 1
            if not tries_left:
                raise away(f"S3 breaks off reading {name}: {type(error).__name__}") from None
            time.sleep(random.uniform(0, 2.0 ** (_TRIES - tries_left) / 10))
        else:
            return
    if not etag:
        yield b""


@contextmanager
def _unchanged(name: str) -> Iterator[None]:
    try:
        yield
    except Conflict:
        raise Unavailable(f"{name} changed while it was read") from None


def _answer(bucket: Bucket, name: str, start: int, stop: int | None, etag: str) -> dict[str, Any] | None:
    """None where no byte lies in the range."""
    parameters = {"Bucket": bucket.name, "Key": name}
    with _unchanged(name), translated(f"read {name}"):
        if stop is not None and stop <= start:
            bucket.client.head_object(**parameters)
            return None
        if start or stop is not None:
            parameters["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if etag:
            parameters["IfMatch"] = etag
        try:
            answer: dict[str, Any] = bucket.client.get_object(**parameters)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == _RANGE_NOT_SATISFIABLE:
                return None
            raise
        return answer
