"""Use case: files of drafts that come in parts, in any order, straight into the store where it gives URLs for that
(InvenioRDM's multipart transfer).

Nobody reads them while they come, so their digests are not known when they are committed: the *examine* effect computes
them, and until then the draft is not published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

from pipeline import refusals
from pipeline.catalogue import draft_files, drafts, outbox, pending_files, transfers
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.draft_files import MULTIPART, DraftFile, NewFile
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.pending_files import AnnouncedFile, Multipart, PendingFile
from pipeline.errors import Conflict, Gone, HeadraceError, Missing, Rejected
from pipeline.ingest import arrival, bounds, deposit, transferring
from pipeline.ingest.room import require_room
from pipeline.model import EffectKind
from pipeline.ports import LONGEST_SIGNED, OpenUpload, PartsUpload
from pipeline.services import Services
from pipeline.store import layout

LIFE = LONGEST_SIGNED
"""How long parts are waited for."""
_BATCH = 100


def begin(services: Services, draft: Draft, files: Sequence[AnnouncedFile]) -> dict[str, Multipart]:
    """An upload of the store for each file that comes in parts, by key; all, or none. They are nobody's until they are
    noted with their file. Raises `Missing` where the draft is open no more, `Rejected` where it has too many open,
    `OutOfSpace` without room for all."""
    files = [one for one in files if one.part_size]
    numbers: list[int] = []
    if files:
        require_room(services, reserved=sum(one.plan.size for one in files))
        with services.catalogue.write() as tx:
            one = drafts.locked(tx, draft.deposit.id)
            bounds.require_open_uploads(tx, services, one, len(files))
            for each in files:
                numbers.append(transferring.begin(services, tx, one.id, each.key))
                transfers.end(tx, numbers[-1], now=services.now())
    begun: dict[str, Multipart] = {}
    try:
        for each, number in zip(files, numbers, strict=True):
            content = layout.deposited_path(each.key, number)
            upload = services.store.begin_parts(layout.content(draft.deposit.home, content), each.plan)
            begun[each.key] = Multipart(content, upload.id, services.now() + LIFE)
    except BaseException:
        give_up(services, draft, begun)
        raise
    return begun


def give_up(services: Services, draft: Draft, begun: dict[str, Multipart]) -> None:
    """End uploads that were begun and not noted. What is left where this fails is swept."""
    for one in begun.values():
        place = layout.content(draft.deposit.home, one.content)
        with suppress(HeadraceError):
            services.store.end_upload(OpenUpload(place, one.upload_id, services.now()))


def urls(services: Services, draft: Draft, pending: PendingFile) -> Iterator[str | None]:
    """Where each part may be sent straight to the store until the file expires; None where the store gives no URLs.
    Raises `Rejected` for a file that does not come in parts."""
    upload = _upload(services, draft.deposit.home, pending)
    lifetime = max(_parts(pending).expires - services.now(), timedelta(seconds=1))
    for number in range(1, pending.announced.plan.count + 1):
        yield upload.url(number, lifetime)


def _opened(services: Services, home: str, pending: PendingFile) -> PartsUpload:
    """The upload of a pending file that comes in parts, to be gone on with. Raises `Rejected` for any other, `Gone` for
    one that has expired."""
    if _parts(pending).expires <= services.now():
        raise Gone(
            f"The upload of '{pending.key}' has expired.",
            remedy="Delete the file from the draft, announce it again and send all of its parts.",
        )
    return _upload(services, home, pending)


def _upload(services: Services, home: str, pending: PendingFile) -> PartsUpload:
    parts = _parts(pending)
    place = layout.content(home, parts.content)
    return services.store.open_parts(place, pending.announced.plan, parts.upload_id)


def _parts(pending: PendingFile) -> Multipart:
    if pending.multipart is None:
        raise Rejected(f"File with key {pending.key} does not come in parts.")
    return pending.multipart


def receive_part(
    services: Services,
    draft: Draft,
    pending: PendingFile,
    number: int,
    blocks: Iterable[bytes],
    *,
    size: int | None,
    admitted: arrival.Admitted,
) -> None:
    """Take a part, of `size` bytes where that is told; durable when this returns, and it can be sent again. Raises
    `Missing` for a number that is no part's, and where the draft is open no more; `Gone` where the file has expired;
    `Rejected` for any other size than that of the part; what `ports.PartsUpload.write`, `blocks` and
    `admitted` raise."""
    upload, plan = _opened(services, draft.deposit.home, pending), pending.announced.plan
    if not 1 <= number <= plan.count:
        raise Missing(f"File '{pending.key}' has {plan.count} parts.")
    if size not in (None, plan.length(number)):
        raise Rejected(f"Part {number} has {plan.length(number):,} bytes, not {size:,}.")
    require_room(services, reserved=plan.length(number))
    try:
        upload.write(number, _asked_at_the_end(services, blocks, admitted))
    except Conflict:
        # It is over as well where the draft was discarded meanwhile.
        deposit.find(services, draft.record_id)
        raise


def _asked_at_the_end(
    services: Services, blocks: Iterable[bytes], admitted: arrival.Admitted
) -> Iterator[bytes]:
    """The blocks. Who has lost the right when all have come has sent no part; what was there of it may be gone, for a
    store on a disk writes over it from the first block on, and is to be sent again. Asked apart from what notes the
    part, which is the store and not the catalogue."""
    yield from blocks
    with services.catalogue.read() as tx:
        admitted(tx)


def commit(services: Services, draft: Draft, pending: PendingFile) -> DraftFile:
    """Have the parts made one, by what the store has of them: the file is the draft's from then on, and unread. A call
    that was cut off anywhere can be repeated. Raises `Missing` where the draft is open no more or the file was given
    up, `Gone` where it has expired; what `ports.PartsUpload.commit` raises."""
    upload = _opened(services, draft.deposit.home, pending)
    try:
        md5_of_parts = upload.commit()
        services.store.settle([layout.content(draft.deposit.home, pending.content)])
        file = _attach(services, draft, pending, md5_of_parts)
    except (Conflict, Missing):
        _drop_unless_held(services, draft.deposit, pending)
        # As for parts; or another call was faster.
        deposit.find(services, draft.record_id)
        raise
    with suppress(HeadraceError):  # else it is swept
        arrival.end_upload(services, draft.deposit, pending)
    return file


def _attach(services: Services, draft: Draft, pending: PendingFile, md5_of_parts: str) -> DraftFile:
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        still = pending_files.find(tx, one.id, pending.key)
        if still is None or still.id != pending.id:
            done = draft_files.find(tx, one.id, pending.key)
            if done is None or done.content != pending.content:
                raise refusals.no_file(one.record_id, pending.key)
            return done
        pending_files.remove(tx, one, pending.key)
        outbox.want(tx, [(EffectKind.EXAMINE, one.record_id)], now=services.now())
        file, _ = draft_files.put(tx, one, _unread(pending, md5_of_parts), now=services.now())
        return file


def _unread(pending: PendingFile, md5_of_parts: str) -> NewFile:
    announced, parts = pending.announced, _parts(pending)
    return NewFile(
        key=announced.key,
        size=announced.plan.size,
        content=parts.content,
        root_digest=None,
        digests={MULTIPART: f"{md5_of_parts or f'sending-{pending.id}'}-{announced.part_size}"},
        declared=announced.declared,
    )


def _drop_unless_held(services: Services, one: Deposit, pending: PendingFile) -> None:
    """Delete what was committed in the store of a file that was given up meanwhile."""
    with suppress(HeadraceError):
        with services.catalogue.read() as tx:
            is_held = draft_files.holds(tx, one, pending.content)
        if not is_held:
            services.store.delete(layout.content(one.home, pending.content))


def expired(services: Services) -> Iterator[PendingFile]:
    """Files whose parts did not come in time."""
    last = 0
    while True:
        with services.catalogue.read() as tx:
            due = pending_files.expired(tx, now=services.now(), after=last, limit=_BATCH)
        if not due:
            return
        yield from due
        last = due[-1].id


def place(services: Services, pending: PendingFile) -> str:
    """The key of the object that its parts are to be. Raises `Rejected` for a file that does not come in parts."""
    with services.catalogue.read() as tx:
        home = drafts.home(tx, pending.deposit_id)
    return layout.content(home, _parts(pending).content)


def end(services: Services, pending: PendingFile) -> bool:
    """Give a file up, with the parts that came; whether it was still pending."""
    try:
        with services.catalogue.write() as tx:
            one = drafts.locked(tx, pending.deposit_id, may_be_sealed=True)
            still = pending_files.find(tx, one.id, pending.key)
            if still is None or still.id != pending.id:
                return False
            pending_files.remove(tx, one, pending.key)
    except Missing:
        return False  # the draft is open no more: what it had was ended with it
    arrival.drop_content(services, one, pending)
    return True
