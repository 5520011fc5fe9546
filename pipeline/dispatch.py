"""Use case: carry out the outbox. Claims effects in batches, has their handler bring the outside to the wanted
state, and settles, puts off or parks each one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from pipeline.catalogue import Transaction, harvest, outbox
from pipeline.catalogue.outbox import Claim
from pipeline.errors import AskedToWait, Corrupt, HeadraceError, Misconfigured, Unavailable
from pipeline.feeds.announce import announce
from pipeline.index.extraction import extract
from pipeline.index.indexer import index
from pipeline.mail.send import send
from pipeline.model import EffectKind
from pipeline.pid import asking
from pipeline.pid.register import register
from pipeline.running.beside import renewing
from pipeline.services import Services, lease_owner
from pipeline.stewardship.preservation import preserve

_LOG = logging.getLogger(__name__)

_BATCH = 250
# A mail server may take its time: others, and whoever waits for an end, are not to wait for many mails. Files of many
# records are looked into together, which is several times as fast where they are small; what is read before it is noted
# is bounded by files and bytes (`examination._groups`), and the lease is renewed meanwhile. A text may take a minute.
_BATCHES = {EffectKind.EXAMINE: 64, EffectKind.MAIL: 4, EffectKind.EXTRACT: 4}
_LEASE = timedelta(minutes=5)
_RENEWAL = timedelta(minutes=1)
_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(hours=1)
_ATTEMPTS = 60  # with waits doubling up to an hour: about two days

Undone: TypeAlias = Mapping[int, HeadraceError | None]
"""What did not come about, by record id: why it failed; None where there was no time for it in its batch."""


@dataclass(slots=True)
class Drained:
    """How many effects of each kind were brought about, put off and parked."""

    done: Counter[EffectKind] = field(default_factory=Counter)
    put_off: Counter[EffectKind] = field(default_factory=Counter)
    parked: Counter[EffectKind] = field(default_factory=Counter)


def drain(
    services: Services,
    kinds: Iterable[EffectKind] = tuple(EffectKind),
    *,
    accession_id: str | None = None,
    on_batch: Callable[[EffectKind, int], None] = lambda _kind, _number: None,
    should_stop: Callable[[], bool] = lambda: False,
    rest: Callable[[], object] = lambda: None,
) -> Drained:
    """Bring about every effect of `kinds` that is due (of one accession), a batch of each kind in turn, until nothing
    of any is: none waits until another has no more to do. `on_batch` is told how many came about; what it raises ends
    the draining between two batches, and so does `should_stop`. `rest` is called after each round of them in which no
    batch was full: what becomes due meanwhile is brought about together, which costs a fraction of what it would one
    by one."""
    drained, in_turn = Drained(), tuple(kinds)
    is_over = False
    while not is_over:
        is_over, is_behind = True, False
        for kind in in_turn:
            if should_stop():
                return drained
            if claims := _claim(services, kind, accession_id):
                is_over = False
                is_behind |= len(claims[1]) == _limit(kind)
                number = _carry_out(services, kind, claims, drained)
                on_batch(kind, number)
        if not is_over and not is_behind:
            rest()
    return drained


def _limit(kind: EffectKind) -> int:
    return _BATCHES.get(kind, _BATCH)


def drained_apart(services: Services) -> list[EffectKind]:
    """Kinds that are drained in a thread of their own, without an end: nothing else waits for a registry that is slow
    and asked no oftener than it wants, and each few seconds a few DOIs would be a run of their own."""
    return [EffectKind.REGISTER] if services.registry.is_rate_limited else []


def drained_in_turn(services: Services) -> list[EffectKind]:
    """All others."""
    apart = drained_apart(services)
    return [one for one in EffectKind if one not in apart]


def lift_embargoes(services: Services) -> int:
    """Want the world to be told of embargoes that ended since their records were announced; of how many. Access itself
    opens by the day, without this."""
    now = services.now()
    told = (EffectKind.REGISTER, EffectKind.INDEX, EffectKind.ANNOUNCE)
    with services.catalogue.write() as tx:
        ended = harvest.with_ended_embargo(tx, today=now.date())
        outbox.want(tx, [(kind, one) for one in ended for kind in told], now=now)
    return len(ended)


def _claim(services: Services, kind: EffectKind, accession_id: str | None) -> tuple[str, list[Claim]] | None:
    with services.catalogue.read() as tx:
        # Often nothing is, and who asks that in a transaction that writes keeps others from writing.
        is_due = outbox.is_due(tx, [kind], now=services.now(), accession_id=accession_id)
        if not is_due or not _room(tx, services, kind):
            return None
    owner = lease_owner(services)
    with services.catalogue.write() as tx:
        limit = _room(tx, services, kind)
        if not limit:
            return None
        claims = outbox.claim(
            tx,
            kind,
            now=services.now(),
            owner=owner,
            lease=_LEASE,
            limit=limit,
            accession_id=accession_id,
        )
    return (owner, claims) if claims else None


def _room(tx: Transaction, services: Services, kind: EffectKind) -> int:
    """For how many effects of the kind there is room now: with those that are claimed without it nobody else could do
    anything either."""
    limit = _limit(kind)
    return min(limit, asking.room(tx, services)) if kind is EffectKind.REGISTER else limit


def is_due(services: Services, kinds: Iterable[EffectKind]) -> bool:
    """Whether there is anything of these kinds that `drain` would bring about now."""
    with services.catalogue.read() as tx:
        ready = [one for one in kinds if _room(tx, services, one)]
        return outbox.is_due(tx, ready, now=services.now())


def _carry_out(
    services: Services, kind: EffectKind, claimed: tuple[str, list[Claim]], drained: Drained
) -> int:
    owner, claims = claimed

    def renew() -> None:
        with services.catalogue.write() as tx:
            outbox.renew(tx, claims, owner=owner, until=services.now() + _LEASE)

    undone = _handle(services, kind, [one.record_id for one in claims], renew)
    done = [one for one in claims if one.record_id not in undone]
    left = [one for one in claims if one.record_id in undone and undone[one.record_id] is None]
    with services.catalogue.write() as tx:
        outbox.settle(tx, done, owner=owner)
        outbox.give_back(tx, left, owner=owner)
        for one in claims:
            if (error := undone.get(one.record_id)) is not None:
                _put_off(tx, services, owner, one, error, drained)
    drained.done[kind] += len(done)
    return len(done)


def _handle(
    services: Services, kind: EffectKind, record_ids: Sequence[int], renew: Callable[[], None]
) -> Undone:
    """A batch that one record breaks is carried out again record by record, so that the others do not wait for it."""
    try:
        return _bring_about(services, kind, record_ids, renew)
    except (Unavailable, Misconfigured) as away:
        return dict.fromkeys(record_ids, away)
    except Exception as error:
        if len(record_ids) == 1:
            return {record_ids[0]: _failure(kind, record_ids[0], error)}
    undone: dict[int, HeadraceError | None] = {}
    for one in record_ids:
        undone |= _handle(services, kind, [one], renew)
        renew()
    return undone


def _bring_about(
    services: Services, kind: EffectKind, record_ids: Sequence[int], renew: Callable[[], None]
) -> Undone:
    match kind:
        case EffectKind.EXAMINE:
            # Here, for it loads an engine that a process which never examines should not carry.
            from pipeline.ingest.examination import examine

            with renewing(_RENEWAL, renew):
                return examine(services, record_ids)
        case EffectKind.PRESERVE:
            return preserve(services, record_ids, on_round=renew)
        case EffectKind.REGISTER:
            with renewing(_RENEWAL, renew):
                return register(services, record_ids)
        case EffectKind.INDEX:
            return index(services, record_ids)
        case EffectKind.ANNOUNCE:
            return announce(services, record_ids)
        case EffectKind.MAIL:
            with renewing(_RENEWAL, renew):
                return send(services, record_ids)
        case EffectKind.EXTRACT:
            with renewing(_RENEWAL, renew):
                return extract(services, record_ids)


def _failure(kind: EffectKind, record_id: int, error: Exception) -> HeadraceError:
    if isinstance(error, HeadraceError):
        return error
    # A bug, which trying again does not mend; the trace is for whoever does.
    _LOG.error("%s of record %s failed", kind, record_id, exc_info=error)
    return Corrupt(f"{type(error).__name__}: {error}")


def _put_off(
    tx: Transaction, services: Services, owner: str, claim: Claim, error: HeadraceError, drained: Drained
) -> None:
    is_parked = not error.retryable or claim.attempts + 1 >= _ATTEMPTS
    wait = min(_FIRST_WAIT * 2 ** min(claim.attempts, 12), _LONGEST_WAIT)
    due = services.now() + (error.wait if isinstance(error, AskedToWait) else wait)
    outbox.put_off(
        tx, claim, owner=owner, due=due, error=error.message, remedy=error.remedy, parked=is_parked
    )
    (drained.parked if is_parked else drained.put_off)[claim.kind] += 1
