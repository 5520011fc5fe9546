"""All that an instance at rest holds, in a form in which two instances that did the same are equal: without times,
without names given by chance, and in an order of its own."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline import wiring
from pipeline.catalogue import tables
from pipeline.model import JsonObject
from pipeline.ports import SearchRequest
from pipeline.services import Services
from pipeline.settings import load_settings
from pipeline.store import layout
from tests import ocfl_root
from tests.command import BASE_URL

_BY_CHANCE = {
    "lease_owner",
    "flow_run",
    "deposit_file.run",
    "deposit_file.id",
    # What an attempt read that was killed is counted nowhere, and the next one reads what is left only.
    "accession.bytes_read",
    # What a putter that was killed may have sent can arrive for some minutes.
    "doi.late_digest",
    "event.id",
    "problem.id",
    "outbox.id",
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_UUID = re.compile(r"urn:uuid:[0-9a-f-]{36}")
_SEARCHES = ("", "tide", "pier", "creators.name:Marlow", "keywords:harbour")


def final_state(home: Path, **settings: object) -> JsonObject:
    """The state of the instance at `home` with such `settings`; fails where its storage root is not valid."""
    with (
        wiring.open_services(load_settings(home=home, base_url=BASE_URL, **settings)) as services,
        _root_folder(services) as root,
    ):
        catalogue, accession_ids = _catalogue(services)
        state = {
            "catalogue": catalogue,
            "root": _root(root),
            "beside the root": _beside(services),
            "registry": _registry(home / "dois.sqlite"),
            "index": _index(services),
        }
    return _without_chance(state, {**accession_ids, **_communities(catalogue)})


def _catalogue(services: Services) -> tuple[dict[str, list[JsonObject]], dict[str, str]]:
    """The rows of all tables, and what to call accessions, whose ids are given by chance."""
    with services.catalogue.read() as tx:
        content = {
            name: [_row(name, row) for row in tx.execute(sa.select(table)).mappings()]
            for name, table in tables.metadata.tables.items()
        }
        by_age = sa.select(tables.accession.c.id).order_by(tables.accession.c.started)
        by_number = enumerate(tx.execute(by_age).scalars(), 1)
        return content, {accession_id: f"accession {number}" for number, accession_id in by_number}


def _communities(catalogue: dict[str, list[JsonObject]]) -> dict[str, str]:
    """What to call communities, whose ids are given by chance."""
    return {one["id"]: f"community {one['slug']}" for one in catalogue["community"]}


def _row(table: str, row: Mapping[Any, Any]) -> JsonObject:
    columns = tables.metadata.tables[table].columns
    return {
        name: value
        for name, value in row.items()
        if not isinstance(columns[name].type, tables.Utc) and not {name, f"{table}.{name}"} & _BY_CHANCE
    }


def _root(root: Path) -> JsonObject:
    wrong = ocfl_root.problems(root)
    assert not wrong, wrong
    return {inventory["id"]: shown for inventory, shown in map(_object, ocfl_root.objects(root))}


def _object(place: Path) -> tuple[JsonObject, JsonObject]:
    """An object's inventory as it is, and with its metadata files in place of their digests, which hold times."""
    inventory = json.loads((place / "inventory.json").read_bytes())
    metadata = {
        digest: (place / paths[0]).read_text()
        for digest, paths in inventory["manifest"].items()
        if "/content/metadata/" in paths[0]
    }

    def by_path(block: Mapping[str, list[str]]) -> JsonObject:
        return {path: metadata.get(digest, digest) for digest, paths in block.items() for path in paths}

    shown = {
        **inventory,
        "manifest": by_path(inventory["manifest"]),
        "versions": {
            name: {**version, "state": by_path(version["state"])}
            for name, version in inventory["versions"].items()
        },
    }
    return inventory, shown


@contextmanager
def _root_folder(services: Services) -> Iterator[Path]:
    """The storage root as a folder: itself, or a copy of one that lies elsewhere."""
    if services.settings.store.startswith("file:"):
        yield services.settings.home / "store" / layout.ROOT
        return
    with tempfile.TemporaryDirectory() as folder:
        yield ocfl_root.fetched(services.store, Path(folder))


def _beside(services: Services) -> dict[str, int]:
    """What held records keep, and what lies in quarantine."""
    return {one.key: one.size for prefix in ("staging", "quarantine") for one in services.store.list(prefix)}


def _registry(path: Path) -> JsonObject:
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT name, state, url, metadata FROM doi").fetchall()
    return {name: [state, url, json.loads(metadata)] for name, state, url, metadata in rows}


def _index(services: Services) -> JsonObject:
    def found(query: str, *, all_versions: bool) -> list[int]:
        # All of them: which of equally good hits come first depends on how the index came to be.
        pages = (
            services.index.search(SearchRequest(query, size=100, page=page, all_versions=all_versions)).ids
            for page in itertools.count(1)
        )
        return sorted(itertools.chain.from_iterable(itertools.takewhile(bool, pages)))

    return {
        "documents": services.index.count(),
        "all versions": found("", all_versions=True),
        **{query: found(query, all_versions=False) for query in _SEARCHES},
    }


def _without_chance(state: JsonObject, names: Mapping[str, str]) -> JsonObject:
    """The state with what is given by chance called by `names`."""
    text = json.dumps(state, default=repr, sort_keys=True)
    text = _UUID.sub("urn:uuid", _TIME.sub("time", text))
    for given, name in names.items():
        text = text.replace(given, name)
    document: JsonObject = json.loads(text)
    for rows in document["catalogue"].values():
        rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
    return document
