"""Effects are brought about whatever one of them, or the database, does."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import dispatch
from pipeline.catalogue import Catalogue, Transaction, outbox
from pipeline.errors import Unavailable
from pipeline.ingest import report
from pipeline.model import Access, EffectKind, FilesAccess
from pipeline.store import layout
from pipeline.store.local import LocalStore
from pipeline.store.s3.refusals import refusal
from tests.archive import Archive, open_archive, rewrite
from tests.instance import open_instance, write_record


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "home") as opened:
        yield opened


def want(archive: Archive, kind: EffectKind, *record_ids: int) -> None:
    with archive.services.catalogue.write() as tx:
        outbox.want(tx, [(kind, one) for one in record_ids], now=archive.clock())


def due(archive: Archive, kind: EffectKind) -> int:
    with archive.services.catalogue.read() as tx:
        return sum(one.due for one in outbox.waiting(tx) if one.kind is kind)


def parked(archive: Archive) -> list[outbox.Parked]:
    with archive.services.catalogue.read() as tx:
        return outbox.parked(tx)


def misdescribe(archive: Archive, record_id: int) -> None:
    """Leave a record in the catalogue that no crosswalk can read."""
    rewrite(archive, record_id, description={"metadata": {"creators": [{}]}})


def test_one_record_that_breaks_a_batch_is_parked_and_the_others_go_on(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """An effect whose handler has a bug is parked with what happened, its trace is logged, and the effects claimed
    in the same batch are brought about."""
    sound, broken, last = (archive.publish(title=f"Tides {number}").id for number in range(3))
    misdescribe(archive, broken)
    want(archive, EffectKind.REGISTER, sound, broken, last)
    with caplog.at_level(logging.ERROR, logger="pipeline.dispatch"):
        drained = dispatch.drain(archive.services)
    assert drained.done[EffectKind.REGISTER] == 2
    [left] = parked(archive)
    assert (left.kind, left.record_id) == (EffectKind.REGISTER, broken)
    assert "KeyError" in left.error
    assert [str(broken) in one.getMessage() for one in caplog.records if one.exc_info] == [True]


class Unpreserved(Archive):
    """Publishes, and leaves all that follows waiting."""

    def _settle(self) -> None:
        self.clock.move(seconds=1)


class _KeysEnded(LocalStore):
    """Answers as S3 does once a session's keys have ended."""

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        raise refusal("ExpiredToken", "write")


def test_what_the_operator_has_to_mend_parks_nothing(tmp_path: Path) -> None:
    """Keys that ended put every effect off; once they were mended all come about by themselves."""
    for number in range(3):
        write_record(tmp_path / "source" / f"tides {number}", {"a.txt": b"%d" % number})
    with open_instance(tmp_path / "home") as instance:
        attempt = instance.attempt(tmp_path / "source")
        attempt.take_in()
        attempt.publish()
        with closing(_KeysEnded(instance.store)) as store:
            drained = dispatch.drain(
                replace(instance.services, store=store), accession_id=attempt.accession_id
            )
        assert drained.put_off == {EffectKind.PRESERVE: 3}
        assert not drained.parked
        instance.clock.move(hours=1)
        assert instance.drain(attempt.accession_id).done[EffectKind.PRESERVE] == 3


def test_what_becomes_due_between_two_rounds_is_brought_about_together(archive: Archive) -> None:
    """However many effects that are; once nothing is due any more there is no further rest."""
    hasty = Unpreserved(archive.services, archive.clock)
    hasty.publish(files={"a": b"1"})
    batches, coming = list[int](), [3, 0]

    def rest() -> None:
        for _ in range(coming.pop(0)):
            hasty.publish(files={"a": b"1"})

    dispatch.drain(
        archive.services,
        [EffectKind.PRESERVE],
        on_batch=lambda _kind, number: batches.append(number),
        rest=rest,
    )
    assert batches == [1, 3]
    assert not coming


def test_no_kind_waits_until_another_has_no_more_to_do(archive: Archive) -> None:
    """What becomes due is brought about in the next round, in the order of the kinds, though there was nothing of its
    kind before, and something of another kind in every round."""
    hasty = Unpreserved(archive.services, archive.clock)
    published = [hasty.publish(files={"a": b"1"}).id]
    kinds = list[EffectKind]()

    def rest() -> None:
        if len(published) < 4:
            published.append(hasty.publish(files={"a": b"1"}).id)
        if len(published) == 2:
            want(archive, EffectKind.EXAMINE, published[0])

    preserve, examine = EffectKind.PRESERVE, EffectKind.EXAMINE
    dispatch.drain(
        archive.services, [examine, preserve], on_batch=lambda kind, _number: kinds.append(kind), rest=rest
    )
    assert kinds == [preserve, examine, preserve, preserve, preserve]


class _Busy(Catalogue):
    """A database that another writes to."""

    def __init__(self, inner: Catalogue) -> None:
        self._inner = inner

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with self._inner.read() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        raise Unavailable("the database stays locked")
        yield


def test_looking_for_what_is_due_writes_nothing(archive: Archive) -> None:
    """So it neither waits for who writes, nor has them wait: it does where there is something to claim."""
    busy = replace(archive.services, catalogue=_Busy(archive.services.catalogue))
    assert dispatch.drain(busy) == dispatch.Drained()
    want(archive, EffectKind.INDEX, archive.publish().id)
    with pytest.raises(Unavailable):
        dispatch.drain(busy)


def test_an_object_that_cannot_be_written_keeps_no_other_one_waiting(archive: Archive) -> None:
    """Where something else lies in the place of one work's object, its effect alone is put off."""
    hasty = Unpreserved(archive.services, archive.clock)
    first, blocked, last = (hasty.publish(files={"a": b"1"}) for _ in range(3))
    object_id = layout.concept_object(archive.services.repository.id, blocked.concept_id)
    archive.services.store.put_many({f"{layout.object_root(object_id)}/stray": b"another's"})
    drained = dispatch.drain(archive.services, [EffectKind.PRESERVE])
    assert (drained.done, drained.put_off) == ({EffectKind.PRESERVE: 2}, {EffectKind.PRESERVE: 1})
    assert [archive.record(one.id).ocfl_version for one in (first, blocked, last)] == [1, None, 1]


def test_a_parked_effect_is_told_of_by_the_report(tmp_path: Path) -> None:
    """The run is finished, and not clean."""
    write_record(tmp_path / "source" / "tides", {"a.txt": b"1"})
    with open_instance(tmp_path / "home") as instance:
        attempt = instance.attempt(tmp_path / "source")
        attempt.take_in()
        attempt.publish()
        shutil.rmtree(instance.store / "staging")
        attempt.finish()
        document = attempt.report()
    assert (document["state"], document["effects_parked"]) == ("completed", 1)
    assert not report.is_clean(document)


def test_what_is_parked_is_released(archive: Archive) -> None:
    """A parked effect is not tried again by itself; released, it is, from its first attempt on."""
    broken = archive.publish()
    misdescribe(archive, broken.id)
    want(archive, EffectKind.REGISTER, broken.id)
    assert dispatch.drain(archive.services).parked[EffectKind.REGISTER] == 1
    archive.clock.move(days=3)
    assert not dispatch.drain(archive.services).parked
    with archive.services.catalogue.write() as tx:
        assert outbox.release(tx, now=archive.clock()) == 1
    assert dispatch.drain(archive.services).parked[EffectKind.REGISTER] == 1


def test_draining_ends_between_two_batches(archive: Archive) -> None:
    """Asked to stop, draining finishes the batch that it is at and begins no other."""
    published = archive.publish()
    want(archive, EffectKind.PRESERVE, published.id)
    want(archive, EffectKind.INDEX, published.id)
    finished: list[EffectKind] = []
    drained = dispatch.drain(
        archive.services,
        on_batch=lambda kind, _number: finished.append(kind),
        should_stop=lambda: bool(finished),
    )
    assert finished == [EffectKind.PRESERVE]
    assert not drained.done[EffectKind.INDEX]


class _Failing(Catalogue):
    """A database that fails the first question that a thread asks, if it has the `name`."""

    def __init__(self, inner: Catalogue, error: Exception, name: str = "") -> None:
        self._inner, self._error, self._name = inner, error, name
        self.has_failed = False

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        if not self.has_failed and self._name in ("", threading.current_thread().name):
            self.has_failed = True
            raise self._error
        with self._inner.read() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with self._inner.write() as tx:
            yield tx


def test_the_dispatcher_survives_a_restart_of_the_database(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that does not answer is asked again after a pause; what is due is brought about then."""
    from pipeline.flows import deliver

    monkeypatch.setattr(deliver, "_AWAY", 0.01)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    want(archive, EffectKind.INDEX, archive.publish().id)
    away = Unavailable("the database does not answer: it restarts")
    restarting = replace(archive.services, catalogue=_Failing(archive.services.catalogue, away))

    def is_idle() -> bool:
        with archive.services.catalogue.read() as tx:
            return not outbox.waiting(tx)

    deliver.dispatch_forever(restarting, is_idle)
    assert is_idle()


def test_search_goes_on_after_a_fault(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that writes it, which nobody else does, outlives whatever befalls it."""
    from pipeline.flows import deliver

    monkeypatch.setattr(deliver, "_AWAY", 0.01)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    want(archive, EffectKind.INDEX, archive.publish().id)
    unforeseen = RuntimeError("of whom nobody knew")
    failing = _Failing(archive.services.catalogue, unforeseen, EffectKind.INDEX)
    deadline = time.monotonic() + 60
    deliver.dispatch_forever(
        replace(archive.services, catalogue=failing),
        lambda: not due(archive, EffectKind.INDEX) or time.monotonic() > deadline,
    )
    assert failing.has_failed
    assert not due(archive, EffectKind.INDEX)


class _LongAtWork(LocalStore):
    """Takes as long over what it is to write as a question takes to be answered with yes, but a minute at most."""

    def __init__(self, folder: Path, question: Callable[[], bool]) -> None:
        super().__init__(folder)
        self._question = question
        self.answers: list[bool] = []

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        deadline = time.monotonic() + 60
        while not self._question() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.answers.append(self._question())
        super().put_many(objects)


def test_search_waits_for_nothing_else(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is found while the dispatcher is still at work on preserving it, however long that takes."""
    from pipeline.flows import deliver

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    services = archive.services
    Unpreserved(services, archive.clock).publish(files={"a.txt": b"1"})

    slow = _LongAtWork(services.settings.home / "store", lambda: bool(services.index.count()))
    with closing(slow):
        deliver.dispatch_forever(replace(services, store=slow), lambda: not due(archive, EffectKind.PRESERVE))
    assert slow.answers
    assert all(slow.answers)


def test_the_end_of_an_embargo_waits_for_nothing_else(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found out about while the dispatcher is still at work, however long that takes."""
    from pipeline.flows import deliver

    monkeypatch.setattr(deliver, "_EMBARGOES", 0.05)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    services = archive.services
    archive.publish(access=Access(FilesAccess.RESTRICTED, archive.clock().date() + timedelta(days=1)))
    Unpreserved(services, archive.clock).publish(files={"a.txt": b"1"})
    before, on_its_day = due(archive, EffectKind.ANNOUNCE), archive.clock() + timedelta(days=1)

    def is_lifted() -> bool:
        archive.clock.now = on_its_day
        return due(archive, EffectKind.ANNOUNCE) > before

    slow = _LongAtWork(services.settings.home / "store", is_lifted)
    with closing(slow):
        deliver.dispatch_forever(replace(services, store=slow), lambda: not due(archive, EffectKind.PRESERVE))
    assert slow.answers
    assert all(slow.answers)
