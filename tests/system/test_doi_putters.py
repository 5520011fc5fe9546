"""However those who put DOIs overlap, die, and are not answered: in the end the registry has what is wanted, and the
catalogue believes nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import dispatch, publication
from pipeline.catalogue import outbox
from pipeline.model import DoiState, EffectKind, Record, RecordState, Tombstone
from pipeline.pid.doi import concept_doi
from pipeline.pid.putting import LATE
from pipeline.pid.register import Registration, registrations
from tests.archive import Archive, Unsettled, open_archive
from tests.parked_registry import Call, ParkedRegistry, Stored, told

MOST_VERSIONS = 3
MOST_DISPATCHERS = 3
# A client waits no longer for the requests of one DOI.
WAITED_FOR = timedelta(minutes=8)
STEPS = [
    "version",
    "withdraw",
    "restore",
    "start",
    "answer",
    "lose",
    "kill",
    "arrive",
    "late",
    "pass",
    "lease",
]


@pytest.fixture
def archive(tmp_path: Path, database_url: str) -> Iterator[Archive]:
    with open_archive(tmp_path, database=database_url) as opened:
        registry = ParkedRegistry(opened.clock())
        services = replace(opened.services, registry=registry)
        yield Unsettled(services, opened.clock)
        for call in list(registry.calls):
            registry.end(call, "killed")


class Play:
    """One work whose DOIs are put while it changes, as the steps say; numbers choose among what there is."""

    def __init__(self, archive: Archive) -> None:
        assert isinstance(archive.services.registry, ParkedRegistry)
        self.archive, self.services, self.registry = archive, archive.services, archive.services.registry
        self.versions: list[Record] = [archive.publish(files={"a": b"a"})]

    @property
    def concept(self) -> str:
        return concept_doi(self.services.repository, self.versions[0].concept_id)

    def step(self, name: str, number: int) -> None:
        calls, lost = self.registry.calls, self.registry.lost
        match name:
            case "version" if len(self.versions) < MOST_VERSIONS:
                files = {"a": b"%d" % len(self.versions)}
                self.versions.append(self.archive.publish(files=files, version_of=self.versions[-1]))
            case "withdraw" | "restore":
                self._change(name, self.versions[number % len(self.versions)])
            case "start" if len(calls) < MOST_DISPATCHERS:
                self.registry.start(self.services)
            case "answer" | "lose" | "kill" if calls:
                ending = {"answer": "answered", "lose": "lost", "kill": "killed"}[name]
                self.registry.end(calls[number % len(calls)], ending)
            case "arrive" if calls:
                self._arrive(calls[number % len(calls)], number)
            case "late" if lost:
                self._arrive(lost[number % len(lost)], number)
            case "pass":
                self.wait(timedelta(minutes=1 + number % 4))
            case "lease":
                self.wait(timedelta(minutes=5, seconds=1))

    def _change(self, name: str, version: Record) -> None:
        is_published = self.archive.record(version.id).state is RecordState.PUBLISHED
        if name == "withdraw" and is_published:
            gone = Tombstone("test-record", "", "admin@archive.example", self.archive.clock())
            with self.services.catalogue.write() as tx:
                publication.withdraw_in(tx, version.id, gone)
        elif name == "restore" and not is_published:
            publication.restore(self.services, version.id, by="admin@archive.example")

    def _arrive(self, call: Call, number: int) -> None:
        if call.under_way:
            self.registry.arrive(call, call.under_way[number % len(call.under_way)])

    def wait(self, by: timedelta) -> None:
        """What nobody answers is given up by then, and what was given up arrives, or never does."""
        self.archive.clock.now += by
        now = self.registry.now = self.archive.clock()
        for one in [each for each in self.registry.calls if each.at + WAITED_FOR <= now]:
            self.registry.end(one, "lost")
        self.registry.lost[:] = [one for one in self.registry.lost if now < one.at + LATE]

    def finish(self) -> None:
        """All that is under way is answered, all that was lost arrives at the worst time, and all that is wanted is
        done."""
        self.drain()
        for one in list(self.registry.lost):
            for request in list(one.under_way):
                self.registry.arrive(one, request)
        for _ in range(8):
            self.wait(LATE)
            self.drain()
        assert not self.registry.calls

    def drain(self) -> None:
        while self.registry.calls or dispatch.is_due(self.services, [EffectKind.REGISTER]):
            if self.registry.calls:
                self.registry.end(self.registry.calls[-1], "answered")
            else:
                self.registry.start(self.services)

    def require_right(self) -> None:
        wanted = self.wanted()
        assert len(wanted) == len(self.versions) + 1
        # Whoever is hidden is not described anew when versions beside it come and go.
        shown = [one for one in wanted if not one.hides]
        assert {one.name: self.registry.stored[one.name] for one in shown} == as_stored(shown)
        assert all(one.is_done for one in shown)
        hidden = {one.name: self.registry.stored[one.name][0] for one in wanted if one.hides}
        assert hidden == {one.name: one.seen for one in wanted if one.hides}
        assert set(hidden.values()) <= {DoiState.REGISTERED}
        with self.services.catalogue.read() as tx:
            assert not outbox.wanted(tx, EffectKind.REGISTER, [one.id for one in self.versions])

    def wanted(self) -> list[Registration]:
        return registrations(self.services, [one.id for one in self.versions])


def as_stored(wanted: list[Registration]) -> dict[str, Stored]:
    return {one.name: (one.request.state, one.request.url, told(one.request)) for one in wanted}


def played(archive: Archive, script: list[tuple[str, int]]) -> Play:
    play = Play(archive)
    try:
        for name, number in script:
            play.step(name, number)
    finally:
        play.finish()
    return play


OVERLAPPING = [("start", 0), ("version", 0), ("start", 0), ("answer", 1), ("answer", 0)]
"""The slower of two has an older description of the work, which arrives last."""
LOST = [("start", 0), ("lose", 0), ("version", 0), ("start", 0), ("answer", 0), ("late", 1)]
"""A request that was given up arrives after that of a newer version was answered."""
KILLED = [
    ("version", 0),
    ("start", 0),
    ("kill", 0),
    ("withdraw", 0),
    ("withdraw", 1),
    ("lease", 0),
    ("start", 0),
    ("answer", 0),
]
"""Whoever put a work was killed; it is withdrawn, and what was sent arrives after that."""
TWICE = [("start", 0), ("kill", 0), ("lease", 0), ("start", 0), ("answer", 0), ("withdraw", 0), ("start", 0)]
"""What was sent twice was answered once; the other one arrives when it is withdrawn."""


def test_in_the_end_the_registry_has_what_is_wanted(archive: Archive) -> None:
    """Whatever happens in whichever order; each time to a work of its own."""

    # A server takes four times as long.
    examples = 40 if archive.services.settings.database.startswith("sqlite") else 10

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @example(script=OVERLAPPING)
    @example(script=LOST)
    @example(script=KILLED)
    @example(script=TWICE)
    @given(script=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 11)), max_size=30))
    def run(script: list[tuple[str, int]]) -> None:
        played(archive, script).require_right()

    run()


def test_a_description_that_was_overtaken_is_put_right_at_once(archive: Archive) -> None:
    """Both were answered: nobody waits for what might still arrive."""
    play = Play(archive)
    for name, number in OVERLAPPING:
        play.step(name, number)
    play.drain()
    assert play.registry.stored[play.concept] == as_stored(play.wanted())[play.concept]
    play.finish()
    play.require_right()


def test_what_is_withdrawn_is_hidden_once_more_where_something_else_may_arrive(archive: Archive) -> None:
    """It is found again for that long at most."""
    play = Play(archive)
    for name, number in KILLED:
        play.step(name, number)
    play.drain()
    began: datetime = archive.clock()
    for call in list(play.registry.lost):
        for request in list(call.under_way):
            play.registry.arrive(call, request)
    assert play.registry.stored[play.concept][0] is DoiState.FINDABLE
    play.wait(LATE)
    play.drain()
    assert play.registry.stored[play.concept][0] is DoiState.REGISTERED
    assert archive.clock() - began <= LATE
    play.finish()
    play.require_right()


def test_what_has_become_old_in_the_queue_is_not_put(archive: Archive) -> None:
    """Somebody described the work by its newer version meanwhile."""
    play = Play(archive)
    others = [archive.publish(files={"a": b"a"}) for _ in range(5)]
    play.registry.is_rate_limited = True
    play.registry.start(play.services)
    first = play.registry.calls[0]
    sent = {one.doi for one in first.requests}
    left = next(one for one in others if concept_doi(play.services.repository, one.concept_id) not in sent)
    concept = concept_doi(play.services.repository, left.concept_id)
    archive.publish(files={"a": b"b"}, version_of=left)
    play.registry.start(play.services)
    while len(play.registry.calls) > 1:
        play.registry.end(play.registry.calls[1], "answered")
    before = play.registry.stored[concept]
    play.registry.end(first, "answered")
    put = {one.doi for call in play.registry.calls for one in call.requests}
    assert concept not in put
    play.drain()
    assert play.registry.stored[concept] == before
