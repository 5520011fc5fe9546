"""Use case: a file that comes into a draft in several requests, each going on where the one before ended.

What is told as the offset is durable, digests' states included: whole parts in the store's upload, and what lies behind
the last of them in an object of its own. So any process goes on, whatever became of the one before, and without waiting
for it: the newest request has the upload, and one that was overtaken notes nothing any more and brings nothing in. An
offset at the end of the file is never noted, for it would tell the client that the file is in its draft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

from pipeline.catalogue import draft_files, drafts, resumables, transfers
from pipeline.catalogue.draft_files import NewFile
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.resumables import Resumable
from pipeline.errors import (
    Conflict,
    Gone,
    HeadraceError,
    Missing,
    Rejected,
    SourceChanged,
    TooLong,
    Unavailable,
    WrongChecksum,
)
from pipeline.ingest import abandonment, arrival, bounds, tails, transferring
from pipeline.ingest.checkpoints import Checkpoints
from pipeline.ingest.committed import find_committed
from pipeline.ingest.digests import (
    HAVE_STATES,
    Hash,
    StatefulHash,
    fanned_out,
    is_of_this_engine,
    new_hashes,
    restored,
    resumable_hashes,
    saved,
)
from pipeline.ingest.room import require_room
from pipeline.ingest.tails import Tail
from pipeline.model import JsonObject
from pipeline.ports import Upload
from pipeline.services import Services
from pipeline.store import layout
from pipeline.store.transfer import before_checkpoint

LIFE = timedelta(days=1)
"""How long an upload waits to be gone on with."""
_LOST = "The store does not have any more what had come of the upload."


def create(services: Services, draft: Draft, key: str, size: int) -> Resumable:
    """An upload of `size` bytes into a draft. Raises as `arrival.receive` does before it takes anything, `Rejected` for
    more bytes than the store has objects of and for an upload too many, `Unavailable` where states of digests cannot be
    saved here."""
    arrival.require_takeable(services, draft, key, size)
    services.store.requests(size)  # refuses what no object may have
    states = _saved(resumable_hashes(_algorithms(services)))
    if restored(states["digests"], _algorithms(services)) is None:
        raise Unavailable("states of digests cannot be saved here, so no upload can be gone on with")
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        bounds.require_open_uploads(tx, services, one, 1)
        number = transferring.begin(services, tx, draft.deposit.id, key)
        transfers.end(tx, number, now=services.now())
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
    *,
    admitted: arrival.Admitted,
) -> Resumable:
    """Take what comes behind `offset`, from whichever request is at the upload; where that is the end of the file, the
    file is in the draft once this returns. With a `checksum` (algorithm, hex), all that comes is taken or nothing.
    Where the client goes away, what came is kept. Raises `Conflict` where the upload is not at this offset, or another
    request went on with it meanwhile; `WrongChecksum`; `TooLong`; `Gone` where it has to be begun again;
    `OutOfSpace` where the rest would leave less room than must stay free; what `arrival.attach` and `blocks` raise."""
    one = find(services, draft, number)
    require_room(services, reserved=one.size - one.offset)
    with services.catalogue.write() as tx:
        drafts.locked(tx, draft.deposit.id)
        mine = transferring.begin(services, tx, draft.deposit.id, one.key)
        one = resumables.claim(tx, number, mine, now=services.now(), expires=services.now() + LIFE)
        if one.offset != offset:
            raise Conflict(f"the upload is at {one.offset}, not at {offset}", field="Upload-Offset")
    try:
        with transferring.under_way(services, mine) as require:
            return _Sitting(services, draft, one, mine, require, checksum, admitted).take(blocks)
    finally:
        with suppress(HeadraceError), services.catalogue.write() as tx:
            transfers.end(tx, mine, now=services.now())


def _algorithms(services: Services) -> list[str]:
    """Those that can be gone on with."""
    wanted = [services.root_digest, "md5", *services.settings.digests]
    return [name for name in dict.fromkeys(wanted) if name in HAVE_STATES]


def _saved(hashes: Mapping[str, Hash]) -> JsonObject:
    states = {name: one.state() for name, one in hashes.items() if isinstance(one, StatefulHash)}
    return {"digests": saved(states)}


class _Sitting:
    """One request that goes on with an upload. `require` raises where no more is to come."""

    def __init__(
        self,
        services: Services,
        draft: Draft,
        one: Resumable,
        transfer: int,
        require: Callable[[], None],
        checksum: tuple[str, str] | None,
        admitted: arrival.Admitted,
    ) -> None:
        self._services = services
        self._draft = draft
        self._one = one
        self._transfer = transfer
        self._require = require
        self._checksum = checksum
        self._admitted = admitted
        self._begun_by = one.begun_by or transfer
        self._content = layout.resumable_path(one.key, one.id, self._begun_by)
        self._place = layout.content(draft.deposit.home, self._content)
        self._hashes = self._restored()
        self._digesting = fanned_out(self._hashes)
        self._upload = self._resumed()
        self._tail = Tail(services.store, one.id, transfer, one.ledger.offset)
        self._position = one.ledger.offset
        self._noted = {part.number for part in one.ledger.parts}
        self._cut: HeadraceError | None = None
        ledger = replace(one.ledger, upload_id=self._upload.id, part_size=self._upload.part_size)
        self._checkpoints = Checkpoints(self._upload, ledger, {}, lambda _news: self._note_parts())

    def _restored(self) -> Mapping[str, Hash]:
        states = self._one.ledger.checkpoint["digests"]
        hashes = restored(states, _algorithms(self._services))
        if hashes is not None:
            return hashes
        if is_of_this_engine(states):  # damaged, or of other algorithms than are wanted by now
            raise self._lost("The states of the upload's digests cannot be used any more.")
        raise Unavailable(
            "The states of the upload's digests are of another machine.",
            remedy="Try again, which may reach that machine; or DELETE the upload, and begin it again.",
        )

    def _resumed(self) -> Upload:
        ledger = self._one.ledger
        known = ledger if ledger.offset else None
        upload = self._services.store.begin(self._place, self._told_size(), known, from_network=True)
        if upload.offset == ledger.offset:
            return upload
        upload.abort()
        committed = find_committed(self._services.store, self._place, self._one.size, ledger)
        if committed is not None:
            return committed
        raise self._lost(_LOST)

    def _lost(self, why: str) -> Gone:
        """End the upload, which cannot be gone on with. Raises `Conflict` where this request was overtaken: then what
        it misses may have gone with that, and others go on."""
        abandonment.give_up(self._services, self._one, by=self._transfer)
        return Gone(why)

    def _told_size(self) -> int | None:
        """Only where it has to be told: parts of what has no size are the smallest, and so are tails."""
        largest = self._services.store.traits.largest_unsized
        return self._one.size if largest is not None and self._one.size > largest else None

    def take(self, blocks: Iterable[bytes]) -> Resumable:
        try:
            self._restore_tail()
            self._feed(blocks)
            if self._position == self._one.size:
                self._finish()
            else:
                self._rest()
                if self._cut:
                    raise self._cut
        except BaseException:
            with suppress(HeadraceError):
                self._upload.leave()
            self._clear_up()
            raise
        return self._one

    def _restore_tail(self) -> None:
        try:
            for block in tails.saved(self._services.store, self._one):
                self._write(block)
        except Missing:
            raise self._lost(_LOST) from None

    def _feed(self, blocks: Iterable[bytes]) -> None:
        check = new_hashes([self._checksum[0]]) if self._checksum else {}
        checking = fanned_out(check)
        for block in self._until_cut(blocks):
            if self._position + len(block) > self._one.size:
                raise TooLong("More came than the upload was said to be long.")
            checking.feed(block)
            self._digest(block)
            self._require()
            if not check:
                self._checkpoints.report_in_time()
            del block  # not to be held while the next one comes
        self._digesting.finish()
        checking.finish()
        if self._checksum:
            if self._cut:
                raise self._cut
            if check[self._checksum[0]].hexdigest() != self._checksum[1]:
                raise WrongChecksum("The checksum is not that of what came.", field="Upload-Checksum")

    def _until_cut(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Where the client goes away, what came before is not lost for it."""
        try:
            yield from blocks
        except Rejected as cut:
            self._cut = cut

    def _digest(self, block: bytes) -> None:
        """Digest and write, piece by piece: the states at each border of parts can be gone on from."""
        start = 0
        while start < len(block):
            # Of bytes, for digests with a state have to copy a view. All of a block is no copy.
            piece = block[start : start + self._upload.part_size - self._tail.size]
            self._digesting.feed(piece)
            self._write(piece)
            if not self._tail.size:
                self._digesting.finish()
                self._checkpoints.passed(self._position, _saved(self._hashes))
            start += len(piece)

    def _write(self, piece: bytes | memoryview) -> None:
        try:
            self._upload.write(piece)
        except SourceChanged:  # the file was whole once, and its object is there
            raise Conflict("other bytes of the file came before") from None
        self._position += len(piece)
        if self._tail.size + len(piece) == self._upload.part_size:
            self._tail.begin_again(self._position)
        else:
            self._tail.add(piece)

    def _rest(self) -> None:
        """Make durable what came, up to the last byte."""
        self._upload.leave()
        self._checkpoints.report()
        offset = self._checkpoints.ledger.offset
        if self._position - self._tail.size != offset:
            return  # a part did not arrive: the client is told how far the others go
        self._tail.save()
        self._note(_saved(self._hashes), self._tail.size)
        if self._upload.id and not offset:
            self._end_begun()  # the tail is all that there is

    def _note_parts(self) -> None:
        ledger = self._checkpoints.ledger
        if self._one.ledger.offset < ledger.offset < self._one.size:
            self._note(ledger.checkpoint, 0)

    def _note(self, states: JsonObject, tail_size: int) -> None:
        before, ledger = self._one, self._checkpoints.ledger
        new = [part for part in before_checkpoint(ledger) if part.number not in self._noted]
        upload_id, begun_by = (self._upload.id, self._begun_by) if ledger.offset else ("", None)
        now = replace(
            before,
            expires=self._services.now() + LIFE,
            ledger=replace(ledger, upload_id=upload_id, checkpoint=states),
            begun_by=begun_by,
            tail_size=tail_size,
            tail_of=self._transfer if tail_size else None,
        )
        with self._services.catalogue.write() as tx:
            resumables.keep(tx, now, self._transfer, new)
        self._noted.update(part.number for part in new)
        self._one = now
        if before.tail_of not in (None, now.tail_of):
            self._services.store.delete(layout.tail(before.id, before.tail_of))

    def _finish(self) -> None:
        one = self._one
        self._upload.commit()
        self._services.store.settle([self._place])
        digests = {name: running.hexdigest() for name, running in self._hashes.items()}
        new = NewFile(
            key=one.key,
            size=one.size,
            content=self._content,
            root_digest=digests[self._services.root_digest],
            digests=digests,
            declared={},
        )
        attach = partial(
            arrival.attach,
            self._services,
            self._draft.deposit,
            self._transfer,
            new,
            admitted=self._admitted,
            upload=one.id,
        )
        transferring.insist(attach)
        with suppress(Unavailable):  # a sweep finds them
            abandonment.clear(self._services, one, but=self._place)
        self._one = replace(one, ledger=replace(one.ledger, offset=one.size), tail_size=0, tail_of=None)

    def _clear_up(self) -> None:
        """Take away what this request left that nobody goes on with, having been overtaken, or as the upload is over.
        Where that fails, it goes with the upload."""
        with suppress(HeadraceError):
            with self._services.catalogue.read() as tx:
                begun_by, tail_of = resumables.places(tx, self._one.id)
                is_held = draft_files.holds(tx, self._draft.deposit, self._content)
            if tail_of != self._transfer:
                self._services.store.delete(layout.tail(self._one.id, self._transfer))
            if begun_by != self._begun_by and not is_held:
                self._end_begun()
                self._services.store.delete(self._place)

    def _end_begun(self) -> None:
        for found in self._services.store.open_uploads(self._place.rpartition("/")[0]):
            self._services.store.end_upload(found)
