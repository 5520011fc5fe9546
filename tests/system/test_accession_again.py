"""What a later run makes of a source that stayed, changed or went, through the use cases, on both databases."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline import publication
from pipeline.catalogue import communities, deposits, record_files, tables
from pipeline.errors import Interrupted, Misconfigured
from pipeline.ingest import accession, report
from tests.eicar import EICAR
from tests.instance import Instance, codes, open_instance, write_record


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder tree with one sound record."""
    top = tmp_path / "tides"
    write_record(top / "harbour", {"readings.csv": b"1,2\n", "notes.txt": b"calm\n"})
    return top


# ---------------------------------------------------------------- the same source on another day


def test_a_record_without_a_date_keeps_the_one_it_was_given(instance: Instance, source: Path) -> None:
    """The day of its first publication: unchanged on the next day, and the same after a revision."""
    write_record(source / "harbour", {}, publication_date="")
    instance.ingest(source)
    instance.clock.move(days=1)
    assert instance.ingest(source)["unchanged"] == 1
    write_record(source / "harbour", {}, publication_date="", title="Harbour gauge")
    instance.ingest(source)
    described = instance.record(2).description.metadata
    assert (described["publication_date"], described["title"]) == ("2026-03-09", "Harbour gauge")


def test_a_held_record_without_a_date_is_still_held_on_the_next_day(instance: Instance, source: Path) -> None:
    """Nothing of it changed, so nothing is read or written."""
    (source / "harbour" / "SHA256SUMS").write_text(f"{'0' * 64}  notes.txt\n", encoding="utf-8")
    write_record(source / "harbour", {}, publication_date="")
    instance.ingest(source)
    before = instance.row_counts()
    instance.clock.move(days=1)
    again = instance.ingest(source)
    assert (again["held"], instance.row_counts()) == (1, before)


def test_an_embargo_that_ended_after_publication_changes_nothing(instance: Instance, source: Path) -> None:
    """The same description is good on the day after, and a correction of the title is published."""
    embargo = {"access_right": "embargoed", "embargo_date": "2026-03-20"}
    write_record(source / "harbour", {}, **embargo)
    instance.ingest(source)
    instance.clock.move(days=30)
    assert instance.ingest(source)["unchanged"] == 1
    write_record(source / "harbour", {}, **embargo, title="Harbour gauge")
    assert instance.ingest(source)["held"] == 0
    assert instance.record(2).revision == 2


@pytest.mark.parametrize("published", [False, True])
def test_an_embargo_that_is_over_is_refused_where_it_is_new(
    instance: Instance, source: Path, *, published: bool
) -> None:
    """Of a new record, and where the day was changed to a past one; told in every run until it is mended."""
    if published:
        write_record(source / "harbour", {}, access_right="embargoed", embargo_date="2026-03-20")
        instance.ingest(source)
    write_record(source / "harbour", {}, access_right="embargoed", embargo_date="2026-03-01")
    for _ in range(2):
        document = instance.ingest(source)
        assert (document["held"], codes(document)) == (1, [("harbour", "", "embargo-over")])
    write_record(source / "harbour", {}, access_right="embargoed", embargo_date="2026-04-01")
    assert instance.ingest(source)["held"] == 0


# ---------------------------------------------------------------- what was planned, and is not any more


def change_back(source: Path, name: str, content: bytes, mtime_ns: int) -> None:
    path = source / "harbour" / name
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))


@pytest.mark.parametrize("read", [False, True])
def test_a_version_whose_source_was_changed_back_is_given_up(
    instance: Instance, source: Path, *, read: bool
) -> None:
    """Whether its files were read already or not: unchanged, and nothing stays in staging."""
    instance.ingest(source)
    before = (source / "harbour" / "readings.csv").stat().st_mtime_ns
    write_record(source / "harbour", {"readings.csv": b"other\n"})
    stopped = instance.attempt(source)
    if read:
        stopped.take_in()
    instance.clock.move(minutes=1)
    change_back(source, "readings.csv", b"1,2\n", before)
    document = instance.ingest(source)
    assert (document["accession"], document["unchanged"]) == (stopped.accession_id, 1)
    assert (document["records"], document["held"], document["planned"]) == ([], 0, 0)
    assert list((instance.store / "staging").rglob("*")) == []
    assert instance.row_counts()["deposit_file"] == 0
    assert instance.ingest(source)["accession"] is None


def test_a_held_version_whose_source_was_changed_back_is_held_no_more(
    instance: Instance, source: Path
) -> None:
    """Nor told of as a problem."""
    instance.ingest(source)
    before = (source / "harbour" / "readings.csv").stat().st_mtime_ns
    write_record(source / "harbour", {"readings.csv": b"other\n"})
    (source / "harbour" / "SHA256SUMS").write_text(f"{'0' * 64}  readings.csv\n", encoding="utf-8")
    assert instance.ingest(source)["held"] == 1
    change_back(source, "readings.csv", b"1,2\n", before)
    (source / "harbour" / "SHA256SUMS").unlink()
    document = instance.ingest(source)
    assert (document["held"], document["unchanged"], document["problems"]) == (0, 1, [])
    assert instance.row_counts()["deposit_file"] == 0


def test_a_version_that_was_planned_and_became_a_revision_reads_no_file(
    instance: Instance, source: Path
) -> None:
    """Its planned files are forgotten with it, so that the run comes to its end."""
    instance.ingest(source)
    before = (source / "harbour" / "readings.csv").stat().st_mtime_ns
    write_record(source / "harbour", {"readings.csv": b"other\n"})
    instance.attempt(source)
    instance.clock.move(minutes=1)
    change_back(source, "readings.csv", b"1,2\n", before)
    write_record(source / "harbour", {}, title="Harbour gauge")
    document = instance.ingest(source)
    assert (document["state"], document["bytes_read"], document["held"]) == ("completed", 0, 0)
    assert instance.record(2).revision == 2
    assert instance.row_counts()["deposit_file"] == 0


def test_a_planned_record_that_is_gone_from_the_source_is_given_up(instance: Instance, source: Path) -> None:
    """It is not read, and holds nobody up."""
    write_record(source / "lighthouse", {"notes.txt": b"calm\n"})
    instance.attempt(source)
    instance.clock.move(minutes=1)
    shutil.rmtree(source / "lighthouse")
    document = instance.ingest(source)
    assert (document["state"], document["held"], document["problems"]) == ("completed", 0, [])
    assert document["records_total"] == 1


def test_a_published_record_that_is_gone_from_the_source_is_reported(
    instance: Instance, source: Path
) -> None:
    """In every run, whether it has anything else to do or not; the record stays."""
    write_record(source / "lighthouse", {"notes.txt": b"calm\n"})
    instance.ingest(source)
    shutil.rmtree(source / "lighthouse")
    document = instance.ingest(source)
    assert (document["accession"], document["unchanged"]) == (None, 1)
    assert (codes(document), document["problems_total"]) == ([("lighthouse", "", "gone")], 1)
    write_record(source / "pier", {"notes.txt": b"rain\n"})
    document = instance.ingest(source)
    assert (document["records_total"], codes(document)) == (1, [("lighthouse", "", "gone")])
    assert report.is_clean(document)
    assert instance.files(4) == {"notes.txt": b"calm\n"}


# ---------------------------------------------------------------- DOIs, verdicts, cancellation


def test_a_published_record_keeps_its_doi(instance: Instance, source: Path) -> None:
    """A description with another one is held, and told so; put back, nothing is left of it."""
    [record] = instance.ingest(source)["records"]
    write_record(source / "harbour", {}, doi="10.1234/elsewhere.1")
    document = instance.ingest(source)
    assert (document["held"], codes(document)) == (1, [("harbour", "", "doi-changed")])
    assert document["problems"][0]["field"] == "metadata.doi"
    write_record(source / "harbour", {})
    assert instance.ingest(source)["held"] == 0
    assert (instance.record(record["id"]).revision, instance.record(record["id"]).description.doi) == (
        1,
        None,
    )


def test_a_new_version_cannot_have_the_external_doi_of_the_one_before(
    instance: Instance, source: Path
) -> None:
    """A DOI names one version; with another of its own the new version is published."""
    write_record(source / "harbour", {}, doi="10.1234/elsewhere.1")
    instance.ingest(source)
    write_record(source / "harbour", {"readings.csv": b"other\n"}, doi="10.1234/Elsewhere.1")
    document = instance.ingest(source)
    assert (document["held"], codes(document)) == (1, [("harbour", "", "doi-taken")])
    write_record(source / "harbour", {}, doi="10.1234/elsewhere.2")
    assert instance.ingest(source)["records"][0]["version"] == 2


def with_gate(instance: Instance) -> Instance:
    """The instance, where nothing is published without a clean verdict."""
    settings = instance.services.settings.model_copy(update={"scan_gate": "publish"})
    return Instance(replace(instance.services, settings=settings), instance.clock)


def test_records_without_a_verdict_wait_and_keep_the_accession_open(instance: Instance, source: Path) -> None:
    """It is stopped, and says for what; a changed source takes the waiting record's place."""
    gated = with_gate(instance)
    document = gated.ingest(source)
    assert (document["state"], document["records"], document["planned"]) == ("stopped", [], 1)
    assert document["reason"] == "1 records wait for a virus verdict"
    write_record(source / "harbour", {"readings.csv": b"other\n"})
    again = gated.ingest(source)
    assert (again["accession"], again["state"], again["planned"]) == (document["accession"], "stopped", 1)
    assert instance.ingest(source)["records_total"] == 1
    assert instance.files(2)["readings.csv"] == b"other\n"


def test_records_with_a_verdict_do_not_wait_for_those_without(instance: Instance, source: Path) -> None:
    """However many of the others come before them."""
    write_record(source / "lighthouse", {"notes.txt": b"calm\n"})
    attempt = with_gate(instance).attempt(source)
    attempt.take_in()
    attempt.publish()
    with instance.services.catalogue.write() as tx:
        waiting = deposits.sealed(tx, attempt.accession_id, 10, must_be_clean=False)
        assert deposits.sealed(tx, attempt.accession_id, 1, must_be_clean=True) == []
        tx.execute(
            sa.update(tables.deposit_file)
            .where(tables.deposit_file.c.deposit_id == waiting[-1].id)
            .values(scan={"status": "clean", "engine": "test", "method": "stream", "signature": ""})
        )
        clean = deposits.sealed(tx, attempt.accession_id, 1, must_be_clean=True)
    assert [one.key for one in clean] == ["lighthouse"]


@pytest.mark.parametrize("gate", ["publish", "serve"])
def test_nothing_can_wait_for_a_scanner_that_gives_no_verdict(tmp_path: Path, gate: str) -> None:
    """The embedded scanner never says clean: records, or their files, would wait for ever."""
    with pytest.raises(Misconfigured, match="SCAN_GATE"), open_instance(tmp_path / "home", scan_gate=gate):
        pass


def test_a_cancelled_run_publishes_nothing_that_was_sealed(instance: Instance, source: Path) -> None:
    """Nor does one whose lease another run took."""
    attempt = instance.attempt(source)
    attempt.take_in()
    accession.seal(instance.services, attempt.run, attempt.accession_id)
    with pytest.raises(Interrupted, match="another run"):
        publication.publish_sealed(instance.services, attempt.accession_id, run_id="another")
    accession.cancel(instance.services, attempt.accession_id)
    with pytest.raises(Interrupted, match="cancelled"):
        publication.publish_sealed(instance.services, attempt.accession_id, run_id=attempt.run.id)
    assert instance.row_counts()["record"] == 0


def test_few_are_published_at_a_time(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few records, and few files, for everybody else waits meanwhile; of a record all of its files, however many."""
    for record, files in {"a": 1, "b": 2, "c": 7, "d": 3, "e": 1, "f": 1, "g": 1}.items():
        write_record(
            tmp_path / "source" / f"site-{record}", {f"{number}.txt": b"x" for number in range(files)}
        )
    attempt = instance.attempt(tmp_path / "source")
    attempt.take_in()
    while accession.seal(instance.services, attempt.run, attempt.accession_id):
        pass
    monkeypatch.setattr(publication, "BATCH", 3)
    monkeypatch.setattr(publication, "FILE_BATCH", 5)
    published = iter(partial(publication.publish_sealed, instance.services, attempt.accession_id), 0)
    assert list(published) == [2, 1, 3, 1]
    assert instance.row_counts()["record_file"] == 16


# ---------------------------------------------------------------- options


def test_a_community_that_a_later_run_names_is_made(instance: Instance, source: Path) -> None:
    """Though that run only goes on with an accession that was begun without it."""
    instance.attempt(source)
    instance.clock.move(minutes=1)
    instance.ingest(source, community="North-Sea")
    with instance.services.catalogue.read() as tx:
        assert [one.slug for one in communities.of_concepts(tx, [1])[1]] == ["north-sea"]


@pytest.mark.parametrize("name", ["Foo Bar/<b>", "-tides", "a" * 101, "tides/"])
def test_a_community_needs_a_name_that_addresses_can_hold(name: str) -> None:
    """Anything else is refused before the ingest begins."""
    with pytest.raises(Misconfigured, match="cannot name a community"):
        accession.IngestOptions(community=name)


def test_an_owner_is_one_person_however_written() -> None:
    """Case and blanks of an address do not make another owner."""
    assert accession.IngestOptions(owner=" Ida@Pier.Example ").owner == "ida@pier.example"


# ---------------------------------------------------------------- what is remembered of files


def taken_at(instance: Instance, record_id: int) -> dict[str, datetime | None]:
    with instance.services.catalogue.read() as tx:
        return {one.key: one.taken_at for one in record_files.files(tx, record_id)}


def test_a_file_remembers_when_it_was_read(instance: Instance, source: Path) -> None:
    """Also in later versions, which do not read it again."""
    instance.ingest(source)
    first = taken_at(instance, 2)
    assert set(first.values()) == {datetime(2026, 3, 9, 14, 10, 1, tzinfo=UTC)}
    instance.clock.move(days=1)
    write_record(source / "harbour", {"readings.csv": b"other\n"})
    [second] = instance.ingest(source)["records"]
    later = taken_at(instance, second["id"])
    assert later["notes.txt"] == first["notes.txt"]
    assert later["readings.csv"] == instance.record(second["id"]).created


def test_a_quarantined_file_is_remembered_when_it_left_the_source(instance: Instance, source: Path) -> None:
    """Where its bytes lie, what was found in them, and which they were."""
    virus = source / "harbour" / "virus.com"
    virus.write_bytes(EICAR)
    document = instance.ingest(source)
    virus.unlink()
    assert instance.ingest(source)["held"] == 0
    with instance.services.catalogue.read() as tx:
        [apart] = tx.execute(sa.select(tables.quarantine))
    assert apart.accession_id == document["accession"]
    assert (apart.record, apart.path, apart.size) == ("harbour", b"harbour/virus.com", len(EICAR))
    assert apart.digests["md5"] == hashlib.md5(EICAR, usedforsecurity=False).hexdigest()
    assert "EICAR" in apart.signature.upper()
    assert (instance.store / apart.key).read_bytes() == EICAR
