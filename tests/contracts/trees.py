"""The trees of files that pass the contract suite of sources, and the inboxes in which they ripen. A new one adds
itself to `TREES`."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import botocore.session
import pytest

from pipeline.ingest.inbox import Inbox, Outcome
from pipeline.ingest.sources import Tree
from pipeline.ingest.sources.trees.archive import ArchiveTree
from pipeline.ingest.sources.trees.http import HttpTree
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.ingest.sources.trees.s3 import S3Tree
from pipeline.settings import SourceLocation, StoreLocation
from tests.web_server import Manners, WebServer

FOLDERS = "folders"
"""A tree whose folders can be listed; one without is good for manifests only."""
CHANGES = "changes"
"""A tree whose files can be replaced one by one while others are read."""


MANIFESTS = "manifests"
"""A tree of which one file may be named, as the manifest of others."""


class Place(Protocol):
    """An empty place for files, to be filled by a test and then read as a source."""

    @property
    def top(self) -> str:
        """What `headrace ingest` is given for the whole; files written later are not seen where it cannot change."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file, or another in its place."""

    def remove(self, path: str) -> None: ...

    def open_tree(self, url: str) -> Tree: ...

    def locator(self, name: str = "") -> str:
        """What `headrace ingest` is given for the whole, or for the manifest `name` in it."""
        return f"{self.top}/{name}" if name else self.top


@dataclass(frozen=True)
class Kind:
    """A kind of tree: how a test gets a place of that kind, and what it can."""

    place: Callable[[pytest.FixtureRequest], Place]
    can: frozenset[str] = frozenset({FOLDERS, CHANGES, MANIFESTS})


@dataclass(frozen=True)
class LocalPlace(Place):
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


@dataclass
class ArchivePlace(Place):
    """An archive of what was put, below one folder, made when it is asked for; `holder` is where it lies."""

    holder: Place
    kind: str
    files: dict[str, bytes] = field(default_factory=dict)
    is_made: bool = False

    @property
    def top(self) -> str:
        if not self.is_made:
            self.holder.put(f"archive{self.kind}", self._made())
            self.is_made = True
        return f"{self.holder.top}/archive{self.kind}"

    def put(self, path: str, content: bytes) -> None:
        self.files[f"collection/{path}"] = content
        self.is_made = False

    def remove(self, path: str) -> None:
        del self.files[f"collection/{path}"]
        self.is_made = False

    def open_tree(self, url: str) -> Tree:
        folder, _, name = url.rpartition("/")
        holder = self.holder.open_tree(folder)
        return ArchiveTree(replace(holder.location, url=url), holder, name)

    def _made(self) -> bytes:
        made = io.BytesIO()
        if self.kind == ".zip":
            with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
                for path, content in self.files.items():
                    archive.writestr(path, content)
        else:
            with tarfile.open(fileobj=made, mode="w:gz" if self.kind == ".tar.gz" else "w") as archive:
                for path, content in self.files.items():
                    info = tarfile.TarInfo(path)
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
        return made.getvalue()


def _archive(
    request: pytest.FixtureRequest, kind: str, holder: Callable[[pytest.FixtureRequest], Place]
) -> Place:
    return ArchivePlace(holder(request), kind)


@dataclass(frozen=True)
class BucketPlace(Place):
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


@dataclass(frozen=True)
class WebPlace(Place):
    server: WebServer
    tree: Tree

    @property
    def top(self) -> str:
        return f"{self.server.url}/data"

    def put(self, path: str, content: bytes) -> None:
        self.server.put(f"/data/{path}", content)

    def remove(self, path: str) -> None:
        self.server.remove(f"/data/{path}")

    def open_tree(self, url: str) -> Tree:
        assert url == self.top
        return self.tree


def _web(request: pytest.FixtureRequest, **manners: Any) -> Place:
    server = request.getfixturevalue("web_server")
    server.manners = Manners(**manners)
    tree = HttpTree(SourceLocation(f"{server.url}/data", private_addresses=True), lambda _: None)
    request.addfinalizer(tree.close)
    return WebPlace(server, tree)


@dataclass
class InboxPlace(Place):
    """An entry of an inbox, where it is read from as it is handed over when somebody says that it is ripe. `inner`
    lies in the inbox, or is the inbox itself, whose entry is a manifest then."""

    inbox: Path
    inner: Place
    handed: dict[str, str] = field(default_factory=dict)

    @property
    def top(self) -> str:
        return self._ripened(self.inner.top)

    def locator(self, name: str = "") -> str:
        return self._ripened(self.inner.locator(name))

    def put(self, path: str, content: bytes) -> None:
        self.inner.put(path, content)

    def remove(self, path: str) -> None:
        self.inner.remove(path)

    def open_tree(self, url: str) -> Tree:
        return self.inner.open_tree(url)

    def _ripened(self, locator: str) -> str:
        """What `headrace watch` would ingest now, or has ingested."""
        name = str(Path(locator).relative_to(self.inbox))
        if name == ".":
            return locator
        if name not in self.handed:
            (self.inbox / f"{name}.done").touch()
            memory = self.inbox.parent / "inbox.json"
            # Without the marker nothing would be ripe in years.
            looked = Inbox(self.inbox, ".done", float("inf"), memory, time.time).round(self._take)
            assert [taken for taken, _ in looked] == [name]
        return self.handed[name]

    def _take(self, entry: Path) -> Outcome:
        self.handed[entry.name] = str(entry)
        return Outcome(is_final=True, document={})


def _inbox(request: pytest.FixtureRequest, inner: Callable[[Path], Place]) -> Place:
    inbox = request.getfixturevalue("tmp_path") / "inbox"
    (inbox / "collection").mkdir(parents=True)
    return InboxPlace(inbox, inner(inbox))


_WHOLE = frozenset({FOLDERS})
TREES: dict[str, Kind] = {
    "local": Kind(_local),
    "inbox": Kind(
        partial(_inbox, inner=lambda inbox: LocalPlace(inbox / "collection")), frozenset({FOLDERS, CHANGES})
    ),
    "inbox, tar.gz": Kind(
        partial(_inbox, inner=lambda inbox: ArchivePlace(LocalPlace(inbox), ".tar.gz")), _WHOLE
    ),
    "inbox, zip": Kind(partial(_inbox, inner=lambda inbox: ArchivePlace(LocalPlace(inbox), ".zip")), _WHOLE),
    "inbox, manifest": Kind(partial(_inbox, inner=LocalPlace), frozenset({CHANGES, MANIFESTS})),
    "tar": Kind(partial(_archive, kind=".tar", holder=_local), _WHOLE),
    "tar.gz": Kind(partial(_archive, kind=".tar.gz", holder=_local), _WHOLE),
    "zip": Kind(partial(_archive, kind=".zip", holder=_local), _WHOLE),
    "tar.gz on seaweedfs": Kind(
        partial(_archive, kind=".tar.gz", holder=partial(_bucket, server="seaweedfs")), _WHOLE
    ),
    "zip on seaweedfs": Kind(
        partial(_archive, kind=".zip", holder=partial(_bucket, server="seaweedfs")), _WHOLE
    ),
    "seaweedfs": Kind(partial(_bucket, server="seaweedfs")),
    "versitygw": Kind(partial(_bucket, server="versitygw")),
    "http": Kind(_web, frozenset({CHANGES})),
    "http, dates for tags": Kind(partial(_web, tags=False), frozenset({CHANGES})),
    "http, breaking off": Kind(partial(_web, breaks_after=1_000_000), frozenset({CHANGES})),
    "http, without ranges": Kind(partial(_web, ranges=False), frozenset({CHANGES})),
    "http, without HEAD": Kind(partial(_web, heads=False), frozenset({CHANGES})),
}
