"""Use case: compare the DOIs that the registry has with those that there shall be, and have what differs put again.

What the catalogue itself knows to differ (never put, put to something else, such as an address of an earlier base URL)
costs no request. Of the others the registry is asked for those that were compared longest ago, as many as a run may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.catalogue import dois, outbox, pace, records
from pipeline.errors import Unavailable
from pipeline.model import EffectKind, JsonObject
from pipeline.pid.pace import granted, room
from pipeline.pid.register import Registration, registrations
from pipeline.ports import DoiSeen
from pipeline.services import Services

_PAGE = 100
_TRIES = 5
_PAUSE = 2.0  # seconds


class Difference(StrEnum):
    """How a DOI is not what it shall be."""

    BEHIND = "behind"
    """It was not put yet as it shall be."""
    MISSING = "missing"
    """The registry does not know it."""
    STATE = "state"
    TARGET = "target"
    DESCRIPTION = "description"
    UNRESOLVED = "unresolved"
    """The registry has it, and the handle server was not told."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A DOI that differs, and is put again; `wanted` and `seen` are states, targets or fields."""

    doi: str
    record_id: int
    what: Difference
    wanted: str
    seen: str


@dataclass(slots=True)
class Reconciled:
    """How many DOIs there are, and how many of them the registry was asked for."""

    dois: int = 0
    asked: int = 0


def reconcile(
    services: Services, most: int, done: Reconciled, wait: Callable[[float], None]
) -> Iterator[Discrepancy]:
    """Every DOI that differs; the registry is asked for `most`, and the last one's work. `wait` is called where it is
    to be left alone for some seconds, and may end the run: the next one goes on. Raises `Unavailable` where the
    registry is away, `Misconfigured` where it does not let us in."""
    began = services.now()
    yield from _behind(services, done)
    while done.asked < most:
        with services.catalogue.read() as tx:
            chosen = dois.longest_unseen(tx, before=began, limit=min(_PAGE, most - done.asked))
        if not chosen:
            return
        for record_id in chosen:
            if done.asked >= most:
                return
            for one in registrations(services, [record_id]):
                yield from _compared(services, one, done, wait)


def _behind(services: Services, done: Reconciled) -> Iterator[Discrepancy]:
    last = 0
    while True:
        with services.catalogue.read() as tx:
            ids = records.ids(tx, after=last, limit=_PAGE)
        if not ids:
            return
        last = ids[-1]
        found = registrations(services, ids)
        done.dois += len(found)
        late = [one for one in found if not one.is_done]
        with services.catalogue.write() as tx:
            # What waits comes about; what is parked is for somebody to mend.
            known = outbox.wanted(tx, EffectKind.REGISTER, {one.record_id for one in late})
            late = [one for one in late if one.record_id not in known]
            outbox.want(
                tx,
                [(EffectKind.REGISTER, id_) for id_ in {one.record_id for one in late}],
                now=services.now(),
            )
        for one in late:
            yield Discrepancy(
                one.request.doi, one.record_id, Difference.BEHIND, str(one.request.state), one.seen or ""
            )


def _compared(
    services: Services, one: Registration, done: Reconciled, wait: Callable[[float], None]
) -> Iterator[Discrepancy]:
    if not one.is_done:
        _note(services, one, is_right=False)
        return
    done.asked += 1
    found = difference(one, _asked(services, one.request.doi, wait))
    _note(services, one, is_right=found is None)
    if found is not None:
        what, wanted, seen = found
        yield Discrepancy(one.request.doi, one.record_id, what, wanted, seen)


def _asked(services: Services, doi: str, wait: Callable[[float], None]) -> DoiSeen | None:
    tries = 0
    while True:
        while not _may_ask(services):
            wait(_PAUSE)
        try:
            return services.registry.get(doi)
        except Unavailable:
            tries += 1
            if tries == _TRIES:
                raise
            wait(_PAUSE)


def _may_ask(services: Services) -> bool:
    rate, now = services.settings.doi_rate, services.now()
    if not services.registry.is_metered:
        return True
    with services.catalogue.write() as tx:
        kept = pace.hold(tx)
        if not room(kept, rate, now):
            return False
        pace.keep(tx, granted(kept, 1, rate, now))
        return True


def _note(services: Services, one: Registration, *, is_right: bool) -> None:
    name, now = one.request.doi.lower(), services.now()
    with services.catalogue.write() as tx:
        if is_right:
            dois.note_seen(tx, {name: (str(one.request.state), one.digest)}, now=now)
        else:
            dois.doubt(tx, name, now=now)
            outbox.want(tx, [(EffectKind.REGISTER, one.record_id)], now=now)


# ---------------------------------------------------------------- comparing


def difference(wanted: Registration, seen: DoiSeen | None) -> tuple[Difference, str, str] | None:
    """What differs first, as it is wanted and as it was seen; None where nothing does. Of descriptions only that is
    compared which the registry does not put into a form of its own."""
    request = wanted.request
    if seen is None:
        return Difference.MISSING, str(request.state), ""
    if seen.state is not request.state:
        return Difference.STATE, str(request.state), str(seen.state)
    if seen.url != request.url:
        return Difference.TARGET, request.url, seen.url
    for field, told in _said(request.metadata).items():
        if told != _said(seen.metadata)[field]:
            return Difference.DESCRIPTION, field, field
    if not seen.resolves:
        return Difference.UNRESOLVED, request.url, ""
    return None


def _said(metadata: JsonObject) -> dict[str, Any]:
    return {
        "titles": [one.get("title") for one in _entries(metadata, "titles")],
        "creators": [one.get("name") for one in _entries(metadata, "creators")],
        "publicationYear": str(metadata.get("publicationYear")),
        "types": (metadata.get("types") or {}).get("resourceTypeGeneral"),
        "relatedIdentifiers": {
            (one.get("relationType"), str(one.get("relatedIdentifier")).lower())
            for one in _entries(metadata, "relatedIdentifiers")
        },
    }


def _entries(metadata: JsonObject, key: str) -> list[JsonObject]:
    found = metadata.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
