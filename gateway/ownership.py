"""From an id in an address to the draft or the record that the asker may change."""

from gateway.lookup import number_of
from pipeline.access import Viewer, owns
from pipeline.catalogue import Transaction, accounts, drafts, records
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Denied, Missing
from pipeline.model import Record, RecordState
from pipeline.services import Services


def own_draft(services: Services, record_id: str, viewer: Viewer) -> Draft:
    """The open draft. Raises `Missing`, and `Denied` where it is somebody else's."""
    with services.catalogue.read() as tx:
        return draft_in(tx, number_of(record_id), viewer)


def draft_in(tx: Transaction, record_id: int, viewer: Viewer) -> Draft:
    draft = drafts.get(tx, record_id)
    if not owns(draft.owner, viewer):
        raise Denied("Permission denied.")
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
    if not owns(record.owner, viewer):
        raise Denied("Permission denied.")
    if record.state is not RecordState.PUBLISHED:
        raise Missing("The persistent identifier does not exist.")
    return record


def account_of(services: Services, viewer: Viewer) -> Account:
    """Raises `Denied` where the account is gone."""
    with services.catalogue.read() as tx:
        account = accounts.find_account(tx, viewer.email or "")
    if account is None:
        raise Denied("Permission denied.")
    return account
