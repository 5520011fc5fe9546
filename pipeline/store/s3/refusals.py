"""What S3 and its clients say when something fails, in the words of `pipeline.errors`.

Codes are those of the API reference, "Error responses", and of servers that have some of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from pipeline.errors import Conflict, HeadraceError, Misconfigured, Missing, OutOfSpace, Rejected, Unavailable

_KEYS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "UnrecognizedClientException",
    "XAdminUserNotFound",  # versitygw
}
_ENDED = {"ExpiredToken", "TokenRefreshRequired"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "401"}
_ELSEWHERE = {
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "301",
}
_NO_ROOM = {
    "InsufficientCapacity",
    "InsufficientStorage",
    "QuotaExceeded",
    "QuotaExceededException",
    "StorageFull",
    "XMinioStorageFull",
    "XAmzQuotaExceeded",
    "507",
}
_UNABLE = {"NotImplemented", "MethodNotAllowed", "501", "405"}
_AGAIN = "see that S3 is up and can be reached (HEADRACE_S3_ENDPOINT), then run the same command again"
_SLOW = "RequestTimeout"  # a 400 at Amazon's, though nothing is wrong with the request
_XML_CODE = re.compile(rb"<Code>([^<]{1,100})</Code>")


class Unfit(Unavailable):
    """The server finds something wrong with the request itself. Where it did not before, bytes came damaged, and
    another try may do better; servers name that in many ways (`BadDigest`, `IncompleteBody`)."""


def code_in(body: bytes) -> str:
    """The error code in the XML of an answer, `""` where there is none."""
    found = _XML_CODE.search(body)
    return found.group(1).decode("utf-8", "replace") if found else ""


def refusal(code: str, what: str, *, status: int = 0) -> HeadraceError:
    """The error that stands for an answer with this code (or HTTP status) to an attempt to do `what`. Where `status`
    is said as well, what is wrong with a request is `Unfit`."""
    told = f"S3 answers {code} when asked to {what}"
    if code in ("NoSuchKey", "404"):
        return Missing(f"the store has nothing to {what}")
    if code == "NoSuchBucket":
        return Misconfigured(
            told,
            field="HEADRACE_STORE",
            remedy="make the bucket, or correct HEADRACE_STORE or HEADRACE_S3_ENDPOINT",
        )
    if code == "NoSuchUpload":
        return Conflict("another process has ended this upload")
    if code in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
        return Conflict(f"{told}: another process was there first")
    if code in _KEYS:
        return Misconfigured(
            told,
            field="AWS_ACCESS_KEY_ID",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a valid pair",
        )
    if code in _ENDED:
        return Misconfigured(
            told,
            field="AWS_SESSION_TOKEN",
            remedy="use keys that last, or start every process and worker again with new ones: each reads them once",
        )
    if code in _DENIED:
        return Misconfigured(
            told, field="AWS_ACCESS_KEY_ID", remedy="give the access key rights on the whole bucket"
        )
    if code in _ELSEWHERE:
        return Misconfigured(
            told, field="HEADRACE_S3_REGION", remedy="set HEADRACE_S3_REGION to the bucket's region"
        )
    if code in _NO_ROOM:
        return OutOfSpace(told, remedy="raise the quota or make room, then run the same command again")
    if code in _UNABLE:
        return Misconfigured(
            told, field="HEADRACE_STORE", remedy="use a server that can, or a store in a folder"
        )
    if code == "KeyTooLongError":
        return Rejected("a name is longer than S3 bears (1,024 bytes)")
    is_unfit = status == HTTPStatus.BAD_REQUEST and code != _SLOW
    return Unfit(told, remedy=_AGAIN) if is_unfit else away(told)


def away(told: str) -> Unavailable:
    """The error that stands for S3 being away or in trouble, in the words `told`."""
    return Unavailable(told, remedy=_AGAIN)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """What clients raise inside leaves as one of ours, and without their words: those may hold keys and signatures."""
    try:
        yield
    except ClientError as error:
        raise refusal(error.response.get("Error", {}).get("Code", "nothing known"), what) from None
    except (BotoCoreError, HTTPError, OSError) as error:
        raise away(f"S3 could not be asked to {what}: {type(error).__name__}") from None
