"""Use case: files come into drafts over HTTP, and leave them.

Who may do what was decided before: these functions are asked by somebody who may. Each is one file: what is answered is
durable, and what was cut off has changed nothing that anybody sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeAlias, TypeVar

from pipeline import refusals
from pipeline.catalogue import (
    Transaction,
    draft_files,
    drafts,
    outbox,
    pending_files,
    resumables,
    transfers,
)
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.draft_files import DraftFile, NewFile
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.pending_files import PendingFile
from pipeline.errors import Conflict, HeadraceError, Rejected, Unavailable
from pipeline.ingest import bounds, transferring
from pipeline.ingest.digests import fanned_out, new_hashes
from pipeline.ingest.room import require_room
from pipeline.model import Digests, EffectKind
from pipeline.ports import OpenUpload, Upload
from pipeline.services import Services
from pipeline.store import layout

Kept = TypeVar("Kept")
Admitted: TypeAlias = Callable[[Transaction], None]
"""Asked when a file has come, which may have taken long: raises `Denied` where who sends it has lost the right to."""

LONGEST_KEY = 255
"""Characters of a file's key (Zenodo's REST API, limits)."""


def receive(
    services: Services,
    draft: Draft,
    key: str,
    blocks: Iterable[bytes],
    *,
    size: int | None,
    admitted: Admitted,
    declared: Mapping[str, str] | None = None,
    named: Callable[[], str] | None = None,
) -> DraftFile:
    """Take a file into the draft as it comes (`take_in`), in the place of one of the same key."""
    keep = partial(attach, admitted=admitted)
    return take_in(services, draft, key, blocks, keep, size=size, declared=declared, named=named)


def take_in(
    services: Services,
    draft: Draft,
    key: str,
    blocks: Iterable[bytes],
    keep: Callable[[Services, Deposit, int, NewFile], Kept],
    *,
    size: int | None,
    declared: Mapping[str, str] | None = None,
    named: Callable[[], str] | None = None,
) -> Kept:
    """Take a file of `size` bytes, or of as many as come where that is None, as it comes; once it is durable, `keep` is
    told of it, and of the number of the transfer, which it ends. That must bear to be done twice: the catalogue may be
    away, or its word on what was done get lost. `declared` are digests that somebody computed before. `named` is asked
    for the key when all has come, where it cannot be known before; until then it counts as `key`.
    Raises `Rejected` for a key that no file may have, an empty file, fewer, more or other bytes than were told;
    `Denied` for a record whose files cannot change any more; `Missing` where the draft is open no more, in the end too;
    what `blocks`, `keep` and `named` raise."""
    require_takeable(services, draft, key, size)
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        number = transferring.begin(services, tx, one.id, key)
    content = layout.deposited_path(key, number)
    place = layout.content(one.home, content)
    try:
        with transferring.under_way(services, number) as require:
            came, digests = _store(services, place, blocks, size, dict(declared or {}), require)
            if named is not None:
                key = named()
                require_key(key)
            new = NewFile(
                key=key,
                size=came,
                content=content,
                root_digest=digests[services.root_digest],
                digests=digests,
                declared=dict(declared or {}),
            )
            return transferring.insist(partial(keep, services, one, number, new))
    except Unavailable:
        _give_up(services, one, number, content)
        # The store fails as well where the draft was discarded meanwhile, and its folders with it.
        with services.catalogue.read() as tx:
            drafts.get(tx, one.record_id)
        raise
    except BaseException:
        _give_up(services, one, number, content)
        raise


def require_takeable(services: Services, draft: Draft, key: str, size: int | None) -> None:
    """Raises `Rejected` for a key that no file may have, an empty file and too much; `Denied` for a record whose files
    cannot change any more, `OutOfSpace`."""
    require_key(key)
    require_own_files(draft)
    if size == 0:
        raise refusals.empty_file()
    bounds.require_fits(services, draft, key, size)
    require_room(services, reserved=size or 0)


def require_own_files(draft: Draft) -> None:
    """Raises `Denied` for a record whose files cannot change any more."""
    if not draft.has_own_files:
        raise refusals.files_locked()


def require_key(key: str) -> None:
    """Raises `Rejected` for a key that no file may have."""
    if len(key) > LONGEST_KEY:
        raise Rejected("Filename is too long.", remedy=f"Names have {LONGEST_KEY} characters at most.")
    if any(ord(char) < ord(" ") or char == "\x7f" for char in key):
        raise Rejected("A file's name has no control characters.")
    if any(name in ("", ".", "..") for name in key.split("/")):
        raise Rejected(
            "This cannot name a file.",
            remedy="Between slashes and at both ends there has to be a name, which is neither `.` nor `..`.",
        )


def _store(
    services: Services,
    place: str,
    blocks: Iterable[bytes],
    size: int | None,
    declared: Digests,
    require: Callable[[], None],
) -> tuple[int, Digests]:
    """How many bytes came, and their digests. `require` raises where no more are to come."""
    hashes = new_hashes([services.root_digest, "md5", *services.settings.digests, *declared])
    upload = services.store.begin(place, size, from_network=True)
    # Blocks that wait for a thread cost memory: no more of them than need be.
    is_beside = services.store.traits.writes_wait
    taking = fanned_out(hashes, *([upload.write] if is_beside else []))
    try:
        total = 0
        for block in blocks:
            total += len(block)
            if size is not None and total > size:
                break
            taking.feed(block)
            if not is_beside:
                upload.write(block)
            require()
            del block  # not to be held while the next one comes
        if total == 0:
            raise refusals.empty_file()
        if size not in (None, total):
            raise refusals.transfer_failed()
        taking.finish()
        digests = {name: one.hexdigest() for name, one in hashes.items()}
        _compare(declared, digests)
        _commit(services, upload, place)
    except BaseException:
        taking.abandon()
        with suppress(HeadraceError):
            upload.abort()
        raise
    return total, digests


def _compare(declared: Digests, digests: Digests) -> None:
    for name, value in declared.items():
        if digests[name] != value.lower():
            raise Rejected(f"The {name} of what came is {digests[name]}, not {value}.", field="checksum")


def _commit(services: Services, upload: Upload, place: str) -> None:
    upload.commit()
    services.store.settle([place])


def attach(
    services: Services,
    one: Deposit,
    number: int,
    new: NewFile,
    *,
    admitted: Admitted,
    upload: int | None = None,
) -> DraftFile:
    """End the transfer with this number: the file is in the draft, in the place of one of the same key, be it pending
    only, and the `upload` in several requests that it completes, where it is one's last, is over. Done twice it is done
    once. Raises `Conflict` where the transfer or the upload is over, `Missing` where the draft is open no more, what
    `admitted` raises."""
    with services.catalogue.write() as tx:
        still = drafts.locked(tx, one.id)
        admitted(tx)
        held = draft_files.held(tx, still, new.key)
        if held is not None and held.content == new.content:
            return held
        transfers.end(tx, number, now=services.now())
        if upload is not None:
            resumables.complete(tx, upload, number)
        outbox.want(tx, [(EffectKind.EXAMINE, one.record_id)], now=services.now())
        pending = pending_files.remove(tx, still, new.key)
        file, before = draft_files.put(tx, still, new, now=services.now())
    if before is not None and before.place is not None:
        services.store.delete(before.place)
    if pending is not None:
        drop_content(services, one, pending)
    return file


def drop_content(services: Services, one: Deposit, pending: PendingFile) -> None:
    """Delete what had come of a pending file that is one no more, or has other content by now."""
    end_upload(services, one, pending)
    if pending.content:
        services.store.delete(layout.content(one.home, pending.content))


def end_upload(services: Services, one: Deposit, pending: PendingFile) -> None:
    """Have the store forget the parts of a pending file, if it comes in parts; idempotent."""
    parts = pending.multipart
    if parts is not None:
        place = layout.content(one.home, parts.content)
        services.store.end_upload(OpenUpload(place, parts.upload_id, pending.created))


def _give_up(services: Services, one: Deposit, number: int, content: str) -> None:
    """End a transfer that failed, and delete its bytes, unless they are in the draft: a commit may have failed after
    all was done. What is left where this fails too is nobody's: the transfer ends by time, its bytes are swept."""
    with suppress(HeadraceError):
        with services.catalogue.write() as tx:
            with suppress(Conflict):  # it is over already
                transfers.end(tx, number, now=services.now())
            is_held = draft_files.holds(tx, one, content)
        if not is_held:
            services.store.delete(layout.content(one.home, content))


def remove(services: Services, draft: Draft, key: str) -> None:
    """Take a file out of the draft. Raises `Missing`, and as `require_own_files`."""
    require_own_files(draft)
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        gone = draft_files.find(tx, one.id, key)
        if gone is None:
            raise refusals.no_file(one.record_id, key)
        draft_files.remove(tx, one, gone, now=services.now())
    if gone.place is not None:
        services.store.delete(gone.place)
