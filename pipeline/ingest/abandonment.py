"""Use case: uploads in several requests that nobody goes on with are ended.

The catalogue says first that an upload is given up (`resumables.expire`), then the store is told to end what it has,
and only then the upload is forgotten: a crash in between leaves a row that says what to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipeline.catalogue import Transaction, drafts, resumables, transfers
from pipeline.catalogue.resumables import Resumable
from pipeline.errors import Missing
from pipeline.services import Services
from pipeline.store import layout

_BATCH = 100


def give_up(services: Services, one: Resumable, *, by: int | None = None) -> None:
    """End an upload, unless it is over already, and what is durable of it. Whoever sends to it has it before, and is
    ended with it, or comes too late: requests go on with an upload, and complete it, under the same lock. Where it is
    given up `by` a transfer, that is over as well; raises `Conflict` where it was before, and so has no say."""
    with _draft_locked(services, one) as tx:
        if by is not None:
            transfers.end(tx, by, now=services.now())
        if not resumables.expire(tx, one.id, now=services.now()):
            return  # it was completed meanwhile: what is there is the draft's
    end(services, one)


def end_expired(services: Services, one: Resumable) -> bool:
    """`give_up` one that was found to have expired, unless it was gone on with or completed since; whether it was given
    up."""
    with _draft_locked(services, one) as tx:
        if not resumables.is_expired(tx, one.id, now=services.now()):
            return False
        resumables.expire(tx, one.id, now=services.now())
    end(services, one)
    return True


@contextmanager
def _draft_locked(services: Services, one: Resumable) -> Iterator[Transaction]:
    with services.catalogue.write() as tx:
        with suppress(Missing):  # nothing comes into a draft that is open no more
            drafts.locked(tx, one.deposit_id, may_be_sealed=True)
        yield tx


def end(services: Services, one: Resumable) -> None:
    """Take away what the store has of an upload that was given up, and forget it; idempotent."""
    folder = place(services, one)
    _end_open(services, folder)
    services.store.delete(folder)
    services.store.delete(layout.tails(one.id))
    with services.catalogue.write() as tx:
        resumables.forget(tx, one.id)


def clear(services: Services, one: Resumable, *, but: str) -> None:
    """Take away what requests of a completed upload left that were overtaken or killed, all but the file's key."""
    folder = place(services, one)
    _end_open(services, folder)
    for found in list(services.store.list(folder)):
        if found.key != but:
            services.store.delete(found.key)
    services.store.delete(layout.tails(one.id))


def _end_open(services: Services, folder: str) -> None:
    for found in services.store.open_uploads(folder):
        services.store.end_upload(found)


def expired(services: Services) -> Iterator[Resumable]:
    """Uploads that nobody goes on with any more."""
    last = 0
    while True:
        with services.catalogue.read() as tx:
            due = resumables.expired(tx, now=services.now(), after=last, limit=_BATCH)
        if not due:
            return
        yield from due
        last = due[-1].id


def place(services: Services, one: Resumable) -> str:
    """The key below which is whatever its requests began."""
    with services.catalogue.read() as tx:
        home = drafts.home(tx, one.deposit_id)
    return layout.content(home, layout.resumable_folder(one.id))
