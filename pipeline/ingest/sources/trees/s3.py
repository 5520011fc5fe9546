"""A tree of files in a bucket of S3, below a prefix, read with s3fs.

S3 knows keys, no folders: `/` parts a key into folders as everybody does it. A key that cannot be such a path (an empty
segment, `.` or `..`, an object where there is a folder too) is met with a remark, so that nothing is left out unsaid.
A file's stamp is its ETag: listings tell no version ids, and a file has one stamp however it is looked at.
"""

from __future__ import annotations

import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from botocore.credentials import EnvProvider
from botocore.exceptions import BotoCoreError, PartialCredentialsError
from fsspec.asyn import sync
from s3fs.core import S3FileSystem

from pipeline.display import shown
from pipeline.errors import HeadraceError, Misconfigured, SourceChanged, Unavailable
from pipeline.ingest.sources.names import path_fault
from pipeline.ingest.sources.protocol import Entry, FileMissing, FileUnreadable, NotRegular
from pipeline.ingest.sources.trees.listing import Listed, ListedFolder, ListedTree, listing_database, spot_of
from pipeline.ingest.sources.trees.remote import SETTLE, Broken, RemoteReader
from pipeline.running.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pipeline.ingest.sources.protocol import Folder, SourceReader, Tree
    from pipeline.ingest.sources.trees.remote import Body
    from pipeline.settings import SourceLocation

_CONNECTIONS = 32
_KEYS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
}
_NO_KEYS = {
    "CredentialRetrievalError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
}
"""Names of botocore's errors."""
_ELSEWHERE = {
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "301",
}
_REFUSED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidObjectState", "403", "401"}
_GONE = {"NoSuchKey", "404"}
_OTHER = {"PreconditionFailed", "412", "InvalidRange", "416"}


class S3Tree:
    """`location.url` is `s3://bucket/prefix`. Raises `Misconfigured` where location or environment will not do."""

    def __init__(self, location: SourceLocation) -> None:
        bucket, _, prefix = location.url.removeprefix("s3://").partition("/")
        self.location = location
        self.bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        _require_usable(location, bucket)
        self._files = S3FileSystem(
            **_keys(location.s3_profile),
            endpoint_url=location.s3_endpoint or None,
            client_kwargs={"region_name": location.s3_region} if location.s3_region else {},
            config_kwargs={
                "s3": {"addressing_style": "path" if _is_path_style(location) else "virtual"},
                "max_pool_connections": _CONNECTIONS,
                "connect_timeout": 10,
                "read_timeout": 60,
                "retries": {"mode": "standard", "total_max_attempts": 4},
            },
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    @property
    def name(self) -> str:
        return self._prefix.rstrip("/").rpartition("/")[2] or self.bucket

    @contextmanager
    def folder(self, path: str) -> Iterator[Folder]:
        below = f"{path}/" if path else ""
        with listing_database(Path(gettempdir()), self.objects(below, "/")) as database:
            folder = ListedFolder(database, "")
            if not folder.names:
                raise FileMissing(f"nothing lies in {self._shown(path)}", remedy=_CORRECT)
            yield folder

    def look(self, path: str) -> Entry:
        _require_path(path)
        answer = self._ask("head_object", path, Key=self._key(path))
        name = path.rpartition("/")[2]
        mtime = _nanoseconds(answer["LastModified"])
        return Entry(name, name, stat.S_IFREG, answer["ContentLength"], mtime, answer["ETag"])

    def open(self, path: str, size: int, stamp: str) -> SourceReader:
        _require_path(path)
        if stamp:
            return S3Reader(self, path, size, stamp)
        reader = self.open_now(path)
        if reader.size != size:
            raise _changed(path, "since the survey")
        return reader

    def open_now(self, path: str) -> SourceReader:
        found = self.look(path)
        return S3Reader(self, path, found.size, found.stamp)

    def holds(self, name: str) -> bool:
        return any(spot_of(one.key, one.size).name == name for one in self.objects())

    @contextmanager
    def listed(self, scratch: Path) -> Iterator[Tree]:
        """All objects are listed once, a thousand a request."""
        with listing_database(scratch, self.objects()) as database:
            yield ListedTree(self, database)

    def is_far(self, path: str) -> bool:  # noqa: ARG002 - so are all
        return True

    def objects(self, below: str = "", delimiter: str = "") -> Iterator[Listed]:
        """The objects whose keys below the prefix begin with `below`, by the rest of their keys, in no order that could
        be relied on. With a `delimiter`, what goes on behind it is told as one folder."""
        start = self._key(below)
        more: dict[str, object] = {}
        while True:
            page = self._ask("list_objects_v2", below, Prefix=start, Delimiter=delimiter, **more)
            for one in page.get("Contents", ()):
                mtime_ns = _nanoseconds(one["LastModified"])
                yield Listed(one["Key"].removeprefix(start), one["Size"], mtime_ns, one["ETag"])
            for one in page.get("CommonPrefixes", ()):
                yield Listed(one["Prefix"].removeprefix(start), 0, None, "")
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def body(self, path: str, start: int, size: int, stamp: str) -> Body:
        """The object from `start` on, `size` bytes long in all, with that ETag. Raises `Broken`, and as trees do."""
        part = {"Range": f"bytes={start}-"} if start else {}
        answer = self._ask("get_object", path, Key=self._key(path), IfMatch=stamp, **part)
        given = _Answer(self._files, answer["Body"], start)
        if (answer["ETag"], answer["ContentLength"]) != (stamp, size - start):
            given.close()
            raise _changed(path, "since the survey")
        return given

    def _key(self, path: str) -> str:
        """The object's key in the bucket."""
        return f"{self._prefix}{path}"

    def _ask(self, operation: str, path: str, **parameters: object) -> dict[str, Any]:
        """Carry out an operation of S3's API on the bucket. Raises as trees do, and `Misconfigured`; without the words
        of clients, which may hold keys and signatures."""
        try:
            answer: dict[str, Any] = self._files.call_s3(operation, Bucket=self.bucket, **parameters)
        except (OSError, BotoCoreError, aiohttp.ClientError) as error:
            response = getattr(error.__cause__, "response", None) or {}
            code = response.get("Error", {}).get("Code", "")
            raise _refusal(code, path, self._shown(path), type(error).__name__) from None
        return answer

    def _shown(self, path: str) -> str:
        return shown(f"s3://{self.bucket}/{self._key(path)}".rstrip("/"))


class S3Reader(RemoteReader):
    """Every answer is of the object with the one ETag, or there is none (`If-Match`)."""

    def __init__(self, tree: S3Tree, path: str, size: int, stamp: str) -> None:
        super().__init__(path, size, stamp)
        self._tree = tree

    def ask(self, start: int) -> Body:
        return self._tree.body(self.path, start, self.size, self.stamp)

    def still_same(self) -> None:
        found = self._tree.look(self.path)
        if (found.size, found.stamp) != (self.size, self.stamp):
            raise _changed(self.path, "while it was read")


@dataclass(frozen=True, slots=True)
class _Answer:
    """The body of an answer, which comes in the thread where s3fs has its connections."""

    files: S3FileSystem
    stream: Any
    start: int

    def read(self, size: int) -> bytes:
        try:
            block: bytes = sync(self.files.loop, _filled, self.stream, size)
        except (aiohttp.ClientError, BotoCoreError, OSError) as error:
            raise Broken(f"S3 breaks off ({type(error).__name__})") from None
        return block

    def close(self) -> None:
        self.files.loop.call_soon_threadsafe(self.stream.close)


async def _filled(stream: Any, size: int) -> bytes:
    """Up to `size` bytes at once, for each step from thread to thread costs more than what has arrived meanwhile; what
    came before the answer breaks off counts."""
    blocks: list[bytes] = []
    try:
        while size and (block := await stream.read(size)):
            blocks.append(block)
            size -= len(block)
    except (aiohttp.ClientError, BotoCoreError, OSError):
        if not blocks:
            raise
    return b"".join(blocks)


# ---------------------------------------------------------------- locations and keys


def _require_usable(location: SourceLocation, bucket: str) -> None:
    if not bucket or "@" in bucket:
        raise Misconfigured(
            "a source on S3 is s3://bucket/prefix, without keys in it",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or HEADRACE_SOURCE_S3_PROFILE",
        )
    endpoint = urlsplit(location.s3_endpoint)
    if location.s3_endpoint and (endpoint.scheme not in ("http", "https") or "@" in endpoint.netloc):
        raise Misconfigured(
            "HEADRACE_SOURCE_S3_ENDPOINT is no URL of a server without keys in it",
            field="HEADRACE_SOURCE_S3_ENDPOINT",
            remedy="write https://host or https://host:port",
        )
    if (
        endpoint.scheme == "http"
        and not is_loopback(location.s3_endpoint)
        and not location.s3_trusted_network
    ):
        raise Misconfigured(
            "the source's S3 has no TLS, and anybody on the way could change what it sends",
            field="HEADRACE_SOURCE_S3_ENDPOINT",
            remedy="use https://, or set HEADRACE_S3_TRUSTED_NETWORK=true where nobody else is on the network",
        )


def _is_path_style(location: SourceLocation) -> bool:
    """Wanted, or the only way: a number has no subdomains."""
    with suppress(ValueError):
        return bool(ip_address(urlsplit(location.s3_endpoint).hostname or ""))
    return location.s3_path_style or is_loopback(location.s3_endpoint)


def _keys(profile: str) -> dict[str, Any]:
    """What s3fs opens a bucket with: a profile of this machine, or keys of the environment. Where there are none, it is
    not to look for others in files and on the network."""
    if profile:
        return {"profile": profile}
    try:
        found = EnvProvider(mapping={"expiry_time": ""}).load()
    except PartialCredentialsError:
        found = None
    if found is None:
        raise Misconfigured(
            "no keys of S3 in the environment",
            field="AWS_ACCESS_KEY_ID",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or HEADRACE_SOURCE_S3_PROFILE, for every process"
            " and worker",
        )
    keys = found.get_frozen_credentials()
    return {"key": keys.access_key, "secret": keys.secret_key, "token": keys.token}


# ---------------------------------------------------------------- what is said


def _nanoseconds(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000_000


def _require_path(path: str) -> None:
    if fault := path_fault(path):
        raise NotRegular(f"{shown(path)}: {fault}", remedy="Name files by their paths below the source.")


def _changed(path: str, when: str) -> SourceChanged:
    return SourceChanged(f"{shown(path)} changed {when}", remedy=SETTLE)


_CORRECT = "See that bucket and prefix are right, and that the object was not deleted."
_AGAIN = "See that S3 is up and can be reached, then run the same command again."


def _refusal(code: str, path: str, what: str, error: str) -> HeadraceError:
    """The error that stands for an answer with this code, or for none (`error` says why)."""
    if code in _GONE:
        return FileMissing(f"{what} is missing", remedy=_CORRECT)
    if code in _OTHER:
        return _changed(path, "since the survey")
    if code in _REFUSED:
        return FileUnreadable(
            f"{what} cannot be read: S3 answers {code}",
            remedy="Give the access key the right to read and to list, or fetch the object back from an archive tier.",
        )
    if error in _NO_KEYS:
        return Misconfigured(
            f"there are no keys for {what} ({error})",
            field="HEADRACE_SOURCE_S3_PROFILE",
            remedy="name a profile that the AWS configuration of this machine has, with keys, on every worker",
        )
    if code == "NoSuchBucket":
        return Misconfigured(f"S3 knows no bucket of {what}", remedy=_CORRECT)
    if code in _KEYS:
        return Misconfigured(
            f"S3 answers {code}",
            field="AWS_ACCESS_KEY_ID",
            remedy="set keys that are valid, and last as long as a run",
        )
    if code in _ELSEWHERE:
        return Misconfigured(
            f"S3 answers {code}: the bucket is in another region",
            field="HEADRACE_SOURCE_S3_REGION",
            remedy="set HEADRACE_SOURCE_S3_REGION to the bucket's region",
        )
    return Unavailable(f"{what} cannot be reached: {code or error}", remedy=_AGAIN)
