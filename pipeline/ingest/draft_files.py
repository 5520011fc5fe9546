"""Use case: files of drafts that are announced, then sent, then committed (InvenioRDM's draft files).

What was announced keeps its draft from being published until it is committed, or given up. As in `deposit`, who may do
what was decided before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from pipeline import refusals
from pipeline.catalogue import Transaction, draft_files, drafts, outbox, pending_files, resumables, transfers
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.draft_files import DraftFile, NewFile
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.pending_files import AnnouncedFile, PendingFile
from pipeline.errors import Conflict, Denied, Missing, Rejected
from pipeline.ingest import abandonment, arrival, bounds, multipart
from pipeline.model import EffectKind
from pipeline.services import Services


def announce(services: Services, draft: Draft, files: Sequence[AnnouncedFile]) -> list[PendingFile]:
    """All of them, or none. Raises `Rejected` for a key that no file may have, or that the draft has a file of, for an
    empty file, and for too many that come in parts; `Denied` for a record whose files cannot change any more; `Missing`
    where the draft is open no more."""
    for one in files:
        arrival.require_takeable(services, draft, one.key, one.size)
    keys = [one.key for one in files]
    with services.catalogue.read() as tx:
        # Before the store is asked for anything.
        _require_new(tx, draft.deposit, keys)
    begun = multipart.begin(services, draft, files)
    try:
        with services.catalogue.write() as tx:
            still = drafts.locked(tx, draft.deposit.id)
            _require_new(tx, still, keys)
            bounds.require_open_uploads(tx, services, still, len(begun))
            return pending_files.add(tx, still, files, begun, now=services.now())
    except (Rejected, Missing, Denied):
        multipart.give_up(services, draft, begun)
        raise


def _require_new(tx: Transaction, one: Deposit, keys: Sequence[str]) -> None:
    seen = pending_files.taken(tx, one.id, keys)
    for key in keys:
        if key in seen:
            raise refusals.file_exists(key)
        seen.add(key)


def find(tx: Transaction, draft: Draft, key: str) -> PendingFile | DraftFile:
    """Raises `Missing`."""
    found = pending_files.find(tx, draft.deposit.id, key) or draft_files.find(tx, draft.deposit.id, key)
    if found is None:
        raise refusals.no_file(draft.record_id, key)
    return found


def receive(
    services: Services,
    draft: Draft,
    key: str,
    blocks: Iterable[bytes],
    *,
    size: int | None,
    admitted: arrival.Admitted,
    declared: Mapping[str, str],
) -> PendingFile:
    """Take what a pending file consists of, in the place of what had come of it before. `size` and `declared` are as in
    `arrival.take_in`, and must agree with what was announced. Raises as that and `admitted` do; `Missing` where no such
    file was announced, `Rejected` where it is committed, `Conflict` where it is given up meanwhile."""
    pending = _pending(services, draft, key)
    if pending.multipart is not None:
        raise Rejected(f"File with key {key} comes in parts.")
    announced = pending.announced
    if None not in (size, announced.size) and size != announced.size:
        raise refusals.transfer_failed()
    for algorithm, value in declared.items():
        if announced.declared.get(algorithm, value) != value:
            raise Rejected(f"Another {algorithm} was announced.", field="checksum")
    return arrival.take_in(
        services,
        draft,
        key,
        blocks,
        partial(_keep, pending=pending, admitted=admitted),
        size=announced.size if size is None else size,
        declared={**declared, **announced.declared},
    )


def _pending(services: Services, draft: Draft, key: str) -> PendingFile:
    with services.catalogue.read() as tx:
        found = find(tx, draft, key)
    if not isinstance(found, PendingFile):
        raise Rejected(f"File with key {key} is committed already.")
    return found


def receive_part(
    services: Services,
    draft: Draft,
    key: str,
    number: int,
    blocks: Iterable[bytes],
    *,
    size: int | None,
    admitted: arrival.Admitted,
) -> PendingFile:
    """Take a part of a pending file that comes in parts. Raises as `multipart.receive_part`; `Missing` where no such
    file was announced, `Rejected` where it is committed or comes in one piece."""
    pending = _pending(services, draft, key)
    multipart.receive_part(services, draft, pending, number, blocks, size=size, admitted=admitted)
    return pending


def _keep(
    services: Services,
    one: Deposit,
    number: int,
    came: NewFile,
    *,
    pending: PendingFile,
    admitted: arrival.Admitted,
) -> PendingFile:
    with services.catalogue.write() as tx:
        drafts.locked(tx, one.id)
        admitted(tx)
        before = pending_files.find(tx, one.id, pending.key)
        if before is None or before.id != pending.id:
            raise Conflict("the file was committed or given up while it came")
        if before.came is not None and before.came.content == came.content:
            return before  # done before, and the catalogue's word on it got lost
        transfers.end(tx, number, now=services.now())
        after = pending_files.note_content(tx, before, came, now=services.now())
    arrival.drop_content(services, one, before)
    return after


def commit(services: Services, draft: Draft, key: str) -> DraftFile:
    """From now on the file is the draft's; one that is already stays as it is. Raises `Missing` where there is no such
    file, or the draft is open no more; `Rejected` where nothing, or not every part, has come of it; as
    `multipart.commit`."""
    with services.catalogue.read() as tx:
        begun = find(tx, draft, key)
    if isinstance(begun, PendingFile) and begun.multipart is not None:
        return multipart.commit(services, draft, begun)
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        found = find(tx, draft, key)
        if isinstance(found, DraftFile):
            return found
        if found.came is None:
            raise refusals.transfer_failed()
        pending_files.remove(tx, one, key)
        outbox.want(tx, [(EffectKind.EXAMINE, one.record_id)], now=services.now())
        file, _ = draft_files.put(tx, one, found.came, now=services.now())
        return file


def remove(services: Services, draft: Draft, key: str) -> None:
    """Take a file out of the draft, pending or not. Raises as `arrival.remove`."""
    arrival.require_own_files(draft)
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        pending = pending_files.remove(tx, one, key)
    if pending is None:
        arrival.remove(services, draft, key)
    else:
        arrival.drop_content(services, one, pending)


def remove_all(services: Services, draft: Draft) -> None:
    """Take all files out of the draft, and end what is being sent into it. Raises `Denied` for a record whose files
    cannot change any more, `Missing` where the draft is open no more."""
    arrival.require_own_files(draft)
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        transfers.end_all(tx, one.id)
        given_up = resumables.expire_all(tx, one.id, now=services.now())
        pending = pending_files.remove_all(tx, one)
        places = draft_files.remove_all(tx, one, now=services.now())
    for upload in given_up:
        abandonment.end(services, upload)
    # Not the folder that they are in: others may come into it by now.
    for each in pending:
        arrival.drop_content(services, one, each)
    for place in places:
        services.store.delete(place)
