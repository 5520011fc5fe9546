"""The search index is made anew from the catalogue, and what is parked is freed, by the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import dispatch
from pipeline.catalogue import outbox, records
from pipeline.cli.main import headrace
from pipeline.index.document import document
from pipeline.index.indexer import index, rebuild
from pipeline.lifecycle import RecordEvent
from pipeline.model import EffectKind
from pipeline.ports import IndexDocument, SearchRequest
from tests.archive import Archive, open_archive


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the instance that commands are run on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def archive(home: Path) -> Iterator[Archive]:
    with open_archive(home) as opened:
        yield opened


def found(archive: Archive) -> set[int]:
    return set(archive.services.index.search(SearchRequest(all_versions=True)).ids)


def test_a_rebuild_brings_back_every_published_record(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new index has the published records of all batches, none that was withdrawn, and nothing else."""
    monkeypatch.setattr("pipeline.index.indexer._BATCH", 2)
    published = [archive.publish(title=f"Tides {number}") for number in range(5)]
    archive.withdraw(published[1])
    batches: list[int] = []
    assert rebuild(archive.services, on_batch=batches.append) == {}
    assert batches == [2, 2, 1]
    assert found(archive) == {one.id for one in published} - {published[1].id}


@pytest.mark.parametrize("damage", ["00000000-of-another-version", ""])
def test_an_index_that_cannot_be_read_is_rebuilt_by_the_command(
    archive: Archive, home: Path, damage: str
) -> None:
    """Of another version, or with its files gone: the command opens the instance and makes the index anew."""
    record = archive.publish()
    folder = home / "index"
    if damage:
        (folder / "current").write_text(damage)
    else:
        for file in (folder / "generations").glob("*/meta.json"):
            file.unlink()
    result = CliRunner().invoke(headrace, ["index", "rebuild", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"records": 1, "refused": {}}
    assert found(archive) == {record.id}


def test_an_index_is_verified_against_the_catalogue(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of difference is told with its records; a rebuild mends them all. Withdrawn records are no difference,
    and none what still waits to be written."""
    monkeypatch.setattr("pipeline.index.indexer._BATCH", 2)
    right, altered, missing, outdated, withdrawn, awaited = (
        archive.publish(title=f"Tides {number}") for number in range(6)
    )
    archive.withdraw(withdrawn)
    assert verified() == told(records=5, documents=5)
    with archive.services.catalogue.read() as tx:
        shown = records.disseminate(tx, archive.services.repository, records.ids(tx, limit=10))
    is_right = {id_: document(one, version=one.record.change) for id_, one in shown.items()}
    with closing(archive.services.index.begin_rebuild()) as damaged:
        damaged.write(
            [
                is_right[right.id],
                replace(is_right[altered.id], body={**is_right[right.id].body, "id": altered.id}),
                older(is_right[outdated.id]),
                older(is_right[awaited.id]),
                replace(is_right[right.id], id=10**9),
            ]
        )
        damaged.finish_rebuild()
    with archive.services.catalogue.write() as tx:
        outbox.want(tx, [(EffectKind.INDEX, awaited.id)], now=archive.clock())
    assert verified() == told(
        records=5,
        documents=5,
        awaited=1,
        missing=missing.id,
        surplus=10**9,
        outdated=outdated.id,
        altered=altered.id,
    )
    rebuild(archive.services)
    assert verified() == told(records=5, documents=5)


def test_a_change_that_search_does_not_show_is_no_difference(archive: Archive) -> None:
    """Nobody had it written, nor is there anything to write."""
    record = archive.publish()
    dispatch.drain(archive.services)
    with archive.services.catalogue.write() as tx:
        records.tell(tx, RecordEvent.REWORD, [record.id], now=archive.clock())
        assert records.changes(tx, [record.id])[record.id] > record.change
    assert verified() == told(records=1, documents=1)


def test_batches_are_bounded_by_the_files_of_their_records(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of records with many files there are few in memory at once, and one at least; all of them are written."""
    monkeypatch.setattr("pipeline.index.indexer._FILES", 4)
    published = [
        archive.publish(files={f"{nth}.csv": b"1" for nth in range(number)}).id
        for number in (1, 3, 5, 1, 2, 2)
    ]
    batches: list[int] = []
    rebuild(archive.services, on_batch=batches.append)
    assert batches == [2, 1, 2, 1]
    assert verified() == told(records=6, documents=6)
    with closing(archive.services.index.begin_rebuild()) as empty:
        empty.finish_rebuild()
    index(archive.services, published)
    assert found(archive) == set(published)


def verified() -> tuple[int, dict[str, object]]:
    """The exit code of `headrace index verify`, and what it tells."""
    result = CliRunner().invoke(headrace, ["index", "verify", "--json"])
    return result.exit_code, json.loads(result.stdout)


def told(
    *, records: int, documents: int, awaited: int = 0, **differing: int
) -> tuple[int, dict[str, object]]:
    """What is told where each kind that is given has one record."""
    kinds = ("missing", "surplus", "outdated", "altered")
    listed = {kind: [differing[kind]] if kind in differing else [] for kind in kinds}
    totals = {f"{kind}_total": len(ids) for kind, ids in listed.items()}
    return 3 if differing else 0, {
        "records": records, "documents": documents, "awaited": awaited, **listed, **totals
    }  # fmt: skip


def older(one: IndexDocument) -> IndexDocument:
    """As it may have been a change ago."""
    assert one.body is not None
    return replace(one, version=one.version - 1, body={**one.body, "metadata.title": ["Tide"]})


def park(archive: Archive, record_id: int) -> None:
    """An effect on the record, of no accession, was refused for good."""
    with archive.services.catalogue.write() as tx:
        outbox.want(tx, [(EffectKind.INDEX, record_id)], now=archive.clock())
        [claim] = outbox.claim(
            tx,
            EffectKind.INDEX,
            now=archive.clock(),
            owner="x",
            lease=archive.clock() - archive.clock(),
            limit=1,
        )
        outbox.put_off(tx, claim, owner="x", due=archive.clock(), error="the field is broken", parked=True)


def test_what_is_parked_is_freed_whatever_it_belongs_to(archive: Archive) -> None:
    """An operator is told how many effects of each kind were freed; they are brought about, and nothing is left."""
    park(archive, archive.publish().id)
    assert dispatch.drain(archive.services).done == {}
    result = CliRunner().invoke(headrace, ["retry", "--effects", "--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"released": {"index": 1}})
    archive.clock.now = datetime.now(UTC) + timedelta(seconds=1)  # the command has the machine's clock
    assert dispatch.drain(archive.services).done == {EffectKind.INDEX: 1}
    result = CliRunner().invoke(headrace, ["retry", "--effects", "--json"])
    assert json.loads(result.stdout) == {"released": {}}


@pytest.mark.parametrize(
    "arguments", [[], ["20261121-3f2a9c1d", "--effects"], ["--effects", "--report", "problems.jsonl"]]
)
def test_a_retry_is_of_an_accession_or_of_effects(archive: Archive, arguments: list[str]) -> None:
    """One of the two is named; a report is an accession's."""
    result = CliRunner().invoke(headrace, ["retry", *arguments])
    assert (result.exit_code, "ACCESSION" in result.stderr) == (2, True)
