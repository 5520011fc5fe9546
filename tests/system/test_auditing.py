"""Files in custody are read again: what is not what it was is told, and nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import events, fixity, records, tables
from pipeline.cli.console import Exit
from pipeline.errors import Interrupted, Misconfigured, Unavailable
from pipeline.ingest.patience import Patience
from pipeline.model import Event, EventType, JsonObject
from pipeline.ports import ObjectStore
from pipeline.stewardship import auditing
from pipeline.stewardship.auditing import Audited, AuditPolicy, audit
from pipeline.stewardship.purging import purge
from tests.command import Instance as Command
from tests.instance import Instance, open_instance, write_record

ALL = AuditPolicy(share=Fraction(1), older_than=timedelta(0))
FILES = {
    "harbour": {"a.csv": b"1,2\n" * 1000, "sub/b.csv": b"3,4\n" * 1000, "same.csv": b"1,2\n" * 1000},
    "pier": {"large.bin": b"\1" * (9 << 20), "empty": b""},
    "wreck": {"log.txt": b"all's well\n"},
}
KEPT = 5
"""Files whose bytes are kept: those of `same.csv` are those of `a.csv`."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an instance with three records. To be copied: making it takes longer."""
    folder = tmp_path_factory.mktemp("prepared")
    for name, files in FILES.items():
        write_record(folder / "source" / name, files)
    with open_instance(folder / "home") as opened:
        opened.ingest(folder / "source")
    return folder / "home"


@pytest.fixture
def instance(tmp_path: Path, prepared: Path) -> Iterator[Instance]:
    """That instance, a copy of the test's own, an hour later."""
    with open_instance(shutil.copytree(prepared, tmp_path / "home")) as opened:
        opened.clock.move(hours=1)
        yield opened


class Stumbling:
    """Another store's objects; some reads of some keys come to something else."""

    def __init__(self, store: ObjectStore, ending: str, answers: list[bytes | Exception]) -> None:
        self._store = store
        self._ending = ending
        self._answers = answers

    def read(
        self, key: str, offset: int = 0, length: int | None = None, *, fresh: bool = False
    ) -> Iterator[bytes]:
        if key.endswith(self._ending) and self._answers:
            answer = self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return iter([answer])
        return self._store.read(key, offset, length, fresh=fresh)


def stumbling(instance: Instance, ending: str, *answers: bytes | Exception) -> Instance:
    store = Stumbling(instance.services.store, ending, list(answers))
    return Instance(replace(instance.services, store=store), instance.clock)  # type: ignore[arg-type]


def audited(instance: Instance, policy: AuditPolicy = ALL) -> JsonObject:
    """The report of an audit by somebody patient, a minute after whatever came before."""
    instance.clock.move(minutes=1)
    done = audit(instance.services, policy, patience=Patience(60, wait=no_time), wait=no_time)
    return auditing.report(instance.services, done, 0)


def no_time(_seconds: float) -> None: ...


def content(instance: Instance, name: str) -> Path:
    """Where the bytes of a file of that name lie."""
    [path] = instance.root.rglob(f"content/**/{name}")
    return path


def differences(report: JsonObject) -> list[tuple[str, str]]:
    return [(one["path"], one["code"]) for one in report["differences"]]


def checks(instance: Instance, outcome: str) -> list[Event]:
    """Fixity checks of all records."""
    with instance.services.catalogue.read() as tx:
        every = [one for id_ in records.ids(tx, limit=100) for one in events.of_records(tx, id_)]
    return [one for one in every if (one.type, one.outcome) == (EventType.FIXITY, outcome)]


def test_an_archive_at_rest_is_sound(instance: Instance) -> None:
    """All bytes are read once, and each record has an event of it; who audits again at once has nothing to do."""
    report = audited(instance)
    assert (report["files"], report["differences"], report["put_off"]) == (KEPT, [], [])
    assert report["bytes"] == report["holdings"]["bytes"]
    assert sorted(len(one.objects) for one in checks(instance, "pass")) == [1, 2, 2]
    assert audited(instance, replace(ALL, older_than=timedelta(hours=1)))["files"] == 0


def test_a_changed_byte_is_told_until_it_is_mended(instance: Instance) -> None:
    """With both digests, the place and an event each time; first of all in the next audit, however small."""
    path = content(instance, "b.csv")
    good = path.read_bytes()
    path.write_bytes(b"4" + good[1:])
    report = audited(instance)
    [one] = report["differences"]
    assert (one["path"], one["code"], report["failing"]) == ("sub/b.csv", "differs", 1)
    assert one["place"] == path.relative_to(instance.store).as_posix()
    assert one["expected"] != one["found"]
    assert differences(audited(instance, replace(ALL, max_bytes=1))) == [("sub/b.csv", "differs")]
    [first, second] = checks(instance, "fail")
    assert first.detail["found"].items() <= second.detail["found"].items()
    path.write_bytes(good)
    report = audited(instance, replace(ALL, max_bytes=1))
    assert (report["mended"], report["failing"], report["differences"]) == (1, 0, [])


@pytest.mark.parametrize(("left", "code"), [(None, "missing"), (b"", "differs"), (b"1,2\n", "differs")])
def test_what_is_gone_or_cut_off_is_told(instance: Instance, left: bytes | None, code: str) -> None:
    """And files of the same record, of which nothing is wrong, are not."""
    path = content(instance, "a.csv")
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    assert differences(audited(instance)) == [("a.csv", code)]


def test_what_is_right_at_the_second_look_is_no_alarm(instance: Instance) -> None:
    """A store, or the network before it, that gave other bytes once, or none."""
    for answer in (b"all's wel", b"ALL'S WELL\n", Unavailable("the connection was lost")):
        report = audited(stumbling(instance, "log.txt", answer))
        assert (report["files"], report["differences"], report["put_off"]) == (KEPT, [], [])
    assert checks(instance, "fail") == []


def test_what_was_purged_is_not_missed(instance: Instance) -> None:
    """Its bytes are gone on purpose."""
    with instance.services.catalogue.read() as tx:
        [gone] = [one for one in fixity.due(tx, before=instance.clock(), limit=9) if one.key == "log.txt"]
    purge(instance.services, gone.record_id, key="log.txt", reason="takedown", by="admin@archive.example")
    report = audited(instance)
    assert (report["files"], report["differences"], report["failing"]) == (KEPT - 1, [], 0)


def test_a_file_that_cannot_be_read_is_put_off(instance: Instance) -> None:
    """The others are checked; it is neither sound nor wrong, and is read by the next audit."""
    away = Unavailable("the disk does not answer")
    report = audited(stumbling(instance, "log.txt", away, away, away))
    assert [(one["path"], one["reason"]) for one in report["put_off"]] == [("log.txt", away.message)]
    assert (report["files"], report["failing"]) == (KEPT - 1, 0)
    assert audited(instance, replace(ALL, older_than=timedelta(minutes=1)))["files"] == 1


def test_what_cannot_be_read_keeps_nothing_else_from_being_read(instance: Instance) -> None:
    """It costs none of what an audit may read, and waits behind what is due."""
    away = Unavailable("the disk answers: Input/output error")
    instance.clock.move(days=1)
    with instance.services.catalogue.read() as tx:
        first = fixity.due(tx, before=instance.clock(), limit=1)[0].key
    for _ in range(2):
        report = audited(stumbling(instance, first, *[away] * 3), replace(ALL, max_bytes=1))
        assert ([one["path"] for one in report["put_off"]], report["failing"]) == ([first], 0)
        assert report["files"] > 0


def test_a_file_that_audits_cannot_read_counts_as_failing(instance: Instance) -> None:
    """When that was so in three of them, and others were read well in each; until it is read."""
    away = Unavailable("the disk answers: Input/output error")
    failing = []
    for _ in range(3):
        report = audited(stumbling(instance, "log.txt", *[away] * 3))
        failing.append(report["failing"])
    assert failing == [0, 0, 1]
    [one] = report["put_off"]
    assert (one["audits"], one["place"] in one["remedy"]) == (3, True)
    with instance.services.catalogue.read() as tx:
        assert fixity.alarm(tx)[0] == 1
    assert (audited(instance)["failing"], checks(instance, "fail")) == (0, [])


def test_an_inventory_that_is_corrupt_is_told(instance: Instance) -> None:
    """Of a record whose preserving the catalogue has not noted yet, so that its inventory says where its files are. The
    others are checked; once it is put back the file is found there, and right."""
    with instance.services.catalogue.write() as tx:
        [one] = [one for one in fixity.due(tx, before=instance.clock(), limit=9) if one.key == "log.txt"]
        moved = sa.update(tables.record).where(tables.record.c.id == one.record_id)
        tx.execute(moved.values(staged="incoming/moved-on"))
    inventory = content(instance, "log.txt").parents[3] / "inventory.json"
    good = inventory.read_bytes()
    inventory.write_bytes(b"{" + good)
    report = audited(instance)
    assert (differences(report), report["files"], report["failing"]) == ([("log.txt", "corrupt")], KEPT, 1)
    assert "inventory" in report["differences"][0]["reason"]
    assert report["differences"][0]["remedy"]
    inventory.write_bytes(good)
    report = audited(instance)
    assert (report["mended"], report["failing"]) == (1, 0)


def test_a_file_that_the_store_refuses_does_not_end_the_audit(instance: Instance) -> None:
    """It is put off; a store that refuses every file ends it."""
    refused = Misconfigured("S3 answers AccessDenied when asked to read it")
    report = audited(stumbling(instance, "log.txt", *[refused] * 3))
    assert [(one["path"], one["reason"]) for one in report["put_off"]] == [("log.txt", refused.message)]
    assert report["files"] == KEPT - 1
    instance.clock.move(minutes=1)
    with pytest.raises(Misconfigured, match="AccessDenied"):
        audit(stumbling(instance, "", *[refused] * 100).services, ALL, wait=no_time)


def test_a_store_that_is_away_ends_the_audit(instance: Instance) -> None:
    """When patience is over; nothing is called wrong."""
    gone = stumbling(instance, "", *[Unavailable("the store is away")] * 100)
    with pytest.raises(Unavailable, match="the store is away"):
        audit(gone.services, ALL, wait=no_time)
    assert checks(instance, "fail") == []


def test_a_days_share_is_read_once_a_day(instance: Instance) -> None:
    """A file is begun while some of the share is left; what is taken in is no part of it."""
    small = replace(ALL, share=Fraction(1, 1000))
    instance.clock.move(days=1)
    report = audited(instance, small)
    assert (report["used_up"], 0 < report["files"] < KEPT) == (True, True)
    assert audited(instance, small)["files"] == 0
    begun = codec.time_to_json(instance.clock() - timedelta(hours=1))
    assert report["holdings"]["oldest_check"] < begun
    instance.clock.move(days=1)
    assert audited(instance, small)["holdings"]["oldest_check"] > begun


def test_an_audit_that_was_stopped_goes_on(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was not read yet."""
    monkeypatch.setattr(auditing, "_BATCH", 1)
    instance.clock.move(minutes=1)
    begun = instance.clock()

    def stop(so_far: Audited) -> None:
        if so_far.files >= 2:
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        audit(instance.services, ALL, checkpoint=stop)
    with instance.services.catalogue.read() as tx:
        left, _ = fixity.extent(tx, before=begun)
    assert 0 < left < KEPT
    instance.clock.move(minutes=1)
    assert audited(instance, replace(ALL, older_than=timedelta(minutes=3)))["files"] == left


def test_digests_that_were_gone_on_with_are_all_confirmed(instance: Instance) -> None:
    """Of a file that no one process read as a whole each recorded digest is compared, of others the root's."""
    with instance.services.catalogue.write() as tx:
        [damaged] = [one for one in fixity.due(tx, before=instance.clock(), limit=9) if one.key == "log.txt"]
        fixity.note_failed(tx, damaged, now=instance.clock())
    audited(instance)
    [event] = [one for one in checks(instance, "pass") if one.record_id == damaged.record_id]
    assert set(damaged.digests) == {name for name, _, _ in (one.partition(":") for one in event.objects)}


def test_the_command_and_its_run_in_prefect(prepared: Path, prefect: dict[str, str], tmp_path: Path) -> None:
    """What is wrong is printed, exit code 3; the flow run shows it in a table. Once it is mended all is well."""
    home = shutil.copytree(prepared, tmp_path / "home")
    [path] = home.rglob("content/**/a.csv")
    good = path.read_bytes()
    path.write_bytes(b"0" + good[1:])
    command = Command(home, prefect)
    ended = command.run("audit", "--json", "--share", "1")
    assert ended.code == Exit.PROBLEMS, ended.err
    assert differences(ended.report) == [("a.csv", "differs")]
    shown = artifacts(prefect, ended.report["ui"].rpartition("/")[2])
    assert "1 files are not what they were" in shown["summary"]
    assert path.relative_to(home / "store").as_posix() in shown["differences"]
    path.write_bytes(good)
    ended = command.run("audit", "--json", "--bytes", "1")
    assert ended.code == Exit.DONE, ended.err
    assert (ended.report["files"], ended.report["mended"], ended.report["failing"]) == (1, 1, 0)


def artifacts(prefect: dict[str, str], flow_run: str) -> dict[str, str]:
    """Key → data of what a run shows."""
    asked = {"artifacts": {"flow_run_id": {"any_": [flow_run]}}}
    url = f"{prefect['PREFECT_API_URL']}/artifacts/filter"
    answer = httpx.post(url, json=asked, timeout=60, trust_env=False)
    return {one["key"]: str(one["data"]) for one in answer.json()}
