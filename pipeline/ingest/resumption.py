"""Use case: a file that comes into a draft in several requests, each going on where the one before ended.

What is told as the offset is durable, digests' states included: whole parts in the store's upload, and what lies behind
the last of them in an object of its own. So any process goes on, whatever became of the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from pipeline.catalogue import drafts, resumables, transfers
from pipeline.catalogue.drafts import Draft, NewFile
from pipeline.catalogue.resumables import Resumable
from pipeline.errors import (
    Conflict,
    Gone,
    HeadraceError,
    Missing,
    Rejected,
    TooLong,
    Unavailable,
    WrongChecksum,
)
from pipeline.ingest import deposit
from pipeline.ingest.checkpoints import Checkpoints
from pipeline.ingest.digests import (
    HAVE_STATES,
    Hash,
    StatefulHash,
    new_hashes,
    restored,
    resumable_hashes,
    saved,
)
from pipeline.model import JsonObject
from pipeline.ports import Upload
from pipeline.services import Services
from pipeline.store import layout

LIFE = timedelta(days=1)
"""How long an upload waits to be gone on with."""
_BATCH = 100


def create(services: Services, draft: Draft, key: str, size: int) -> Resumable:
    """An upload of `size` bytes into a draft. Raises as `deposit.receive` does before it takes anything, `Unavailable`
    where states of digests cannot be saved here."""
    deposit.require_takeable(services, draft, key, size)
    states = _saved(resumable_hashes(_algorithms(services)))
    if restored(states["digests"], _algorithms(services)) is None:
        raise Unavailable("states of digests cannot be saved here, so no upload can be gone on with")
    with services.catalogue.write() as tx:
        drafts.locked(tx, draft.deposit.id)
        number = deposit.begin_transfer(services, tx, draft.deposit.id, key)
        transfers.end(tx, number)
        expires = services.now() + LIFE
        resumables.begin(tx, number, draft.deposit.id, key, size, states=states, expires=expires)
        return resumables.get(tx, number)


def find(services: Services, draft: Draft, number: int) -> Resumable:
    """Raises `Missing` where the draft has no such upload, `Gone` where it has expired."""
    with services.catalogue.read() as tx:
        one = resumables.get(tx, number)
    if one.deposit_id != draft.deposit.id:
        raise Missing("There is no such upload.")
    if one.expires <= services.now():
        raise Gone("The upload has expired.")
    return one


def go_on(
    services: Services,
    draft: Draft,
    number: int,
    offset: int,
    blocks: Iterable[bytes],
    checksum: tuple[str, str] | None = None,
) -> Resumable:
    """Take what comes behind `offset`; where that is the end of the file, the file is in the draft once this returns.
    With a `checksum` (algorithm, hex), all that comes is taken or nothing. Where the client goes away, what came is
    kept. Raises `Conflict` where the upload is not at this offset, or another request is at it; `WrongChecksum`;
    `TooLong`; `Gone` where it has to be begun again; what `deposit.attach` and `blocks` raise."""
    one = find(services, draft, number)
    with services.catalogue.write() as tx:
        drafts.locked(tx, draft.deposit.id)
        mine = deposit.begin_transfer(services, tx, draft.deposit.id, one.key)
        one = resumables.claim(tx, number, mine, now=services.now())
        if one.offset != offset:
            raise Conflict(f"the upload is at {one.offset}, not at {offset}", field="Upload-Offset")
    try:
        return _Sitting(services, draft, one, mine, checksum).take(blocks)
    finally:
        with suppress(HeadraceError), services.catalogue.write() as tx:
            transfers.end(tx, mine)


def end(services: Services, one: Resumable) -> None:
    """Give an upload up, and what is durable of it; idempotent."""
    with services.catalogue.write() as tx:
        if not resumables.forget(tx, one.id):
            return  # it was completed meanwhile: what is there is the draft's
        home = drafts.home(tx, one.deposit_id)
    place = _place(home, one)
    for found in services.store.open_uploads(place.rpartition("/")[0]):
        services.store.end_upload(found)
    services.store.delete(place)
    services.store.delete(layout.tails(one.id))


def end_expired(services: Services) -> int:
    """End all that nobody has gone on with in time; answers how many."""
    ended = 0
    while True:
        with services.catalogue.read() as tx:
            due = resumables.expired(tx, now=services.now(), limit=_BATCH)
        for one in due:
            end(services, one)
        ended += len(due)
        if len(due) < _BATCH:
            return ended


def _content(one: Resumable) -> str:
    return layout.deposited_path(one.key, one.id)


def _place(home: str, one: Resumable) -> str:
    return layout.content(home, _content(one))


def _algorithms(services: Services) -> list[str]:
    """Those that can be gone on with."""
    wanted = [services.root_digest, "md5", *services.settings.digests]
    return [name for name in dict.fromkeys(wanted) if name in HAVE_STATES]


def _saved(hashes: Mapping[str, Hash]) -> JsonObject:
    states = {name: one.state() for name, one in hashes.items() if isinstance(one, StatefulHash)}
    return {"digests": saved(states)}


class _Sitting:
    """One request that goes on with an upload."""

    def __init__(
        self,
        services: Services,
        draft: Draft,
        one: Resumable,
        transfer: int,
        checksum: tuple[str, str] | None,
    ) -> None:
        self._services = services
        self._draft = draft
        self._one = one
        self._transfer = transfer
        self._checksum = checksum
        self._place = _place(draft.deposit.home, one)
        self._hashes = self._restored()
        self._upload = self._resumed()
        self._tail = bytearray()
        self._position = one.ledger.offset
        ledger = replace(one.ledger, upload_id=self._upload.id, part_size=self._upload.part_size)
        self._checkpoints = Checkpoints(self._upload, ledger, {}, lambda _news: self._keep(0))

    def _restored(self) -> Mapping[str, Hash]:
        hashes = restored(self._one.ledger.checkpoint["digests"], _algorithms(self._services))
        if hashes is None:
            raise Gone("The states of the upload's digests cannot be used here.")
        return hashes

    def _resumed(self) -> Upload:
        ledger = self._one.ledger
        known = ledger if ledger.upload_id else None
        upload = self._services.store.begin(self._place, None, known, from_network=True)
        if known and (upload.id, upload.offset) != (ledger.upload_id, ledger.offset):
            upload.abort()
            end(self._services, self._one)
            raise Gone("The store does not have any more what had come of the upload.")
        return upload

    def take(self, blocks: Iterable[bytes]) -> Resumable:
        try:
            self._restore_tail()
            self._feed(blocks)
            if self._position == self._one.size:
                self._finish()
            else:
                self._rest()
        except BaseException:
            with suppress(HeadraceError):
                self._upload.leave()
            raise
        return self._one

    def _restore_tail(self) -> None:
        one = self._one
        if one.tail_size:
            try:
                tail = b"".join(self._services.store.read(layout.tail(one.id, one.offset)))
            except Missing:
                raise Gone("The store does not have any more what had come of the upload.") from None
            self._write(tail)

    def _feed(self, blocks: Iterable[bytes]) -> None:
        """Where the client goes away, what came before is kept, unless a checksum was to be of all."""
        check = new_hashes([self._checksum[0]]) if self._checksum else {}
        due = self._services.now() + deposit.RENEWAL
        try:
            for block in blocks:
                if self._position + len(block) > self._one.size:
                    raise TooLong("More came than the upload was said to be long.")
                self._digest(block)
                for one in check.values():
                    one.update(block)
                if self._services.now() >= due:
                    deposit.renew(self._services, self._transfer)
                    due = self._services.now() + deposit.RENEWAL
                if not check:
                    self._checkpoints.report_in_time()
        except (Rejected, TooLong):
            if not check:
                self._rest()
            raise
        if self._checksum and check[self._checksum[0]].hexdigest() != self._checksum[1]:
            raise WrongChecksum("The checksum is not that of what came.", field="Upload-Checksum")

    def _digest(self, block: bytes) -> None:
        """Digest and write, piece by piece: the states at each border of parts can be gone on from."""
        view = memoryview(block)
        while view:
            piece = view[: self._upload.part_size - len(self._tail)]
            for one in self._hashes.values():
                one.update(piece)
            self._write(piece)
            if not self._tail:
                self._checkpoints.passed(self._position, _saved(self._hashes))
            view = view[len(piece) :]

    def _write(self, piece: bytes | memoryview) -> None:
        self._upload.write(piece)
        self._tail += piece
        self._position += len(piece)
        if len(self._tail) == self._upload.part_size:
            self._tail.clear()

    def _rest(self) -> None:
        """Make durable what came, up to the last byte."""
        self._upload.leave()
        self._checkpoints.report()
        if self._position - len(self._tail) != self._checkpoints.ledger.offset:
            return  # a part did not arrive: the client is told how far the others go
        offset = self._position
        if self._tail:
            self._services.store.put_many({layout.tail(self._one.id, offset): bytes(self._tail)})
        self._keep(len(self._tail))

    def _keep(self, tail_size: int) -> None:
        ledger, before = self._checkpoints.ledger, self._one
        states = _saved(self._hashes) if tail_size else ledger.checkpoint
        ledger = replace(ledger, upload_id=self._upload.id, checkpoint=states)
        expires = self._services.now() + LIFE
        now = replace(before, ledger=ledger, tail_size=tail_size, expires=expires)
        with self._services.catalogue.write() as tx:
            resumables.keep(tx, now, self._transfer)
        self._one = now
        if before.tail_size and before.offset != now.offset:
            self._services.store.delete(layout.tail(before.id, before.offset))

    def _finish(self) -> None:
        one = self._one
        self._upload.commit()
        self._services.store.settle([self._place])
        digests = {name: running.hexdigest() for name, running in self._hashes.items()}
        new = NewFile(
            key=one.key,
            size=one.size,
            content=_content(one),
            root_digest=digests[self._services.root_digest],
            digests=digests,
            declared={},
        )
        deposit.attach(self._services, self._draft.deposit, self._transfer, new)
        self._services.store.delete(layout.tails(one.id))
        self._one = replace(one, ledger=replace(one.ledger, offset=one.size), tail_size=0)
