"""Which kind of source a locator names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.display import shown
from pipeline.errors import Misconfigured, Rejected
from pipeline.ingest.sources.bagit import DECLARATION, open_bag
from pipeline.ingest.sources.directory import DESCRIPTION, DirectorySource, holds_description
from pipeline.ingest.sources.names import escaped
from pipeline.ingest.sources.opening import open_folder
from pipeline.ingest.sources.rows import SUFFIXES, require_rows
from pipeline.ingest.sources.tables import TableSource
from pipeline.ingest.sources.tagfiles import PAYLOAD, manifest_algorithm

if TYPE_CHECKING:
    from pipeline.ingest.sources.protocol import Source
    from pipeline.model import JsonObject


def open_source(locator: str, *, default_metadata: JsonObject | None, collection: str | None) -> Source:
    """The source at a local path: a folder with `bagit.txt` is a bag, any other a tree; a file is a manifest
    by its suffix. `default_metadata` (a document that `describe` understands) is for records that bring
    none; without `collection` the source's own name is taken.

    Raises `Misconfigured` for what is wholly wrong and could not give one record.
    """
    try:
        path = Path(locator).resolve(strict=True)
        is_folder = path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise Misconfigured(f"{shown(locator)} cannot be opened: {error}", remedy=_KINDS) from error
    if is_folder:
        return _folder(path, default_metadata, collection)
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        raise Misconfigured(f"{shown(locator)} is no source that can be ingested", remedy=_KINDS)
    require_rows(path)
    return TableSource(path, collection or escaped(path.stem), default_metadata)


_KINDS = f"A source is a folder, a BagIt bag, or a manifest ({', '.join(sorted(SUFFIXES))})."


def _folder(path: Path, default: JsonObject | None, collection: str | None) -> Source:
    try:
        with open_folder(str(path), "") as folder:
            names = folder.names
    except Rejected as error:
        raise Misconfigured(error.message, remedy=error.remedy) from error
    name = collection or escaped(path.name)
    if not name:
        raise Misconfigured("The root of the file system has no name", remedy="Name the collection.")
    if DECLARATION in names or _meant_as_bag(names):
        return open_bag(path, default, collection)
    if default is None and not holds_description(str(path)):
        raise Misconfigured(
            f"{shown(str(path))} holds no {DESCRIPTION}, and there is no default metadata",
            remedy=f"Put a {DESCRIPTION} into each record's folder, or give `--metadata` for all records.",
        )
    return DirectorySource(path, name, default)


def _meant_as_bag(names: list[str]) -> bool:
    """Whether a folder has all of a bag but its `bagit.txt`; taking it for a tree would publish its
    manifests as data and check no digest."""
    manifests = (manifest_algorithm(name) for name in names)
    return PAYLOAD in names and DESCRIPTION not in names and any(manifests)
