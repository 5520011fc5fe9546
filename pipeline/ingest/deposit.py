"""Use case: deposits over HTTP, from an empty draft to its publication.

Who may do what was decided before: these functions are asked by somebody who may. Each is one step, or one file: what
is answered is durable, and what was cut off has changed nothing that anybody sees.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from pipeline import codec, publication, refusals
from pipeline.access import lifted
from pipeline.catalogue import (
    Transaction,
    accounts,
    communities,
    deposit_files,
    deposits,
    draft_files,
    drafts,
    extra_formats,
    identifiers,
    pending_files,
    records,
    requests,
    resumables,
    transfers,
)
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.deposits import Deposit
from pipeline.catalogue.drafts import Draft, NewDraft
from pipeline.communities.requests import RequestState
from pipeline.errors import (
    Conflict,
    Denied,
    FieldFault,
    InvalidFields,
    Missing,
    Rejected,
    Stale,
)
from pipeline.ingest import abandonment, arrival, bounds
from pipeline.ingest.reservation import has_reserved
from pipeline.lifecycle import DepositEvent
from pipeline.metadata.deposit_form import DepositMetadata, Unsaid, faults_at_publish
from pipeline.metadata.rdm_form import misunderstood_access
from pipeline.model import (
    Access,
    Concept,
    DepositAction,
    Description,
    RecordState,
)
from pipeline.pid.doi import is_own, prefix_is_managed, same, version_doi
from pipeline.services import Services
from pipeline.store import layout

_TOO_LATE = "File modification grace period has passed. Please discard this draft to make any changes."
_TRANSFERRING = "One or more files have not completed their transfer, please wait."


def create(services: Services, given: DepositMetadata, account: Account) -> Draft:
    """An empty draft of a new work."""
    now = services.now()
    with services.catalogue.write() as tx:
        # As on Zenodo, the concept has the number before its first version's.
        concept_id, record_id = identifiers.allot(tx, 2)
        records.add_concepts(tx, [Concept(concept_id, owner=account.email)], now=now)
        new = _new(DepositAction.NEW, concept_id, record_id, None, given)
        return drafts.add(tx, new, account_id=account.id, now=now)


def _new(
    action: DepositAction, concept_id: int, record_id: int, base_record_id: int | None, given: DepositMetadata
) -> NewDraft:
    return NewDraft(
        concept_id=concept_id,
        record_id=record_id,
        base_record_id=base_record_id,
        action=action,
        # Not where the bytes of a version are in the end: whether it will be one nobody knows.
        home="" if action is DepositAction.REVISION else layout.staged(record_id),
        description=given.description,
        has_metadata=given.has_metadata,
        dropped=given.errors,
    )


def find(services: Services, record_id: int) -> Draft:
    """The open draft of a record. Raises `Missing`."""
    with services.catalogue.read() as tx:
        return drafts.get(tx, record_id)


def replace_description(
    services: Services, draft: Draft, given: DepositMetadata, *, expected: int | None = None
) -> Draft:
    """Replace all that the draft says of itself, but for what was left unsaid; only at the revision `expected`, where
    there is one. Raises `Missing` where it is open no more, `Stale` at another revision."""
    now = services.now()
    with services.catalogue.write() as tx:
        current = drafts.locked_draft(tx, draft.deposit.id)
        _require_revision(current, expected)
        return drafts.describe(
            tx,
            current,
            _completed(services, current, given),
            has_metadata=given.has_metadata,
            dropped=given.errors,
            now=now,
        )


def _require_revision(draft: Draft, expected: int | None) -> None:
    if expected not in (None, draft.revision):
        raise Stale(
            f"The draft has changed since: it is at revision {draft.revision}, not {expected}.",
            remedy="Read it again, and send the change with the ETag that it has then.",
        )


def _completed(services: Services, current: Draft, given: DepositMetadata) -> Description:
    """What a request says, and the draft had said before where the request says nothing of it."""
    said, before = given.description, current.description
    if Unsaid.FILES_VIEW in given.unsaid:
        said = replace(said, files=before.files)
    if Unsaid.COMMUNITIES in given.unsaid:
        said = replace(said, communities=before.communities)
    stays = Unsaid.RESERVATION in given.unsaid and has_reserved(services, current)
    if said.doi is None and (stays or Unsaid.DOI in given.unsaid):
        said = replace(said, doi=before.doi)
    return said


def edit(services: Services, record_id: int, account: Account) -> Draft:
    """A draft that changes the description of a published record: the one that is open, if there is one. Raises
    `Missing` where the record is not published."""
    with services.catalogue.write() as tx:
        with suppress(Missing):
            return drafts.get(tx, record_id)
        record = records.get(tx, record_id)
        _require_published(record.state)
        new = _new(
            DepositAction.REVISION,
            record.concept_id,
            record_id,
            record_id,
            DepositMetadata(_begun(record.description, services.now()), has_metadata=True),
        )
        keeper = _keeper(tx, record.owner, account)
        with suppress(Conflict):  # somebody else was faster
            return drafts.add(tx, new, account_id=keeper.id, now=services.now())
        return drafts.get(tx, record_id)


def _begun(published: Description, now: datetime) -> Description:
    """What a draft of a published record begins with: communities, which ingests leave in descriptions, were acted on,
    and are not asked again because something else is changed."""
    return replace(lifted(published, today=now.date()), communities=())


def _keeper(tx: Transaction, owner: str, account: Account) -> Account:
    """Whose a draft of what somebody owns is: theirs, whoever begins it, if they have an account."""
    return accounts.find_account(tx, owner) or account


def new_version(
    services: Services,
    record_id: int,
    account: Account,
    may_follow: Callable[[str], bool],
    *,
    with_files: bool,
) -> Draft:
    """A draft of the next version of a published record's work, which begins as the newest one: with its description
    but for date and version, and, where asked for, with its files. The one that is open, if there is one. Versions may
    have other owners than the record: `may_follow` says whether what such an owner has may be gone on with. Raises
    `Missing` where the record is not published, `Denied` where it may not, or where its DOI is another's to give
    versions to."""
    now = services.now()
    with services.catalogue.write() as tx:
        record = records.get(tx, record_id)
        _require_published(record.state)
        base = records.get(tx, records.newest_published(tx, record.concept_id))
        _require_published(base.state)
        if not may_follow(base.owner):
            raise refusals.not_permitted()
        if (found := _next_version(tx, record.concept_id, may_follow)) is not None:
            return _with_files(tx, found, now) if with_files else found
        if base.description.doi is not None:
            raise Denied(
                "A record with an external DOI cannot have new versions.",
                remedy="Begin a new deposition, and name this record in its related identifiers.",
            )
        [new_id] = identifiers.allot(tx, 1)
        left_out = {"publication_date", "version"}
        metadata = {key: value for key, value in base.description.metadata.items() if key not in left_out}
        metadata["publication_date"] = now.date().isoformat()
        given = DepositMetadata(replace(_begun(base.description, now), metadata=metadata), has_metadata=True)
        new = _new(DepositAction.VERSION, base.concept_id, new_id, base.id, given)
        keeper = _keeper(tx, base.owner, account)
        with suppress(Conflict):  # somebody else was faster
            draft = drafts.add(tx, new, account_id=keeper.id, now=now)
            if with_files:
                draft_files.import_files(tx, draft.deposit, now=now)
        if (found := _next_version(tx, record.concept_id, may_follow)) is not None:
            return found
    raise refusals.unknown_id()


def _with_files(tx: Transaction, draft: Draft, now: datetime) -> Draft:
    """Who asks for a new version again takes over the files of the one before, where it has none."""
    base = records.get(tx, draft.deposit.base_record_id or 0)
    if draft.deposit.files_total or draft.deposit.files_open or base.state is RecordState.WITHDRAWN:
        return draft
    draft_files.import_files(tx, drafts.locked(tx, draft.deposit.id), now=now)
    return drafts.get(tx, draft.record_id)


def _next_version(tx: Transaction, concept_id: int, may_follow: Callable[[str], bool]) -> Draft | None:
    found = drafts.next_version(tx, concept_id)
    if found is not None and not may_follow(found.owner):
        raise refusals.not_permitted()
    return found


def import_files(services: Services, draft: Draft) -> Draft:
    """Give a new version that has no files, nor waits for any, those of the version that it follows. Raises `Rejected`
    where it has, `Missing` where it follows none or is open no more, `Denied` for an edit."""
    arrival.require_own_files(draft)
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        if one.base_record_id is None:
            raise Missing("There is no version before this one, whose files could be taken over.")
        _require_published(records.get(tx, one.base_record_id).state)
        if one.files_total or one.files_open:
            raise Rejected("Please remove all files first.")
        draft_files.import_files(tx, one, now=services.now())
        return drafts.get(tx, one.record_id)


def _require_published(state: RecordState) -> None:
    if state is not RecordState.PUBLISHED:
        raise refusals.unknown_id()


def discard(services: Services, draft: Draft, *, expected: int | None = None) -> None:
    """Give a draft up, with its files, also one that waits for verdicts; a published record stays as it is. Its id is
    not given again. Only at the revision `expected`, where there is one. Raises `Missing` where it is open no more,
    `Stale` at another revision, `Rejected` while it is under review."""
    with services.catalogue.write() as tx:
        current = drafts.locked_draft(tx, draft.deposit.id, may_be_sealed=True)
        _require_revision(current, expected)
        one = current.deposit
        _end_review(tx, one, "delete", now=services.now())
        if one.action is DepositAction.NEW:
            communities.forget_work(tx, one.concept_id)
        transfers.end_all(tx, one.id)
        given_up = resumables.expire_all(tx, one.id, now=services.now())
        if one.action is not DepositAction.REVISION:
            extra_formats.forget(tx, one.record_id)
        deposit_files.forget(tx, [one.id])
        pending = pending_files.remove_all(tx, one)
        deposits.move(tx, [one], DepositEvent.CANCEL)
    for upload in given_up:
        abandonment.end(services, upload)
    for each in pending:
        arrival.end_upload(services, one, each)
    if one.home:
        services.store.delete(one.home)


def publish_as_filled_in(services: Services, draft: Draft, given: DepositMetadata, *, expected: int) -> bool:
    """Save what somebody filled in, who was shown revision `expected`, and publish that; what is refused stays saved.
    Who fills in a form sees no other answer than whether it is published, so, unlike with `publish` alone, it is not
    where something that they said would be dropped, or a community that they named is not there. Raises as
    `replace_description` and `publish`; `Stale` also where somebody else saved in between."""
    saved = replace_description(services, draft, given, expected=expected)
    if given.dropped:
        raise InvalidFields(tuple(FieldFault(one.field, (one.reason,), one.remedy) for one in given.dropped))

    def look(tx: Transaction, current: Draft) -> None:
        _require_revision(current, saved.revision)
        if unknown := tuple(unknown_communities(tx, current.description.communities)):
            raise InvalidFields(unknown)

    return publish(services, saved, looking=look)


def unknown_communities(tx: Transaction, slugs: Collection[str]) -> Iterator[FieldFault]:
    """Those that there are not, or not any more."""
    known = communities.by_slugs(tx, {one.lower() for one in slugs})
    unknown = tuple(f"There is no community called {one}." for one in slugs if one.lower() not in known)
    if unknown:
        yield FieldFault("metadata.communities", unknown)


def publish(
    services: Services,
    draft: Draft,
    *,
    looking: Callable[[Transaction, Draft], None] | None = None,
    accepting: Callable[[Transaction], None] | None = None,
) -> bool:
    """Make the draft a record, or a new revision of one; whether it is that already: under the scan gate `publish` it
    is so once nothing was found in its files. One that is under review is published by `accepting` that. That is done
    in the same transaction, as is `looking` before it at the draft, which is locked. Raises `Missing` where it is open
    no more, `InvalidFields` with all that is wrong with it, `Rejected` for what stands against it elsewhere in the
    archive, what `looking` and `accepting` do."""

    def check(tx: Transaction, current: Draft) -> Deposit:
        if looking is not None:
            looking(tx, current)
        if accepting is None:
            _end_review(tx, current.deposit, "publish", now=services.now())
        else:
            accepting(tx)
        return require_publishable(tx, services, current)

    before = _published_access(services, draft)
    is_out = publication.publish_draft(services, draft.deposit.id, check)
    if before is not None and before != _published_access(services, draft):
        publication.show_at_once(services, [draft.record_id])
    return is_out


def _published_access(services: Services, draft: Draft) -> Access | None:
    """Who may read the files of the record that the draft changes; None where it makes a new one."""
    if not draft.is_edit:
        return None
    with services.catalogue.read() as tx:
        return records.get(tx, draft.record_id).description.access


def faults_of(services: Services, draft: Draft) -> Iterator[FieldFault]:
    """What the draft's description is not published for."""
    yield from faults_at_publish(draft.description, today=services.now().date())
    yield from _doi_faults(services, draft)


def require_publishable(tx: Transaction, services: Services, draft: Draft) -> Deposit:
    """What a draft, which is locked, is to be published as. Raises `InvalidFields` with all that is wrong with it."""
    current = _without_own_doi(tx, services, draft)
    one = current.deposit
    found = [*faults_of(services, current), *misunderstood_access(current.dropped)]
    if one.home:
        found += [*_file_faults(tx, one, services.now()), *bounds.faults(tx, services, current)]
    if current.files_until is not None and services.now() >= current.files_until:
        found.append(FieldFault("files", (_TOO_LATE,)))
    if found:
        raise InvalidFields(tuple(found))
    return one


def _end_review(tx: Transaction, one: Deposit, action: str, *, now: datetime) -> None:
    """A review that nobody was asked for yet is none any more. Raises `Rejected` while a draft is under review."""
    if one.action is not DepositAction.NEW:
        return
    review = requests.review(tx, one.record_id, now=now)
    if review is not None and review.is_open:
        raise refusals.under_review(action)
    if review is not None and review.state is RequestState.CREATED:
        requests.remove(tx, review)


def _without_own_doi(tx: Transaction, services: Services, draft: Draft) -> Draft:
    """Whoever names the DOI that the record is given anyway has brought none."""
    description = draft.description
    if description.doi is None or not same(
        description.doi, version_doi(services.repository, draft.record_id)
    ):
        return draft
    document = codec.description_to_json(replace(description, doi=None))
    deposits.change(tx, draft.deposit.id, description=document)
    return replace(draft, deposit=replace(draft.deposit, description=document))


def _doi_faults(services: Services, draft: Draft) -> Iterator[FieldFault]:
    """Under our own prefix a record has the DOI that it is given, and no other; what is published keeps its own."""
    doi = draft.description.doi
    if doi and not draft.is_edit and is_own(services.repository, doi):
        own = version_doi(services.repository, draft.record_id)
        text = f"{prefix_is_managed(services.repository)}: leave the DOI out, or use {own}."
        yield FieldFault("pids.doi", (text,))


def _file_faults(tx: Transaction, one: Deposit, now: datetime) -> Iterator[FieldFault]:
    if one.files_open:
        [waiting] = pending_files.page(tx, one.id, limit=1)
        remedy = f"'{waiting.key}' was announced and is not committed: send and commit it, or delete it."
        yield FieldFault("files", (_TRANSFERRING,), remedy)
    elif transfers.are_under_way(tx, one.id, now=now):
        yield FieldFault("files", (_TRANSFERRING,))
    elif (key := resumables.half_sent(tx, one.id, now=now)) is not None:
        text = f"'{key}' has come in part only: send the rest of it, or end its upload with DELETE."
        yield FieldFault("files", (text,))
    elif one.files_total == 0:
        text = "Missing uploaded files. To disable files for this record please mark it as metadata-only."
        yield FieldFault("files.enabled", (text,))
    elif _has_withdrawn_files(tx, one):
        text = "The version that files were taken over from was withdrawn: delete them, or send them anew."
        yield FieldFault("files", (text,))


def _has_withdrawn_files(tx: Transaction, one: Deposit) -> bool:
    if one.base_record_id is None or not draft_files.has_imported(tx, one.id):
        return False
    return records.get(tx, one.base_record_id).state is RecordState.WITHDRAWN
