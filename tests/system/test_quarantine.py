"""What becomes of files that were put apart: a person releases or destroys them, and whatever is cut off is completed
by the same call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.access import withheld
from pipeline.catalogue import accessions, events, record_files
from pipeline.catalogue import quarantine as catalogue
from pipeline.catalogue.quarantine import QuarantinedFile
from pipeline.errors import Conflict, Corrupt, Missing
from pipeline.ingest import accession, report
from pipeline.model import Event, EventType, JsonObject, QuarantineState, ScanStatus
from pipeline.services import Services
from pipeline.settings import StoreLocation
from pipeline.stewardship import quarantine
from pipeline.stewardship.stocktaking import compare
from tests.command import wait_until
from tests.eicar import EICAR
from tests.instance import Attempt, Instance, codes, open_instance, write_record
from tests.recording_disk import PowerLoss
from tests.stepping_store import with_store

WHY = {"reason": "the scanner's own test file", "by": "ida"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A record with an infected file beside a good one."""
    folder = tmp_path / "source"
    write_record(folder / "wreck", {"good.csv": b"5,6\n", "deep/virus.com": EICAR})
    return folder


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Instance]:
    with open_instance(tmp_path / "home") as opened:
        yield opened


def apart(instance: Instance, *, everything: bool = False) -> list[QuarantinedFile]:
    with instance.services.catalogue.read() as tx:
        return list(catalogue.listed(tx, everything=everything))


def the_one(instance: Instance) -> QuarantinedFile:
    [found] = apart(instance)
    return found


def release(instance: Instance, id_: int) -> QuarantinedFile:
    return quarantine.release(instance.services, id_, **WHY)


def destroy(instance: Instance, id_: int) -> QuarantinedFile:
    return quarantine.destroy(instance.services, id_, **WHY)


def told(instance: Instance, accession_id: str) -> list[Event]:
    with instance.services.catalogue.read() as tx:
        return events.of_accession(tx, accession_id, limit=100)


def is_in_order(instance: Instance) -> bool:
    """Whether store and catalogue agree."""
    return list(compare(instance.services)) == []


# ---------------------------------------------------------------- released


@pytest.mark.parametrize("again", ["retry", "ingest"])
def test_a_released_file_completes_its_record(instance: Instance, source: Path, again: str) -> None:
    """By a retry, or by the next run on a source that has not changed: nothing is read again."""
    before = instance.ingest(source)
    found = the_one(instance)
    assert (found.record, found.path, found.size) == ("wreck", "wreck/deep/virus.com", len(EICAR))
    done = release(instance, found.id)
    assert (done.state, done.decision and done.decision.by) == (QuarantineState.RELEASED, "ida")
    assert is_in_order(instance)
    after = instance.ingest(source, retry=before["accession"] if again == "retry" else "")
    assert (after["held"], codes(after)) == (0, [])
    assert after["bytes_read"] in (0, before["bytes_read"])  # a retry's report is of all runs
    [published] = after["records"]
    assert instance.files(published["id"]) == {"good.csv": b"5,6\n", "deep/virus.com": EICAR}
    assert is_in_order(instance)
    assert apart(instance) == []
    assert not list(instance.services.store.list("quarantine"))


def test_a_release_stands_in_the_record_s_history(embedded: Instance, source: Path) -> None:
    """The verdict says who contradicted the scanner, in the page's terms and in the events kept in the root."""
    embedded.ingest(source)
    release(embedded, the_one(embedded).id)
    [published] = embedded.ingest(source)["records"]
    with embedded.services.catalogue.read() as tx:
        [file] = [one for one in record_files.files(tx, published["id"]) if one.key == "deep/virus.com"]
        happened = {one.type: one for one in events.of_records(tx, published["id"])}
    assert (file.scan.status, file.scan.signature) == (ScanStatus.RELEASED, "EICAR-Test-File")
    assert [withheld(file.scan, gate) for gate in ("none", "serve", "publish")] == [None, None, None]
    event = happened[EventType.UNQUARANTINE]
    assert (event.agent, event.detail["reason"]) == ("ida", WHY["reason"])
    kept = [path for path in embedded.root.rglob("premis.jsonl") if event.id in path.read_text()]
    assert len(kept) == 1


def test_released_bytes_are_not_put_apart_again(embedded: Instance, source: Path) -> None:
    """Though they are read again, in this record and in others; for another file the scanner is believed."""
    embedded.ingest(source)
    release(embedded, the_one(embedded).id)
    embedded.ingest(source)
    os.utime(source / "wreck/deep/virus.com", (0, 0))
    write_record(source / "pier", {"same.com": EICAR})
    write_record(source / "harbour", {"other.com": EICAR + b" "})
    after = embedded.ingest(source, checksum=True)
    assert codes(after) == [("harbour", "harbour/other.com", "infected")]
    assert (after["held"], len(after["records"])) == (1, 1)


def test_a_report_tells_of_a_release(embedded: Instance, source: Path) -> None:
    """What was an infected file is a warning, that says who released it; the record is still held until a run."""
    number = embedded.ingest(source)["accession"]
    release(embedded, the_one(embedded).id)
    document = report.of_accession(embedded.services, number)
    [problem] = document["problems"]
    assert (problem["outcome"], problem["code"], document["held"]) == ("warned", "released", 1)
    assert "ida" in problem["reason"]
    assert [one["type"] for one in document["events"]] == ["quarantine", "unquarantine"]


@pytest.mark.parametrize("goes", ["published without it", "left the source", "cancelled"])
def test_a_file_that_no_record_waits_for_is_not_released(embedded: Instance, source: Path, goes: str) -> None:
    """It stays in quarantine, since its bytes may be the only ones, until it is destroyed."""
    document = embedded.ingest(source, allow_partial=goes == "published without it")
    found = the_one(embedded)
    if goes == "left the source":
        (source / "wreck/deep/virus.com").unlink()
        embedded.ingest(source)
    if goes == "cancelled":
        attempt = embedded.attempt(source, retry=document["accession"])
        accession.cancel(embedded.services, attempt.accession_id)
        embedded.clock.move(minutes=1)
    with pytest.raises(Conflict, match="no record waits"):
        release(embedded, found.id)
    assert the_one(embedded) == found
    assert is_in_order(embedded)
    assert destroy(embedded, found.id).state is QuarantineState.DESTROYED


def test_bytes_that_are_gone_from_quarantine_are_not_given_back(embedded: Instance, source: Path) -> None:
    """Nor those that are others by now; what is left can be destroyed once its record was given up."""
    embedded.ingest(source)
    found = the_one(embedded)
    (embedded.store / found.key).write_bytes(b"x")
    with pytest.raises(Corrupt):
        release(embedded, found.id)
    assert the_one(embedded).state is QuarantineState.RELEASING


# ---------------------------------------------------------------- destroyed


def test_a_destroyed_file_is_remembered(instance: Instance, source: Path) -> None:
    """Its bytes are gone; who, when and why stay, with an event that its accession tells."""
    number = instance.ingest(source)["accession"]
    found = the_one(instance)
    done = destroy(instance, found.id)
    assert apart(instance) == []
    [row] = apart(instance, everything=True)
    assert row == done
    assert row.decision is not None
    assert (row.decision.by, row.decision.reason) == (WHY["by"], WHY["reason"])
    assert list(instance.services.store.list("quarantine")) == []
    assert [one.type for one in told(instance, number)] == [EventType.QUARANTINE, EventType.DELETION]
    assert is_in_order(instance)


def test_what_is_put_apart_again_is_a_new_case(embedded: Instance, source: Path) -> None:
    """The record is still held, and the file is still infected: a retry puts it apart anew, in the same place. While a
    case is open it is the same case."""
    number = embedded.ingest(source)["accession"]
    first = the_one(embedded)
    embedded.ingest(source, retry=number)
    assert the_one(embedded).id == first.id
    destroy(embedded, first.id)
    embedded.ingest(source, retry=number)
    second = the_one(embedded)
    assert (second.key, second.id != first.id) == (first.key, True)
    assert [one.state for one in apart(embedded, everything=True)] == ["destroyed", "quarantined"]
    assert is_in_order(embedded)


# ---------------------------------------------------------------- once more, and against each other


@pytest.mark.parametrize("do", [release, destroy])
def test_a_decision_can_be_repeated(
    embedded: Instance, source: Path, do: Callable[[Instance, int], QuarantinedFile]
) -> None:
    """The first stands, with its reason, and no second event is written."""
    number = embedded.ingest(source)["accession"]
    id_ = the_one(embedded).id
    done = do(embedded, id_)
    embedded.clock.move(minutes=1)
    assert do(embedded, id_) == done
    assert len(told(embedded, number)) == 2


@pytest.mark.parametrize(("first", "then"), [(release, destroy), (destroy, release)])
def test_a_decision_is_final(
    embedded: Instance,
    source: Path,
    first: Callable[[Instance, int], QuarantinedFile],
    then: Callable[[Instance, int], QuarantinedFile],
) -> None:
    """What was released is a record's, what was destroyed is gone."""
    embedded.ingest(source)
    id_ = the_one(embedded).id
    first(embedded, id_)
    with pytest.raises(Conflict):
        then(embedded, id_)


@pytest.mark.parametrize("do", [release, destroy])
def test_nothing_is_decided_while_a_run_is_at_work(
    embedded: Instance, source: Path, do: Callable[[Instance, int], QuarantinedFile]
) -> None:
    """It may be reading the very file; nor may one begin while something is decided."""
    number = embedded.ingest(source)["accession"]
    id_ = the_one(embedded).id
    attempt = embedded.attempt(source, retry=number)
    with pytest.raises(Conflict):
        do(embedded, id_)
    attempt.take_in()
    attempt.publish()
    attempt.finish()
    assert the_one(embedded).id == id_
    do(embedded, id_)

    def ingest(_done: int) -> None:
        with pytest.raises(Conflict):
            embedded.attempt(source, retry=number)

    os.utime(source / "wreck/deep/virus.com", (0, 0))
    write_record(source / "wreck", {"other.com": EICAR + b" "})
    embedded.ingest(source, retry=number)
    for one in apart(embedded):
        quarantine.destroy(with_store(embedded.services, ingest), one.id, **WHY)


@pytest.mark.parametrize("do", [quarantine.release, quarantine.destroy])
def test_nothing_begins_however_long_the_store_takes(
    embedded: Instance, source: Path, monkeypatch: pytest.MonkeyPatch, do: Callable[..., QuarantinedFile]
) -> None:
    """The right to decide alone is prolonged while a large file moves: a run is told to wait, and goes on after it."""
    number = embedded.ingest(source)["accession"]
    monkeypatch.setattr(accessions, "RENEWAL", timedelta(milliseconds=10))

    def ingest(_done: int) -> None:
        embedded.clock.move(seconds=accessions.LEASE.total_seconds() + 1)
        wait_until(lambda: leased_until(embedded, number) > embedded.clock(), "a lease that was prolonged")
        with pytest.raises(Conflict, match="being worked on"):
            embedded.attempt(source, retry=number)

    do(with_store(embedded.services, ingest), the_one(embedded).id, **WHY)
    assert embedded.ingest(source, retry=number)["held"] == (do is quarantine.destroy)
    assert is_in_order(embedded)


def leased_until(instance: Instance, accession_id: str) -> datetime:
    """When the lease that somebody has on the accession ends."""
    with instance.services.catalogue.read() as tx:
        until = accessions.leased_until(tx, accession_id)
    assert until is not None
    return until


@pytest.mark.parametrize("do", [quarantine.release, quarantine.destroy])
def test_a_decision_that_was_overtaken_by_a_run_changes_nothing(
    embedded: Instance, source: Path, do: Callable[..., QuarantinedFile]
) -> None:
    """One that slept for longer than its lease hears that a run is at work. The run puts the file apart anew, where it
    can be decided of again."""
    number = embedded.ingest(source)["accession"]
    attempts: list[Attempt] = []

    def sleep(_done: int) -> None:
        if not attempts:
            embedded.clock.move(seconds=accessions.LEASE.total_seconds() + 1)
            attempts.append(embedded.attempt(source, retry=number))

    with pytest.raises(Conflict, match="being worked on"):
        do(with_store(embedded.services, sleep), the_one(embedded).id, **WHY)
    [attempt] = attempts
    attempt.take_in()
    attempt.publish()
    attempt.finish()
    assert the_one(embedded).state is QuarantineState.QUARANTINED
    assert is_in_order(embedded)
    release(embedded, the_one(embedded).id)
    assert embedded.ingest(source, retry=number)["held"] == 0


def test_a_file_that_never_was_is_missing(embedded: Instance) -> None:
    """By its number."""
    with pytest.raises(Missing):
        release(embedded, 7)


# ---------------------------------------------------------------- cut off


class _Settling(PowerLoss):
    """The power goes once the bytes are where they shall be, before the catalogue hears of it."""


def _cut(services: Services, survives: int) -> Services:
    def before_step(done: int) -> None:
        if done >= survives:
            raise PowerLoss

    def settle(_keys: object) -> None:
        raise _Settling

    cut = with_store(services, before_step)
    cut.store.settle = settle  # type: ignore[method-assign]
    return cut


@pytest.mark.parametrize("do", [quarantine.release, quarantine.destroy])
@pytest.mark.parametrize("place", ["local", "seaweedfs"])
def test_a_decision_that_was_cut_off_is_completed(
    request: pytest.FixtureRequest, tmp_path: Path, place: str, do: Callable[..., QuarantinedFile]
) -> None:
    """Wherever the power goes: store and catalogue agree at that moment, the first decision stands, and the same call
    ends as an undisturbed one does."""
    location: StoreLocation | None = (
        None if place == "local" else request.getfixturevalue(f"{place}_location")
    )
    with open_instance(tmp_path / "home", **_settings(location)) as instance:
        for survives in range(10):
            source = tmp_path / f"source {survives}"
            write_record(source / "wreck", {"good.csv": b"5,6\n", "virus.com": EICAR + b"%d" % survives})
            number = instance.ingest(source)["accession"]
            id_ = the_one(instance).id
            is_cut = True
            with suppress(PowerLoss):
                do(_cut(instance.services, survives), id_, **WHY)
                is_cut = False
            assert is_in_order(instance), survives
            instance.clock.move(minutes=1)
            done = do(instance.services, id_, reason="another", by="somebody else")
            assert done.decision is not None
            assert done.decision.by == "ida"
            assert is_in_order(instance)
            assert not list(instance.services.store.list("quarantine"))
            after = instance.ingest(source, retry=number)
            assert after["held"] == (do is quarantine.destroy)
            for one in apart(instance):
                quarantine.destroy(instance.services, one.id, **WHY)
            if not is_cut:
                break
        assert survives >= 1


def _settings(location: StoreLocation | None) -> dict[str, object]:
    if location is None:
        return {}
    return {
        "store": location.url,
        "s3_endpoint": location.s3_endpoint,
        "s3_path_style": location.s3_path_style,
    }


# ---------------------------------------------------------------- commands


def headrace(instance: Instance, *arguments: str) -> tuple[int, JsonObject]:
    """Run a command with `--json` on the instance's folder: (exit code, what it says)."""
    environment = {**os.environ, "HEADRACE_HOME": str(instance.services.settings.home)}
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments, "--json"],
        env=environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    document: JsonObject = json.loads(ended.stdout) if ended.stdout else {}
    return ended.returncode, document


def test_operators_decide_on_the_command_line(embedded: Instance, source: Path) -> None:
    """Listed, destroyed with a reason, and gone from the list; nothing is asked without a terminal."""
    number = embedded.ingest(source)["accession"]
    code, listed = headrace(embedded, "quarantine", "list")
    [item] = listed["items"]
    assert (code, item["record"], item["path"]) == (0, "wreck", "wreck/deep/virus.com")
    assert (item["accession"], item["state"], item["size"]) == (number, "quarantined", len(EICAR))
    assert {"id", "signature", "digests", "at"} <= item.keys()
    embedded.clock.move(minutes=1)
    id_ = str(item["id"])
    code, done = headrace(embedded, "quarantine", "destroy", id_, "--reason", "a virus indeed")
    assert (code, done["state"], done["decided"]["reason"]) == (0, "destroyed", "a virus indeed")
    assert headrace(embedded, "quarantine", "list", "--all")[1] == {
        "items": [done],
        "items_total": 1,
        "drafts": [],
        "drafts_total": 0,
    }
    assert apart(embedded) == []
