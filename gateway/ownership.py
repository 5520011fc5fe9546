"""From an id in an address to the draft or the record that the asker may change."""

from gateway.lookup import number_of
from pipeline import refusals
from pipeline.access import Viewer, owns
from pipeline.catalogue import Transaction, drafts, records
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Missing
from pipeline.model import Record, RecordState
from pipeline.services import Services


def own_draft(services: Services, record_id: str, viewer: Viewer) -> Draft:
    """The open draft. Raises `Missing`, and `Denied` where it is somebody else's."""
    with services.catalogue.read() as tx:
        return draft_in(tx, number_of(record_id), viewer)


def draft_in(tx: Transaction, record_id: int, viewer: Viewer) -> Draft:
    draft = drafts.get(tx, record_id)
    require_owner(draft, viewer)
    return draft


def editable(tx: Transaction, record_id: int, viewer: Viewer) -> Draft | Record:
    """The open draft, else the published record. Raises as `own_draft`."""
    try:
        return draft_in(tx, record_id, viewer)
    except Missing:
        return own_record(tx, record_id, viewer)


def own_record(tx: Transaction, record_id: int, viewer: Viewer) -> Record:
    """The published record. Raises `Missing`, and `Denied` where it is somebody else's."""
    record = records.get(tx, record_id)
    require_owner(record, viewer)
    if record.state is not RecordState.PUBLISHED:
        raise refusals.unknown_id()
    return record


def require_owner(one: Draft | Record, viewer: Viewer) -> None:
    """Raises `Denied`."""
    if not owns(one.owner, viewer):
        raise refusals.not_permitted()


def account_of(viewer: Viewer) -> Account:
    """Whose drafts somebody who is known begins. Raises `Denied` for a stranger."""
    if viewer.account_id is None or viewer.email is None:
        raise refusals.not_permitted()
    return Account(viewer.account_id, viewer.email, viewer.admin)
