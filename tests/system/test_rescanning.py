"""Files in custody are scanned again: what turns out infected goes out of service, what is clean at last into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra.local.clamd import clamd
from infra.local.service import running
from pipeline import codec
from pipeline.access import Withheld, withheld
from pipeline.catalogue import (
    events,
    record_files,
    scans,
    tables,
)
from pipeline.cli.console import Exit
from pipeline.errors import Interrupted, Missing, Unavailable
from pipeline.ingest.eicar import EicarScanner
from pipeline.model import (
    Event,
    EventType,
    JsonObject,
    Record,
    RecordState,
    ScanStatus,
    ScanVerdict,
)
from pipeline.ports import Scanner
from pipeline.running.loopback import free_port
from pipeline.stewardship import purging, rescanning, retrieval
from pipeline.stewardship.rescanning import RescanPolicy, rescan
from pipeline.stewardship.stocktaking import compare
from tests.archive import Archive, GivenFile, open_archive
from tests.command import Instance as Command
from tests.contracts.scanners import Named, clamd_at
from tests.eicar import EICAR
from tests.instance import Instance, codes, open_instance, write_record

LATER = b"nobody-knew-of-this-when-it-was-published"
UNSCANNED = ScanVerdict(ScanStatus.UNSCANNED, "headrace-eicar/1")
MONTH = RescanPolicy(older_than=timedelta(days=30))
NOW = RescanPolicy(older_than=timedelta(0))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "home") as opened:
        yield opened


@pytest.fixture(scope="module")
def newer_clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanner]:
    """One that has a second file of signatures."""
    folder = tmp_path_factory.mktemp("newer")
    service = clamd(folder)
    (folder / "database" / "later.ndb").write_text(f"Test.Later:0:*:{LATER.hex()}\n")
    with running(service, folder / "log") as url:
        yield clamd_at(url)


def rescanned(archive: Archive, scanner: Scanner, policy: RescanPolicy = NOW) -> JsonObject:
    """The report of a rescan a minute after whatever came before."""
    archive.clock.move(minutes=1)
    services = replace(archive.services, scanner=scanner)
    return rescanning.report(services, rescan(services, policy), 0)


def verdict(archive: Archive, record: Record, key: str = "a.csv") -> ScanVerdict:
    with archive.services.catalogue.read() as tx:
        return record_files.holding(tx, record.id, key).entry.scan


def checks(archive: Archive, record: Record) -> list[Event]:
    with archive.services.catalogue.read() as tx:
        return [one for one in events.of_records(tx, record.id) if one.type is EventType.VIRUS]


def titled(instance: Instance, document: JsonObject) -> dict[str, int]:
    """Title → id of each record of a report."""
    ids = [one["id"] for one in document["records"]]
    return {instance.record(id_).description.metadata["title"]: id_ for id_ in ids}


def test_what_turns_out_infected_goes_out_of_service(archive: Archive) -> None:
    """With an event and a tombstone; what this scanner finds nothing in stays unscanned, and in service."""
    harmless = GivenFile(b"1,2\n", scan=UNSCANNED)
    good = archive.publish(files={"a.csv": harmless})
    bad = archive.publish(files={"a.csv": harmless, "b.com": GivenFile(EICAR)})
    report = rescanned(archive, EicarScanner())
    assert [(one["record"], one["path"]) for one in report["infected"]] == [(bad.id, "b.com")]
    assert report["withdrawn"] == [bad.id]
    tombstone = archive.record(bad.id).tombstone
    assert tombstone is not None
    assert (tombstone.reason, "EICAR" in tombstone.note) == ("infected", True)
    assert [(one.outcome, one.detail["key"]) for one in checks(archive, bad)] == [("fail", "b.com")]
    assert withheld(verdict(archive, bad, "b.com"), "none") is Withheld.INFECTED
    assert archive.record(good.id).state is RecordState.PUBLISHED
    assert verdict(archive, good).status is ScanStatus.UNSCANNED
    assert (checks(archive, good), rescanned(archive, EicarScanner())["withdrawn"]) == ([], [])


def test_newer_signatures_find_what_older_ones_did_not(
    archive: Archive, older_clamd: Scanner, newer_clamd: Scanner
) -> None:
    """Clean files are looked at again in time; what is found in one is so wherever the same bytes stand."""
    one = archive.publish(files={"a.csv": LATER, "b.csv": b"3,4\n"})
    other = archive.publish(files={"c.csv": LATER})
    assert rescanned(archive, older_clamd)["verdicts"] == {"clean": 3}
    assert verdict(archive, one).status is ScanStatus.CLEAN
    assert rescanned(archive, newer_clamd, MONTH)["files"] == 0
    archive.clock.move(days=31)
    report = rescanned(archive, newer_clamd, MONTH)
    assert {(one["record"], one["path"]) for one in report["infected"]} == {
        (one.id, "a.csv"),
        (other.id, "c.csv"),
    }
    assert {archive.record(id_).state for id_ in (one.id, other.id)} == {RecordState.WITHDRAWN}
    assert verdict(archive, other, "c.csv").signature.startswith("Test.Later")
    assert verdict(archive, one, "b.csv").status is ScanStatus.CLEAN


def test_a_false_alarm_keeps_no_bytes_out_for_ever(
    archive: Archive, older_clamd: Scanner, newer_clamd: Scanner
) -> None:
    """Once the signature is withdrawn and a scanner went through all of them the same bytes are published; one that
    cannot says nothing. The record stays withdrawn, and purged bytes are left alone."""
    bad, purged = (archive.publish(files={"a.csv": LATER}) for _ in range(2))
    assert set(rescanned(archive, newer_clamd)["withdrawn"]) == {bad.id, purged.id}
    purging.purge(archive.services, purged.id, reason="infected", by="ida")
    assert rescanned(archive, older_clamd, MONTH)["lifted"] == []
    archive.clock.move(days=31)
    assert rescanned(archive, EicarScanner(), MONTH)["lifted"] == []
    with pytest.raises(Missing):  # it is held
        archive.publish(files={"b.csv": LATER})
    report = rescanned(archive, older_clamd)
    assert [(one["record"], one["path"]) for one in report["lifted"]] == [(bad.id, "a.csv")]
    assert (report["verdicts"], report["put_off"]) == ({"clean": 1}, [])
    [event] = [one for one in checks(archive, bad) if one.outcome == "pass"]
    assert event.detail["before"] == "infected"
    assert archive.record(bad.id).state is RecordState.WITHDRAWN
    assert archive.publish(files={"c.csv": LATER}).state is RecordState.PUBLISHED


def test_what_waits_for_its_scan_is_served_after_it(archive: Archive, older_clamd: Scanner) -> None:
    """Files that were taken in while no scanner answered, under the gate `serve`."""
    record = archive.publish(files={"a.csv": GivenFile(b"1,2\n", scan=UNSCANNED)})
    assert withheld(verdict(archive, record), "serve") is Withheld.BEING_SCANNED
    assert rescanned(archive, older_clamd, MONTH)["verdicts"] == {"clean": 1}
    assert withheld(verdict(archive, record), "serve") is None
    [event] = checks(archive, record)
    assert (event.outcome, event.detail["before"]) == ("pass", "unscanned")
    assert event.agent.startswith("ClamAV ")


def test_files_that_no_scanner_can_go_through_leave_room_for_others(archive: Archive) -> None:
    """A bounded rescan comes to clean files of older signatures; the others are tried again when they are old."""
    partial = ScanVerdict(ScanStatus.PARTIAL, "named", method="stream", database="7", reason="no")
    clean = ScanVerdict(ScanStatus.CLEAN, "named", method="stream", database="6")
    record = archive.publish(files={"a.csv": b"1,2\n", "b.csv": b"3,4\n"})
    for key, given in (("a.csv", clean), ("b.csv", partial)):
        archive.clock.move(days=40)
        archive.give(record, key, given)
    bounded = replace(MONTH, max_bytes=1)
    report = rescanned(archive, Named("7"), bounded)  # type: ignore[arg-type]
    assert [one["path"] for one in report["put_off"]] == ["a.csv"]
    archive.clock.move(days=31)
    assert rescanned(archive, Named("7"), bounded)["verdicts"] == {"unscanned": 1}  # type: ignore[arg-type]


def test_files_that_cannot_be_read_leave_room_for_others(archive: Archive) -> None:
    """A bounded rescan comes to what is due behind bytes that are not there, in each run, and says what it left."""
    gone = archive.publish(files={"gone.csv": GivenFile(b"1,2\n", scan=UNSCANNED)})
    archive.clock.move(minutes=1)
    archive.publish(files={f"{index}.csv": GivenFile(b"%d" % index, scan=UNSCANNED) for index in range(3)})
    archive.clock.move(minutes=1)
    with archive.services.catalogue.read() as tx:
        place = retrieval.place(archive.services, record_files.holding(tx, gone.id, "gone.csv"))
    archive.services.store.delete(place)
    bounded = replace(MONTH, max_bytes=1)
    reports = [rescanned(archive, Named("7"), bounded) for _ in range(4)]  # type: ignore[arg-type]
    assert [one["path"] for report in reports for one in report["put_off"]] == ["gone.csv"] * 4
    assert [(one["files"], one["used_up"]) for one in reports] == [
        (1, True), (1, True), (1, False), (0, False)
    ]  # fmt: skip


def test_a_scanner_that_gives_up_ends_the_rescan(archive: Archive) -> None:
    """Though it would let every file pass: none is read for nothing, and no verdict changes."""
    record = archive.publish(
        files={f"{index}.csv": GivenFile(b"%d" % index, scan=UNSCANNED) for index in range(40)}
    )
    scanner = Named("7", asked=1)
    with pytest.raises(Unavailable, match="the scanner is away"):
        rescanned(archive, scanner)  # type: ignore[arg-type]
    assert scanner.files < 20
    assert verdict(archive, record, "0.csv") == UNSCANNED


@pytest.mark.parametrize("gate", ["none", "publish"])
def test_what_is_found_while_a_run_has_the_same_bytes_holds_its_record(tmp_path: Path, gate: str) -> None:
    """Be they carried over from the version before or read again under another name. What is cleaned is published."""
    clean = replace(UNSCANNED, status=ScanStatus.CLEAN)
    found = replace(UNSCANNED, status=ScanStatus.INFECTED, signature="Test.Found")
    with open_instance(tmp_path / "home") as instance:
        source = tmp_path / "survey"
        for name in ("carried", "again", "other"):
            write_record(source / name, {"a.csv": name.encode(), "b.csv": name.encode() + b" twice"})
        ids = titled(instance, instance.ingest(source))
        write_record(source / "carried", {"c.csv": b"3"})
        (source / "again" / "a.csv").rename(source / "again" / "renamed.csv")
        write_record(source / "other", {"c.csv": b"4"})
        with instance.services.catalogue.write() as tx:
            tx.execute(sa.update(tables.record_file).values(scan=codec.verdict_to_json(clean)))
        attempt = instance.attempt(source)
        attempt.take_in()
        with instance.services.catalogue.write() as tx:
            tx.execute(sa.update(tables.deposit_file).values(scan=codec.verdict_to_json(clean)))
            digests = [
                record_files.holding(tx, ids[one], "a.csv").entry.digests for one in ("carried", "again")
            ]
            root = instance.services.root_digest
            scans.give(tx, [(one[root], found) for one in digests], now=instance.clock())
        gated = instance.services.settings.model_copy(update={"scan_gate": gate})
        replace(
            attempt, instance=Instance(replace(instance.services, settings=gated), instance.clock)
        ).publish()
        attempt.finish()
        document = attempt.report()
        assert list(titled(instance, document)) == ["other"]
        assert sorted(codes(document)) == [
            ("again", "again/renamed.csv", "infected"),
            ("carried", "carried/a.csv", "infected"),
        ]
        assert list(compare(instance.services)) == []
        for name in ("carried", "again"):
            next((source / name).glob("*[ad].csv")).write_bytes(b"cleaned")
        retried = instance.ingest(source)
        assert sorted(titled(instance, retried)) == ["again", "carried"]


def test_less_never_takes_the_place_of_more(archive: Archive, older_clamd: Scanner) -> None:
    """Where the scanner goes away, files are put off, and their verdicts stay; who is to wait for it stops."""
    record = archive.publish(files={"a.csv": b"1,2\n"})
    rescanned(archive, older_clamd)
    known = verdict(archive, record)
    nowhere = f"clamd://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable):
        rescanned(archive, clamd_at(nowhere))
    with pytest.raises(Unavailable):
        rescanned(archive, clamd_at(nowhere, away="go-on"))
    assert verdict(archive, record) == known
    assert len(checks(archive, record)) == 1


def test_a_withdrawal_that_was_cut_off_is_made_up_for(archive: Archive) -> None:
    """From the moment of the verdict nobody is served the file; the next rescan withdraws the record."""
    record = archive.publish(files={"a.csv": b"1,2\n"})
    found = replace(UNSCANNED, status=ScanStatus.INFECTED, signature="Test.Found")
    archive.give(record, "a.csv", found)
    assert withheld(verdict(archive, record), "none") is Withheld.INFECTED
    assert rescanned(archive, EicarScanner())["withdrawn"] == [record.id]
    assert archive.record(record.id).state is RecordState.WITHDRAWN


def test_a_file_behind_a_corrupt_inventory_does_not_end_the_rescan(archive: Archive) -> None:
    """It is put off with the reason; what comes after it is scanned."""
    record = archive.publish(files={"a.csv": GivenFile(b"1,2\n", scan=UNSCANNED)})
    bad = archive.publish(files={"b.com": GivenFile(EICAR)})
    with archive.services.catalogue.write() as tx:
        moved = sa.update(tables.record).where(tables.record.c.id == record.id)
        tx.execute(moved.values(staged="incoming/moved-on"))
    [path] = archive.services.settings.home.rglob("content/**/a.csv")
    (path.parents[3] / "inventory.json").write_bytes(b"{")
    report = rescanned(archive, EicarScanner())
    [put_off] = report["put_off"]
    assert (put_off["record"], "inventory" in put_off["reason"]) == (record.id, True)
    assert [one["record"] for one in report["infected"]] == [bad.id]


def test_a_rescan_that_was_stopped_or_bounded_goes_on(
    archive: Archive, older_clamd: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what no scanner went through yet."""
    monkeypatch.setattr(rescanning, "_BATCH", 1)
    number = 9
    archive.publish(files={f"{index}.csv": f"{index}\n".encode() for index in range(number)})
    archive.clock.move(minutes=1)

    def stop(so_far: rescanning.Rescanned) -> None:
        if so_far.files >= 2:
            raise Interrupted("enough")

    services = replace(archive.services, scanner=older_clamd)
    with pytest.raises(Interrupted):
        rescan(services, MONTH, checkpoint=stop)
    bounded = rescanned(archive, older_clamd, replace(MONTH, max_bytes=1))
    assert (bounded["files"], bounded["used_up"]) == (1, True)
    rest = rescanned(archive, older_clamd, MONTH)["files"]
    assert 0 < rest <= number - 3
    assert rescanned(archive, older_clamd, MONTH)["files"] == 0


def test_the_command_and_its_run_in_prefect(tmp_path: Path, prefect: dict[str, str]) -> None:
    """What is infected is printed, exit code 3, and the flow run ends in order; the next has nothing to tell."""
    with open_archive(tmp_path / "home") as archive:
        bad = archive.publish(files={"b.com": GivenFile(EICAR)})
    command = Command(tmp_path / "home", prefect)
    ended = command.run("rescan", "--json")
    assert ended.code == Exit.PROBLEMS, ended.err
    assert [(one["record"], one["path"]) for one in ended.report["infected"]] == [(bad.id, "b.com")]
    assert ended.report["withdrawn"] == [bad.id]
    ended = command.run("rescan")
    assert ended.code == Exit.DONE, ended.err
