"""Use case: people ask for the closed files of a record, those with an account and guests (Zenodo's REST API, access
requests).

A guest is mailed a link first, which shows that the address is theirs; the request is made on the page behind it. What
comes of a request that is accepted is a grant for an account, and for a guest a share link, which is mailed. Both let
view the work's files, and nothing else of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline import refusals
from pipeline.access import STRANGER, Viewer
from pipeline.catalogue import (
    Transaction,
    accounts,
    inquiries,
    mails,
    records,
    requests,
    rights,
    sharing,
    works,
)
from pipeline.catalogue.inquiries import Inquiry
from pipeline.communities.requests import GUEST_ACCESS, USER_ACCESS, Entity, EntityKind, Request, RequestType
from pipeline.errors import Conflict, Denied, Missing, Rejected
from pipeline.model import AccessGrant, Record, RecordState, Right
from pipeline.services import Services

CONFIRMED_WITHIN = timedelta(hours=6)
_MOST_UNCONFIRMED = 5
"""Of one address: nobody is to be sent mails without end by somebody else."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What somebody says who asks for files."""

    email: str
    full_name: str
    message: str


# ---------------------------------------------------------------- asking


def require_closed(services: Services, tx: Transaction, record: Record, viewer: Viewer) -> None:
    """Raises `Denied` where the viewer may read the record's files already, be they open or not."""
    if rights.lets_read_files(tx, record, viewer, now=services.now()):
        raise Denied("Permission denied: you have access to the files of this record already.")


def ask(services: Services, record_id: int, viewer: Viewer, asking: Asking) -> Request:
    """The request of a viewer with an account, submitted. Raises `Missing`; `Denied` where they may read the files, or
    the owner takes no such requests; `Rejected` where they have asked already."""
    with services.catalogue.write() as tx:
        record = _asked_for(services, tx, record_id, viewer, guest=False)
        creator = Entity(EntityKind.USER, str(viewer.known_id))
        return _request(services, tx, USER_ACCESS, record, creator, asking)


def ask_as_guest(services: Services, record_id: int, viewer: Viewer, asking: Asking) -> None:
    """Have the address be asked to confirm. Raises as `ask`, but of requests that there are nothing is told."""
    now = services.now()
    with services.catalogue.write() as tx:
        record = _asked_for(services, tx, record_id, viewer, guest=True)
        if inquiries.count(tx, asking.email, now=now) >= _MOST_UNCONFIRMED:
            raise Rejected(
                "Too many requests of this address wait to be confirmed.",
                remedy="Open the link in one of the mails that were sent, or try again some hours later.",
                field="email",
            )
        inquiry = Inquiry(record.id, asking.email, asking.full_name, asking.message)
        token = inquiries.add(tx, inquiry, expires=now + CONFIRMED_WITHIN)
        address = f"{services.repository.base_url}/access-requests?inquiry={token}"
        mails.want(
            tx,
            to=asking.email,
            subject=f"Confirm your access request at {services.repository.name}",
            text=f"Somebody, probably you, asks for the files of the record\n\n{_title(record)}\n"
            f"{services.repository.base_url}/records/{record.id}\n\nin the name of {asking.full_name}. To send the"
            f" request to the record's owner, open this address within six hours:\n\n{address}\n\n"
            "If it was not you there is nothing to be done.\n",
            now=now,
        )


def find_unconfirmed(services: Services, token: str) -> tuple[Inquiry, str]:
    """A guest's inquiry, and the title of the record that it is about. Raises `Missing`."""
    with services.catalogue.read() as tx:
        inquiry = _inquiry(services, tx, token)
        return inquiry, _title(records.get(tx, inquiry.record_id))


def confirm(services: Services, token: str) -> Request:
    """The request of a guest, whose address is theirs, submitted. Raises `Missing` where the token is none, or not any
    more, `Denied` as `ask`, `Rejected` where they have asked already."""
    with services.catalogue.write() as tx:
        inquiry = _inquiry(services, tx, token)
        # Of whoever confirms nothing is known but that the address is theirs.
        record = _asked_for(services, tx, inquiry.record_id, STRANGER, guest=True)
        inquiries.forget(tx, token)
        asking = Asking(inquiry.email, inquiry.full_name, inquiry.message)
        creator = Entity(EntityKind.EMAIL, inquiry.email)
        return _request(services, tx, GUEST_ACCESS, record, creator, asking)


def _inquiry(services: Services, tx: Transaction, token: str) -> Inquiry:
    found = inquiries.find(tx, token, now=services.now())
    if found is None:
        raise Missing("This access request was confirmed already, or is too old.")
    return found


def _asked_for(services: Services, tx: Transaction, record_id: int, viewer: Viewer, *, guest: bool) -> Record:
    """The published record, whose files are closed to the viewer, and may be asked for. Raises as `ask`."""
    record = records.get(tx, record_id)
    if record.state is not RecordState.PUBLISHED:
        raise refusals.unknown_id()
    require_closed(services, tx, record, viewer)
    if not sharing.settings(tx, record.concept_id).takes(guest=guest):
        raise Denied("Permission denied: the owner of the record takes no such requests.")
    return record


def _request(
    services: Services, tx: Transaction, kind: RequestType, record: Record, creator: Entity, asking: Asking
) -> Request:
    now = services.now()
    owner_id = rights.owner_id(tx, record.concept_id)
    # Of a work whose owner has no account whoever runs the archive is asked.
    receiver = Entity(EntityKind.ADMINISTRATORS, "")
    if owner_id is not None:
        receiver = Entity(EntityKind.USER, str(owner_id))
    topic = Entity(EntityKind.RECORD, str(record.id))
    payload = {"permission": Right.VIEW.word, "full_name": asking.full_name, "email": asking.email}
    try:
        made = requests.add(
            tx,
            kind,
            title=f"Request for access to “{_title(record)}”",
            creator=creator,
            receiver=receiver,
            topic=topic,
            asked_by=int(creator.id) if creator.kind is EntityKind.USER else None,
            payload=payload | {"message": asking.message},
            now=now,
        )
    except Conflict:
        raise Rejected("Identical access requests already exist.") from None
    if owner_id is not None:
        _tell_owner(services, tx, record, made, asking)
    return made


def _tell_owner(services: Services, tx: Transaction, record: Record, made: Request, asking: Asking) -> None:
    owner = rights.owner(tx, record.concept_id)
    message = f"\n{asking.message}\n" if asking.message else ""
    mails.want(
        tx,
        to=owner,
        subject=f"Somebody asks for the files of record {record.id}",
        text=f"{asking.full_name} ({asking.email}) asks for the files of\n\n{_title(record)}\n{message}\n"
        f"The request, which you may accept or decline: {services.repository.base_url}/me/requests/{made.id}\n",
        now=services.now(),
    )


def _title(record: Record) -> str:
    return str(record.description.metadata.get("title") or record.id)


# ---------------------------------------------------------------- what accepting means


def admit(services: Services, tx: Transaction, accepted: Request) -> tuple[int, int | str | None]:
    """Let whoever asked view the files: of which work, and by the right of which account, or by which link; None where
    they have a right already."""
    record = records.get(tx, int(accepted.topic.id))
    # With whom a work is shared is changed by one at a time.
    works.lock(tx, [record.concept_id])
    owner = _asked(tx, record, accepted)
    if accepted.creator.kind is EntityKind.USER:
        return record.concept_id, _grant(services, tx, record.concept_id, owner, accepted)
    return record.concept_id, _send_link(services, tx, record, owner, accepted)


def _asked(tx: Transaction, record: Record, accepted: Request) -> str:
    """Who was asked, and lets view what is theirs: the owner of the work, who may be another one now."""
    if accepted.receiver.kind is EntityKind.USER:
        account_id = int(accepted.receiver.id)
        return accounts.by_ids(tx, [account_id])[account_id].email
    return rights.owner(tx, record.concept_id)


def _grant(services: Services, tx: Transaction, concept_id: int, owner: str, accepted: Request) -> int | None:
    account_id = int(accepted.creator.id)
    if account_id in {one.account_id for one in sharing.grants(tx, concept_id)}:
        return None
    given = AccessGrant(account_id, Right.VIEW, f"request:{accepted.id}")
    sharing.grant(tx, concept_id, [given], owner=owner, now=services.now())
    return account_id


def _send_link(services: Services, tx: Transaction, record: Record, owner: str, accepted: Request) -> str:
    now, days = services.now(), sharing.settings(tx, record.concept_id).secret_link_expiration
    link_id = sharing.add_link(
        tx,
        record.concept_id,
        Right.VIEW,
        owner=owner,
        expires=now + timedelta(days=days) if days else None,
        description=f"Requested by {accepted.payload['full_name']} ({accepted.creator.id})",
        origin=f"request:{accepted.id}",
        now=now,
    )
    [link] = [one for one in sharing.links(tx, record.concept_id) if one.id == link_id]
    address = f"{services.repository.base_url}/records/{record.id}?token={link.token}"
    mails.want(
        tx,
        to=accepted.creator.id,
        subject=f"Your access request was accepted: record {record.id}",
        text=f"You can read the files now, at\n\n{address}\n",
        now=now,
    )
    return link_id
