"""The trees of files that pass the contract suite of sources. A new one adds itself to `TREES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import botocore.session
import pytest

from pipeline.ingest.sources import Tree
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.ingest.sources.trees.s3 import S3Tree
from pipeline.settings import SourceLocation, StoreLocation

FOLDERS = "folders"
"""A tree whose folders can be listed; one without is good for manifests only."""
CHANGES = "changes"
"""A tree whose files can be replaced one by one while others are read."""


class Place(Protocol):
    """An empty place for files, to be filled by a test and then read as a source."""

    @property
    def top(self) -> str:
        """What `headrace ingest` is given for the whole; files written later are not seen where it cannot change."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file, or another in its place."""

    def remove(self, path: str) -> None: ...

    def open_tree(self, url: str) -> Tree: ...


@dataclass(frozen=True)
class Kind:
    """A kind of tree: how a test gets a place of that kind, and what it can."""

    place: Callable[[pytest.FixtureRequest], Place]
    can: frozenset[str] = frozenset({FOLDERS, CHANGES})


@dataclass(frozen=True)
class LocalPlace:
    folder: Path

    @property
    def top(self) -> str:
        return str(self.folder)

    def put(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def remove(self, path: str) -> None:
        (self.folder / path).unlink()

    def open_tree(self, url: str) -> Tree:
        return LocalTree(SourceLocation(url))


def _local(request: pytest.FixtureRequest) -> Place:
    folder = request.getfixturevalue("tmp_path") / "collection"
    folder.mkdir()
    return LocalPlace(folder)


@dataclass(frozen=True)
class BucketPlace:
    location: SourceLocation
    client: Any

    @property
    def top(self) -> str:
        return self.location.url

    def put(self, path: str, content: bytes) -> None:
        bucket, key = self._object(path)
        self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def remove(self, path: str) -> None:
        bucket, key = self._object(path)
        self.client.delete_object(Bucket=bucket, Key=key)

    def open_tree(self, url: str) -> Tree:
        return _s3_tree(replace(self.location, url=url))

    def _object(self, path: str) -> tuple[str, str]:
        bucket, _, prefix = self.location.url.removeprefix("s3://").partition("/")
        return bucket, f"{prefix}/{path}"


@lru_cache(maxsize=2)
def _s3_tree(location: SourceLocation) -> Tree:
    """As a worker has it: to open it takes a second."""
    return S3Tree(location)


def _bucket(request: pytest.FixtureRequest, server: str) -> Place:
    store: StoreLocation = request.getfixturevalue(f"{server}_location")
    location = SourceLocation(store.url, store.s3_endpoint, s3_path_style=True)
    keys = request.getfixturevalue("s3_keys")
    client = botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=store.s3_endpoint,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
    )
    request.addfinalizer(client.close)
    return BucketPlace(location, client)


TREES: dict[str, Kind] = {
    "local": Kind(_local),
    "seaweedfs": Kind(partial(_bucket, server="seaweedfs")),
    "versitygw": Kind(partial(_bucket, server="versitygw")),
}
