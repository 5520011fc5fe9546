"""Which version of a work stands for it after its newest was withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.catalogue import records
from pipeline.model import Record
from pipeline.pid.doi import concept_doi
from pipeline.ports import SearchRequest
from tests.archive import Archive, open_archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "home") as opened:
        yield opened


def stands_for(archive: Archive, work: Record) -> tuple[int, tuple[int, ...], str]:
    """Where the work's DOI leads here, what search finds, and the version that the registry describes it by."""
    name = concept_doi(archive.services.repository, work.concept_id)
    with archive.services.catalogue.read() as tx:
        target = records.resolve_doi(tx, name)
    seen = archive.services.registry.get(name)
    assert seen is not None
    return target, archive.services.index.search(SearchRequest()).ids, seen.metadata["titles"][0]["title"]


def test_the_newest_published_version_stands_for_a_work(archive: Archive) -> None:
    """Withdrawing the newest version hands search, the work's DOI and its registered metadata to the one before;
    withdrawing an older one changes none of it; a further version comes after all."""
    first = archive.publish(title="First")
    second = archive.publish(title="Second", version_of=first)
    third = archive.publish(title="Third", version_of=second)
    archive.withdraw(third)
    assert stands_for(archive, first) == (second.id, (second.id,), "Second")
    archive.withdraw(first)
    assert stands_for(archive, first) == (second.id, (second.id,), "Second")
    fourth = archive.publish(title="Fourth", version_of=third)
    assert stands_for(archive, first) == (fourth.id, (fourth.id,), "Fourth")
    assert fourth.version == 4


def test_a_work_that_is_withdrawn_altogether_keeps_its_address(archive: Archive) -> None:
    """The work's DOI leads to its newest tombstone, and search finds nothing of it."""
    first = archive.publish()
    second = archive.publish(version_of=first)
    archive.withdraw(second)
    archive.withdraw(first)
    assert stands_for(archive, first)[:2] == (second.id, ())
