"""What the world is told of an embargo that ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from pipeline import dispatch
from pipeline.feeds.harvest_source import CatalogueSource
from pipeline.model import Access, FilesAccess, Record
from tests.archive import Archive, open_archive


@pytest.fixture
def archive(tmp_path: Path, database_url: str) -> Iterator[Archive]:
    with open_archive(tmp_path / "home", database=database_url) as opened:
        yield opened


def harvested(archive: Archive, record: Record) -> FilesAccess:
    with archive.services.catalogue.read() as tx:
        item = CatalogueSource(tx, archive.services.repository, now=archive.clock()).get(record.id)
    assert item is not None
    assert item.dissemination is not None
    return item.dissemination.record.description.access.files


def test_an_embargo_that_ends_is_told_once(archive: Archive) -> None:
    """On its day the record is announced anew as open and registered again; before it and afterwards nothing is
    due, nor ever for a record that is restricted for good or whose embargo goes on."""
    record = archive.publish(access=Access(FilesAccess.RESTRICTED, date(2026, 3, 10)))
    for access in (
        Access(FilesAccess.RESTRICTED),
        Access(FilesAccess.RESTRICTED, date(2026, 4, 1)),
        Access(),
    ):
        archive.publish(access=access)
    assert dispatch.lift_embargoes(archive.services) == 0
    assert harvested(archive, record) is FilesAccess.RESTRICTED
    announced = archive.record(record.id).datestamp
    archive.clock.move(days=1)
    assert dispatch.lift_embargoes(archive.services) == 1
    drained = dispatch.drain(archive.services)
    assert sorted(drained.done) == ["announce", "index", "register"]
    assert harvested(archive, record) is FilesAccess.PUBLIC
    now = archive.record(record.id).datestamp
    assert announced is not None
    assert now is not None
    assert now > announced
    assert dispatch.lift_embargoes(archive.services) == 0
