"""Use case: works are shared, by links and with accounts, and say who may ask for their files.

Only who manages the work does so, which is asked in the transaction that does it: each raises `Denied` for others. They
share what is the owner's of the work. What they commit holds from the next request on, at every door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline import refusals, security_events
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, rights, sharing
from pipeline.communities import notices
from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.model import AccessGrant, AccessSettings, JsonObject, Right, ShareLink
from pipeline.services import Services

MOST_LINKS = 100
MOST_GRANTS = 1_000
"""Of one work."""


@dataclass(frozen=True, slots=True)
class LinkChange:
    """What is said of a link; None where nothing is. It `says_expiry` also where it is to have none."""

    right: Right | None = None
    says_expiry: bool = False
    expires: datetime | None = None
    description: str | None = None


# ---------------------------------------------------------------- links


def create_link(
    services: Services, concept_id: int, viewer: Viewer, given: LinkChange, *, origin: str
) -> ShareLink:
    """Raises `Rejected` for one too many, and (field `permission`, `expires_at`) for what is wrong with it."""
    now = services.now()
    if given.right is None:
        raise Rejected("An access permission level is required", field="permission")
    _require_future(given.expires, now)
    with _work(services, concept_id, viewer) as tx:
        if len(sharing.links(tx, concept_id)) >= MOST_LINKS:
            raise Rejected(
                f"A work has {MOST_LINKS} links at most.", remedy="Delete those that are not used."
            )
        link_id = sharing.add_link(
            tx,
            concept_id,
            given.right,
            owner=rights.owner(tx, concept_id),
            expires=given.expires,
            description=given.description or "",
            origin=origin,
            now=now,
        )
        made = find_link(tx, concept_id, link_id)
    security_events.access_given(viewer.account_id, work=concept_id, right=made.right, to=made.id)
    return made


def find_link(tx: Transaction, concept_id: int, link_id: str) -> ShareLink:
    """Raises `Missing`."""
    for one in sharing.links(tx, concept_id):
        if one.id == link_id:
            return one
    raise refusals.not_found()


def change_link(
    services: Services, concept_id: int, viewer: Viewer, link_id: str, given: LinkChange
) -> ShareLink:
    """It goes on to share what is theirs who made it. Raises `Missing`, `Rejected` (field `expires_at`) for an expiry
    that is past or later than before."""
    with _work(services, concept_id, viewer) as tx:
        before = find_link(tx, concept_id, link_id)
        expires = given.expires if given.says_expiry else before.expires
        if before.expires is not None and (expires is None or expires > before.expires):
            raise Rejected(
                "Cannot postpone expiration of links", remedy="Make a new link.", field="expires_at"
            )
        if expires != before.expires:
            _require_future(expires, services.now())
        sharing.change_link(
            tx,
            link_id,
            right=before.right if given.right is None else given.right,
            expires=expires,
            description=before.description if given.description is None else given.description,
        )
        changed = find_link(tx, concept_id, link_id)
    security_events.access_given(viewer.account_id, work=concept_id, right=changed.right, to=link_id)
    return changed


def remove_link(services: Services, concept_id: int, viewer: Viewer, link_id: str) -> None:
    """Raises `Missing`."""
    with _work(services, concept_id, viewer) as tx:
        sharing.remove_link(tx, find_link(tx, concept_id, link_id).id)
    security_events.access_taken(viewer.account_id, work=concept_id, of=link_id)


def _require_future(expires: datetime | None, now: datetime) -> None:
    if expires is not None and expires <= now:
        raise Rejected("Expiration date must be set to the future", field="expires_at")


# ---------------------------------------------------------------- grants


def grant(
    services: Services,
    concept_id: int,
    viewer: Viewer,
    given: Sequence[AccessGrant],
    *,
    record_id: int,
    messages: Mapping[int, str],
) -> None:
    """Give rights to accounts, or to none of them. Those accounts that `messages` names are told by mail, under
    `record_id`, which stands for the work. Raises `InvalidFields` (`grants.<number>.subject.id`) for accounts
    that there are not, or that are named twice, `Rejected` for those that have a right of the work already, and for too
    many."""
    with _work(services, concept_id, viewer) as tx:
        before = sharing.grants(tx, concept_id)
        if len(before) + len(given) > MOST_GRANTS:
            raise Rejected(f"A work is shared with {MOST_GRANTS:,} accounts at most.")
        if {one.account_id for one in before} & {one.account_id for one in given}:
            raise Rejected("Grant for the user/role already exists within this record.")
        _require_accounts(tx, given)
        now = services.now()
        sharing.grant(tx, concept_id, given, owner=rights.owner(tx, concept_id), now=now)
        for one in given:
            if one.account_id in messages:
                message = messages[one.account_id]
                notices.tell_granted(tx, services.repository, one, record_id, message, now=now)
    for one in given:
        security_events.access_given(viewer.account_id, work=concept_id, right=one.right, to=one.account_id)


def _require_accounts(tx: Transaction, given: Sequence[AccessGrant]) -> None:
    asked = [one.account_id for one in given]
    known = sharing.known_accounts(tx, asked)
    faults = []
    for number, account_id in enumerate(asked):
        if account_id not in known:
            faults.append(
                FieldFault(f"grants.{number}.subject.id", ("Could not find the specified subject.",))
            )
        elif account_id in asked[:number]:
            faults.append(FieldFault(f"grants.{number}.subject.id", ("Named twice.",)))
    if faults:
        raise InvalidFields(tuple(faults))


def change_grant(
    services: Services,
    concept_id: int,
    viewer: Viewer,
    find: Callable[[Sequence[AccessGrant]], AccessGrant | None],
    change: Callable[[AccessGrant], AccessGrant],
) -> AccessGrant:
    """Put another grant in the place of the one that `find` chooses. Raises `Missing` where it chooses none, `Rejected`
    (field `subject.id`) for an account that there is not, or that has a right already."""
    with _work(services, concept_id, viewer) as tx:
        every = sharing.grants(tx, concept_id)
        before = find(every)
        if before is None:
            raise refusals.not_found()
        changed = change(before)
        if changed.account_id != before.account_id:
            if not sharing.known_accounts(tx, [changed.account_id]):
                raise Rejected("Could not find the specified subject.", field="subject.id")
            if changed.account_id in {one.account_id for one in every}:
                raise Rejected(
                    "Grant for the user/role already exists within this record.", field="subject.id"
                )
        sharing.regrant(tx, concept_id, before.account_id, changed, owner=rights.owner(tx, concept_id))
    if changed.account_id != before.account_id:
        security_events.access_taken(viewer.account_id, work=concept_id, of=before.account_id)
    security_events.access_given(
        viewer.account_id, work=concept_id, right=changed.right, to=changed.account_id
    )
    return changed


def revoke(
    services: Services,
    concept_id: int,
    viewer: Viewer,
    find: Callable[[Sequence[AccessGrant]], AccessGrant | None],
) -> None:
    """Raises `Missing` where `find` chooses none."""
    with _work(services, concept_id, viewer) as tx:
        gone = find(sharing.grants(tx, concept_id))
        if gone is None:
            raise refusals.not_found()
        sharing.revoke(tx, concept_id, gone.account_id)
    security_events.access_taken(viewer.account_id, work=concept_id, of=gone.account_id)


# ---------------------------------------------------------------- settings


def configure(services: Services, concept_id: int, viewer: Viewer, changes: JsonObject) -> AccessSettings:
    """`changes` are fields of `AccessSettings`, those that are to be others."""
    with _work(services, concept_id, viewer) as tx:
        changed = replace(sharing.settings(tx, concept_id), **changes)
        sharing.set_settings(tx, concept_id, changed)
        return changed


@contextmanager
def _work(services: Services, concept_id: int, viewer: Viewer) -> Iterator[Transaction]:
    """Nobody else changes with whom the work is shared, or whether the viewer manages it, until the transaction
    ends."""
    with services.catalogue.write() as tx:
        rights.hold(tx, concept_id, viewer, Right.MANAGE, now=services.now())
        yield tx
