"""One bucket: how its server is reached, what it can do, and its keys."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, EnvProvider
from botocore.exceptions import PartialCredentialsError
from botocore.httpsession import get_cert_path

from pipeline.errors import Conflict, HeadraceError, Misconfigured, Unavailable
from pipeline.settings import StoreLocation
from pipeline.store.s3.checksums import CRC32C, CRC64NVME, Checksum
from pipeline.store.s3.names import key_of, name_of
from pipeline.store.s3.refusals import Unfit, translated
from pipeline.store.s3.wire import Target, Trailer, Wire, pause

CONNECTIONS = 32
PROBE = ".headrace-probe"
"""Key of the object by which servers are probed. It stays, for several processes may be probing at once."""

_DEFAULT_REGION = "us-east-1"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_opening = threading.Lock()
_PROBED = b"probe"
_PROBES = 6


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server was seen to do: `checksum` is the algorithm by which it refuses wrong bytes, if any;
    `trailers`: also where it comes after the bytes; `conditions`: it heeds `If-None-Match: *` and `If-Match`;
    `md5_etags`: ETags are MD5 digests, as they are not where a bucket encrypts by keys of its own."""

    checksum: Checksum | None
    trailers: bool
    conditions: bool
    md5_etags: bool = False

    def describe(self) -> str:
        """For people."""
        if self.checksum is None:
            checked = "bytes are not verified on arrival"
        elif self.trailers:
            checked = f"bytes verified by {self.checksum.name} in trailers"
        else:
            checked = f"bytes verified by {self.checksum.name}, but not those of parts over 16 MiB"
        return f"{checked}, conditional writes {'honoured' if self.conditions else 'not honoured'}"


class Bucket:
    """`location.url` is `s3://bucket/prefix`. Raises `Misconfigured` where location or environment will not do."""

    def __init__(self, location: StoreLocation) -> None:
        url = urlsplit(location.url)
        self.name, self._prefix = url.netloc, url.path.strip("/")
        self._location = location
        _require_usable(location, self.name)
        credentials = _credentials()
        with _opening:
            self.client: Any = _client(location, credentials)
            ca_bundle = _session().get_config_variable("ca_bundle") or get_cert_path(verify=True)
        self._probing = threading.Lock()
        self.wire = Wire(
            _bucket_url(self.client.meta.endpoint_url, self.name, path_style=_is_path_style(location)),
            self.client.meta.region_name,
            credentials,
            ca_bundle,
            CONNECTIONS,
        )

    def require(self) -> None:
        """Raises `Misconfigured` unless the bucket is there and the keys open it."""
        with translated("open the store"):
            self.client.list_objects_v2(Bucket=self.name, Prefix=self.full(PROBE), MaxKeys=1)

    def full(self, key: str) -> str:
        """The name in the bucket of what the store calls `key`. Raises `Rejected` for what is no key."""
        return name_of(self._prefix, key)

    def below(self, prefix: str) -> str:
        """What the names of all objects below `prefix/` begin with; of all objects for `""`."""
        return f"{self.full(prefix)}/" if prefix else f"{self._prefix}/" if self._prefix else ""

    def key(self, name: str) -> str:
        """What the store calls the object of this name in the bucket."""
        return key_of(self._prefix, name)

    def pages(self, operation: str, **parameters: str) -> Iterator[dict[str, Any]]:
        """The answers of an operation that lists, until its list ends."""
        with translated(f"list {parameters.get('Prefix') or parameters.get('Key')}"):
            yield from self.client.get_paginator(operation).paginate(Bucket=self.name, **parameters)

    def abilities(self) -> Abilities:
        """Probed at the first call, by a few small writes. Raises `Unavailable` where that fails."""
        with self._probing:
            return self._abilities

    @cached_property
    def _abilities(self) -> Abilities:
        target = Target(self.full(PROBE))
        self.wire.put(target, _PROBED, None)
        checksum, trailers = next(
            (
                (checksum, trailers)
                for trailers in (True, False)
                for checksum in (CRC64NVME, CRC32C)
                if self._discerns(target, checksum, trailers=trailers)
            ),
            (None, False),
        )
        heeded = all(
            isinstance(self._objection(replace(target, headers=condition)), Conflict)
            for condition in ({"if-none-match": "*"}, {"if-match": f'"{"0" * 32}"'})
        )
        # Who was shut out meanwhile has refused everything: that is no finding.
        etag = self.wire.put(target, _PROBED, None).etag
        digest = hashlib.md5(_PROBED, usedforsecurity=False).hexdigest()
        return Abilities(checksum, trailers, heeded, md5_etags=etag == digest)

    def _discerns(self, target: Target, checksum: Checksum, *, trailers: bool) -> bool:
        """Whether right bytes are taken and wrong ones are not."""
        wrong = replace(checksum, update=lambda block, before: checksum.update(block, before) ^ 1)
        return self._objection(target, checksum, trailers=trailers) is None and isinstance(
            self._objection(target, wrong, trailers=trailers), Unfit
        )

    def _objection(
        self, target: Target, checksum: Checksum | None = None, *, trailers: bool = False
    ) -> HeadraceError | None:
        """What the server has against such a write; None where it takes it. Raises `Unavailable` where it only has
        troubles of its own, again and again."""
        for tries in range(1, _PROBES + 1):
            try:
                if checksum and trailers:
                    trailer = Trailer(checksum, partial(checksum.of, _PROBED))
                    self.wire.stream(target, [memoryview(_PROBED)], len(_PROBED), trailer)
                else:
                    self.wire.put(target, _PROBED, checksum, tries=1)
            except (Conflict, Misconfigured, Unfit) as objection:
                return objection
            except Unavailable:
                if tries == _PROBES:
                    raise
                time.sleep(pause(tries))
            else:
                return None
        raise AssertionError("unreachable")

    def describe(self) -> str:
        """For people; holds no key."""
        return f"{self._location.url} at {self.client.meta.endpoint_url}, {self.abilities().describe()}"

    def close(self) -> None:
        """Idempotent."""
        self.wire.close()
        self.client.close()


def _require_usable(location: StoreLocation, bucket: str) -> None:
    for field, url in (("HEADRACE_STORE", location.url), ("HEADRACE_S3_ENDPOINT", location.s3_endpoint)):
        # Locations are shown to people and travel with units.
        if "@" in urlsplit(url).netloc:
            raise Misconfigured(
                f"{field} holds a user or a key, and is no secret",
                field=field,
                remedy="take out what stands before the @, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
    endpoint = urlsplit(location.s3_endpoint)
    if not bucket:
        raise Misconfigured(
            "HEADRACE_STORE names no bucket", field="HEADRACE_STORE", remedy="write s3://bucket/prefix"
        )
    if location.s3_endpoint and (endpoint.scheme not in ("http", "https") or not endpoint.hostname):
        raise Misconfigured(
            "HEADRACE_S3_ENDPOINT is no URL of a server",
            field="HEADRACE_S3_ENDPOINT",
            remedy="write https://host or https://host:port",
        )
    if endpoint.scheme == "http" and endpoint.hostname not in _LOOPBACK and not location.s3_trusted_network:
        # Payloads are not signed: without TLS anybody on the way could change them.
        raise Misconfigured(
            "HEADRACE_S3_ENDPOINT has no TLS, and what is sent is not signed",
            field="HEADRACE_S3_ENDPOINT",
            remedy="use https://, or set HEADRACE_S3_TRUSTED_NETWORK=true where nobody else is on the network",
        )


def _is_path_style(location: StoreLocation) -> bool:
    """Wanted, or the only way: a number has no subdomains."""
    host = urlsplit(location.s3_endpoint).hostname or ""
    with suppress(ValueError):
        return bool(ip_address(host))
    return location.s3_path_style or host in _LOOPBACK


def _credentials() -> Credentials:
    try:
        # Nobody changes the environment of a process that runs: when keys end is for S3 to say, not for botocore.
        found: Credentials | None = EnvProvider(mapping={"expiry_time": ""}).load()
    except PartialCredentialsError:
        found = None
    if found is None:
        raise Misconfigured(
            "no keys of S3 in the environment",
            field="AWS_ACCESS_KEY_ID",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for every process and worker",
        )
    return found


@lru_cache(maxsize=1)
def _session() -> Any:
    # One a process: it takes half a second to read the description of S3. Not to be used by two threads at once.
    return botocore.session.get_session()


def _client(location: StoreLocation, credentials: Credentials) -> Any:
    keys = credentials.get_frozen_credentials()
    return _session().create_client(
        "s3",
        region_name=location.s3_region or _DEFAULT_REGION,
        endpoint_url=location.s3_endpoint or None,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
        config=Config(
            signature_version="s3v4",
            s3={
                "addressing_style": "path" if _is_path_style(location) else "virtual",
                "payload_signing_enabled": False,
            },
            # Those that every upload brings are computed by us, and files are audited by their own digests.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=CONNECTIONS,
            connect_timeout=10,
            read_timeout=300,  # copies and completions are answered when they are done
            tcp_keepalive=True,
            # "standard": repeats what was throttled, refused for a moment or reset, later and later, with jitter.
            retries={"mode": "standard", "total_max_attempts": 6},
        ),
    )


def _bucket_url(endpoint: str, bucket: str, *, path_style: bool) -> str:
    if path_style:
        return f"{endpoint.rstrip('/')}/{bucket}"
    url = urlsplit(endpoint)
    return url._replace(netloc=f"{bucket}.{url.netloc}").geturl().rstrip("/")
