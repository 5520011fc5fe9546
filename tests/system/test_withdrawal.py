"""External DOIs, and records that are withdrawn, through the use cases, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import publication
from pipeline.catalogue import records
from pipeline.errors import Conflict
from pipeline.model import DoiState, RecordState
from tests.instance import Instance, codes, write_record
from tests.tides import ids, write_tides


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with two sound records."""
    return write_tides(tmp_path / "tides")


def test_an_external_doi_is_kept_and_never_registered(instance: Instance, source: Path) -> None:
    """The record has it, the registry is not told of it; there is no concept DOI."""
    write_record(source / "harbour", {}, doi="10.1234/Elsewhere.1")
    document = instance.ingest(source)
    [harbour] = [one for one in document["records"] if one["id"] == 2]
    assert harbour["doi"].lower() == "10.1234/elsewhere.1"
    assert harbour["concept_doi"] is None
    for doi in ("10.1234/Elsewhere.1", "10.5072/headrace.2", "10.5072/headrace.1"):
        assert instance.services.registry.get(doi) is None
    with instance.services.catalogue.read() as tx:
        assert records.resolve_doi(tx, "10.1234/ELSEWHERE.1") == 2


def test_a_doi_of_our_own_prefix_is_rejected_unless_trusted(instance: Instance, source: Path) -> None:
    """Names under it are ours to give; in a migration records keep those that they had, which are not registered
    again."""
    name = "10.5072/zenodo.99"
    write_record(source / "harbour", {}, doi=name)
    document = instance.ingest(source)
    assert document["held"] == 1
    assert codes(document) == [("harbour", "", "own-prefix")]
    [harbour] = instance.ingest(source, trust_dois=True)["records"]
    assert (harbour["doi"], harbour["concept_doi"]) == (name, None)
    assert instance.services.registry.get(name) is None
    with instance.services.catalogue.read() as tx:
        assert records.resolve_doi(tx, name) == harbour["id"]


@pytest.mark.parametrize("name", ["10.5072/headrace.99", "10.5072/HEADRACE.1"])
def test_a_doi_that_is_given_here_one_day_is_rejected_even_if_trusted(
    instance: Instance, source: Path, name: str
) -> None:
    """No name is given twice."""
    write_record(source / "harbour", {}, doi=name)
    document = instance.ingest(source, trust_dois=True)
    assert codes(document) == [("harbour", "", "own-name")]


def test_two_works_cannot_have_one_external_doi(instance: Instance, source: Path) -> None:
    """The second is held and told so, in one run or in two."""
    for name in ("harbour", "lighthouse"):
        write_record(source / name, {}, doi="10.1234/elsewhere.1")
    document = instance.ingest(source)
    assert (document["records_total"], document["held"]) == (1, 1)
    assert [code for _, _, code in codes(document)] == ["doi-taken"]


def test_metadata_changed_for_a_withdrawn_record_does_not_stop_the_others(
    instance: Instance, source: Path
) -> None:
    """The withdrawn one stays withdrawn and is reported; the rest is published."""
    [harbour, lighthouse] = ids(instance.ingest(source))
    publication.withdraw(instance.services, harbour, reason="retracted", note="", by="admin@x")
    instance.drain()
    for name in ("harbour", "lighthouse"):
        write_record(source / name, {}, title="New title")
    document = instance.ingest(source)
    assert ids(document) == [lighthouse]
    assert (document["held"], [code for _, _, code in codes(document)]) == (1, ["withdrawn"])
    assert instance.record(harbour).state is RecordState.WITHDRAWN


def test_a_withdrawn_record_leaves_a_tombstone(instance: Instance, source: Path) -> None:
    """Its DOI is no longer findable, search forgets it, the feed says deleted; its bytes stay in the root."""
    [harbour, _] = instance.ingest(source)["records"]
    publication.withdraw(
        instance.services, harbour["id"], reason="retracted", note="by its authors", by="admin@x"
    )
    instance.drain()
    record = instance.record(harbour["id"])
    assert record.tombstone is not None
    assert (record.state, record.tombstone.note) == (RecordState.WITHDRAWN, "by its authors")
    seen = instance.services.registry.get(harbour["doi"])
    assert seen is not None
    assert seen.state is DoiState.REGISTERED
    assert harbour["id"] not in instance.found()
    assert instance.harvested()[harbour["id"]].deleted
    assert len(list(instance.root.rglob("gauge.bin"))) == 1
    with pytest.raises(Conflict):
        publication.withdraw(instance.services, harbour["id"], reason="again", note="", by="admin@x")


@pytest.mark.parametrize("is_preserved", [True, False], ids=["preserved as withdrawn", "at once"])
def test_a_restored_record_is_as_it_was(instance: Instance, source: Path, *, is_preserved: bool) -> None:
    """Outputs show it again, its object tells of its return, its bytes are the same; whether the outside had heard of
    its withdrawal or not. It is restored once."""
    [harbour, _] = instance.ingest(source)["records"]
    id_ = harbour["id"]
    before = instance.files(id_)
    publication.withdraw(instance.services, id_, reason="retracted", note="", by="admin@x")
    if is_preserved:
        instance.drain()
    publication.restore(instance.services, id_, by="admin@x")
    with pytest.raises(Conflict):
        publication.restore(instance.services, id_, by="admin@x")
    instance.drain()
    record = instance.record(id_)
    assert (record.state, record.tombstone) == (RecordState.PUBLISHED, None)
    seen = instance.services.registry.get(harbour["doi"])
    assert seen is not None
    assert seen.state is DoiState.FINDABLE
    assert id_ in instance.found()
    assert not instance.harvested()[id_].deleted
    assert instance.files(id_) == before
