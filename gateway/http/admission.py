"""From an id in an address to the draft, the record or the work that the asker may see or change. Each asks
`catalogue.rights`; none decides."""

from collections.abc import Callable
from dataclasses import replace

from gateway.http.lookup import draft_or_record, number_of, withdrawn
from gateway.http.problems import Unauthenticated
from pipeline import refusals
from pipeline.access import (
    NO_TIES,
    TokenScope,
    Viewer,
    may_change_files,
    may_delete,
    may_enlarge,
    may_name_communities,
    permits,
    right_to,
)
from pipeline.catalogue import Transaction, accounts, drafts, records, rights, sharing
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.drafts import Draft
from pipeline.dissemination import Dissemination
from pipeline.model import Record, RecordState, Right
from pipeline.services import Services


def draft_for(services: Services, record_id: str, viewer: Viewer, right: Right) -> Draft:
    """The open draft. Raises `Missing`, and as `require`."""
    with services.catalogue.read() as tx:
        return draft_in(services, tx, number_of(record_id), viewer, right)


def draft_in(services: Services, tx: Transaction, record_id: int, viewer: Viewer, right: Right) -> Draft:
    draft = drafts.get(tx, record_id)
    require(services, tx, draft, viewer, right)
    return draft


def standing_in(
    services: Services, tx: Transaction, record_id: int, viewer: Viewer, right: Right
) -> Draft | Record:
    """The open draft, else the published record. Raises as `draft_for`."""
    one = draft_or_record(tx, record_id)
    require(services, tx, one, viewer, right)
    return one if isinstance(one, Draft) else _published(one)


def published_in(services: Services, tx: Transaction, record_id: int, viewer: Viewer, right: Right) -> Record:
    """The published record. Raises as `draft_for`."""
    record = records.get(tx, record_id)
    require(services, tx, record, viewer, right)
    return _published(record)


def _published(record: Record) -> Record:
    if record.state is not RecordState.PUBLISHED:
        raise refusals.unknown_id()
    return record


def managed_record(services: Services, tx: Transaction, record_id: int, viewer: Viewer) -> Record:
    """The published record, where the asker manages its work, of which they may own one version or none. Raises as
    `draft_for`."""
    record = records.get(tx, record_id)
    if rights.to_work(tx, record.concept_id, viewer, now=services.now()) < Right.MANAGE:
        raise Unauthenticated if viewer.is_stranger else refusals.not_permitted()
    return _published(record)


def managed_work(services: Services, record_id: str, viewer: Viewer) -> int:
    """The work that a record or a draft is of, where the asker may share it. Raises `Missing`, `Denied`, `Withdrawn` to
    its managers."""
    number = number_of(record_id)
    with services.catalogue.read() as tx:
        one = draft_or_record(tx, number)
        concept_id = one.concept_id if isinstance(one, Record) else one.deposit.concept_id
        if rights.to_work(tx, concept_id, viewer, now=services.now()) < Right.MANAGE:
            raise refusals.not_permitted()
        if isinstance(one, Record) and one.state is RecordState.WITHDRAWN:
            raise withdrawn(services, tx, one.id)
    return concept_id


def require(services: Services, tx: Transaction, one: Draft | Record, viewer: Viewer, right: Right) -> None:
    """Raises `Denied` where the viewer's right to it is less, `Unauthenticated` where they show nothing for
    themselves."""
    if rights.to(tx, one, viewer, now=services.now()) >= right:
        return
    if viewer.is_stranger:
        raise Unauthenticated
    raise refusals.not_permitted()


def still_may(
    services: Services, one: Draft | Record, viewer: Viewer, right: Right
) -> Callable[[Transaction], None]:
    """To be asked again when what took a while ends, as a file that came, within the transaction that notes it, if one
    does: raises `Denied` where the viewer has lost the right to it meanwhile, and where their account was disabled.
    Whose it is has not changed."""

    def require_still(tx: Transaction) -> None:
        require(services, tx, one, _by_now(tx, viewer), right)

    return require_still


def _by_now(tx: Transaction, viewer: Viewer) -> Viewer:
    """The viewer, who has an account, as that is now. Raises `Denied` where nobody is let in for it any more."""
    account = accounts.by_ids(tx, [viewer.known_id]).get(viewer.known_id)
    if account is None or account.disabled:
        raise refusals.not_permitted()
    return replace(viewer, admin=viewer.admin and account.admin)


def require_admin(viewer: Viewer) -> None:
    """Raises `Denied`."""
    if not viewer.admin:
        raise refusals.not_permitted()


def deletable_in(tx: Transaction, record_id: int, viewer: Viewer) -> Record:
    """The record, where the asker may take it out of service. Raises `Missing`, `Denied`."""
    record = records.get(tx, record_id)
    if not may_delete(record, viewer):
        raise refusals.not_permitted()
    return record


def modifiable_in(tx: Transaction, record_id: int, viewer: Viewer) -> Draft:
    """The open edit of a record, where the asker may have its files be changed. Raises `Missing`, `Denied`."""
    record = records.get(tx, record_id)
    if not may_change_files(record, viewer):
        raise refusals.not_permitted()
    return drafts.get(tx, record_id)


def enlargeable_in(tx: Transaction, record_id: int, viewer: Viewer) -> Draft:
    """The open draft, where the asker may have its work hold more. Raises `Missing`, `Denied`."""
    draft = drafts.get(tx, record_id)
    if not may_enlarge(draft.owner, viewer):
        raise refusals.not_permitted()
    return draft


def names_communities(services: Services, tx: Transaction, draft: Draft, viewer: Viewer) -> bool:
    """Whether the viewer says which communities the draft is to be in."""
    return may_name_communities(rights.to(tx, draft, viewer, now=services.now()))


def may_follow(services: Services, tx: Transaction, record: Record, viewer: Viewer) -> Callable[[str], bool]:
    """Whether the viewer may go on with what somebody owns of the record's work."""
    known = rights.ties(tx, [record.concept_id], viewer, now=services.now())
    ties = known.get(record.concept_id, NO_TIES)
    return lambda owner: right_to(owner, viewer, ties) >= Right.EDIT


def with_shares(
    services: Services, tx: Transaction, described: Dissemination, viewer: Viewer
) -> Dissemination:
    """To whoever manages the work, with a token that may write, a record or a draft tells with whom it is shared."""
    concept_id = described.record.concept_id
    if not permits(viewer, TokenScope.DEPOSIT_WRITE):
        return described
    if rights.to_work(tx, concept_id, viewer, now=services.now()) < Right.MANAGE:
        return described
    return replace(described, shares=sharing.of_work(tx, concept_id))


def account_of(viewer: Viewer) -> Account:
    """Whose drafts somebody who is known begins. Raises `Denied` for a stranger."""
    if viewer.account_id is None or viewer.email is None:
        raise refusals.not_permitted()
    return Account(viewer.account_id, viewer.email, viewer.admin)
