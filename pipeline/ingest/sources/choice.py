"""Which kind of source a locator names."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from pipeline.display import shown
from pipeline.errors import Rejected, UnusableSource
from pipeline.ingest.sources.bagit import DECLARATION, open_bag
from pipeline.ingest.sources.directory import DESCRIPTION, DirectorySource
from pipeline.ingest.sources.names import (
    ARCHIVES,
    archive_kind,
    escaped,
    is_url,
    is_web,
    name_in,
    url_fault,
)
from pipeline.ingest.sources.protocol import Tree
from pipeline.ingest.sources.rows import SUFFIXES, manifest_form, require_rows
from pipeline.ingest.sources.tables import TableSource
from pipeline.ingest.sources.tagfiles import PAYLOAD, manifest_algorithm

if TYPE_CHECKING:
    from pipeline.ingest.sources.protocol import Source
    from pipeline.model import JsonObject

OpenTree: TypeAlias = Callable[[str], Tree]
"""Opens the tree at a place, as `SourceLocation.url` has it. Raises `Misconfigured` where there is none."""


def open_source(
    locator: str, open_tree: OpenTree, *, default_metadata: JsonObject | None, collection: str | None
) -> Source:
    """The source at a local path or at `s3://bucket/prefix`: a folder or archive with `bagit.txt` is a bag, any other a
    tree; any other file is a manifest by its suffix, as is what an http(s) URL names. `default_metadata` (a document
    that `describe` understands) is for records that bring none; without `collection` the source's own name is taken.

    Raises `UnusableSource` for what is wholly wrong and could not give one record, and `Unavailable` as trees do.
    """
    if is_web(locator):
        return _of_the_web(locator, open_tree, default_metadata, collection)
    if is_url(locator):
        place, _, name = locator.rpartition("/")
        if not manifest_form(name) or place.endswith("/"):
            return _in_tree(open_tree(locator.rstrip("/")), default_metadata, collection)
        return _listed_by(name, open_tree(place), default_metadata, collection)
    try:
        path = Path(locator).resolve(strict=True)
        is_folder = path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise UnusableSource(f"{shown(locator)} cannot be opened: {error}", remedy=_KINDS) from error
    if is_folder or (path.is_file() and archive_kind(path.name)):
        return _in_tree(open_tree(str(path)), default_metadata, collection)
    if not path.is_file() or not manifest_form(path.name):
        raise UnusableSource(f"{shown(locator)} is no source that can be ingested", remedy=_KINDS)
    return _listed_by(path.name, open_tree(str(path.parent)), default_metadata, collection)


_KINDS = (
    f"A source is a folder, a BagIt bag, an archive of one ({', '.join(ARCHIVES)}),"
    f" or a manifest ({', '.join(sorted(SUFFIXES))})."
)


def _of_the_web(url: str, open_tree: OpenTree, default: JsonObject | None, collection: str | None) -> Source:
    """What the manifest at the URL lists. Its other paths are below the folder that it lies in."""
    fault = url_fault(url) or ("" if manifest_form(url) else "it does not end as a manifest does")
    if fault:
        raise UnusableSource(f"{shown(url)} is no source: {fault}", remedy=_KINDS)
    parts = urlsplit(url)
    tree = open_tree(f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}")
    require_rows(tree, url)
    return TableSource(url, tree, collection or escaped(PurePosixPath(name_in(url)).stem), default)


def _listed_by(name: str, tree: Tree, default: JsonObject | None, collection: str | None) -> Source:
    """What the manifest `name` of the tree lists."""
    require_rows(tree, name)
    return TableSource(name, tree, collection or escaped(PurePosixPath(name).stem), default)


def _in_tree(tree: Tree, default: JsonObject | None, collection: str | None) -> Source:
    """A whole tree is a bag, or a tree of records."""
    try:
        with tree.folder("") as folder:
            is_bag = folder.has_document(DECLARATION) or _meant_as_bag(folder.names)
    except Rejected as error:
        raise UnusableSource(error.message, remedy=error.remedy) from error
    name = collection or tree.name
    if not name:
        raise UnusableSource("The root of the file system has no name", remedy="Name the collection.")
    if is_bag:
        return open_bag(tree, default, collection)
    if default is None and not tree.holds(DESCRIPTION):
        raise UnusableSource(
            f"{shown(tree.location.url)} holds no {DESCRIPTION}, and there is no default metadata",
            remedy=f"Put a {DESCRIPTION} into each record's folder, or give `--metadata` for all records.",
        )
    return DirectorySource(tree, name, default)


def _meant_as_bag(names: Collection[str]) -> bool:
    """Whether a folder has all of a bag but its `bagit.txt`; taking it for a tree would publish its
    manifests as data and check no digest."""
    manifests = (manifest_algorithm(name) for name in names)
    return PAYLOAD in names and DESCRIPTION not in names and any(manifests)
