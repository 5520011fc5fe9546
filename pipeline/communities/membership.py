"""Use case: members of communities, from their invitation on (Zenodo's REST API, members and invitations)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from pipeline import refusals, security_events
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, accounts, communities, members, requests, rights
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.communities import notices
from pipeline.communities.requests import COMMUNITY_INVITATION, Entity, EntityKind, Request
from pipeline.communities.roles import Role, gives, over
from pipeline.errors import Conflict, Rejected
from pipeline.services import Services


def invite(
    services: Services,
    community_id: str,
    account_ids: Collection[int],
    role: Role,
    viewer: Viewer,
    *,
    message: str = "",
) -> list[Request]:
    """Ask people to become members: all of them or none. Raises `Missing`, `Denied` for who may not give the role,
    `Rejected` where one is no account, or is a member or invited already."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        if not gives(rights.role_in(tx, one.id, viewer), role):
            raise refusals.not_permitted()
        if len(accounts.by_ids(tx, account_ids)) < len(set(account_ids)):
            raise Rejected("Invalid member specified.")
        if members.find(tx, one.id, account_ids):
            raise _already_invited()
        asked = [_invitation(tx, one, account_id, role, viewer, message, now) for account_id in account_ids]
        for each in asked:
            notices.tell_asked(tx, services.repository, each, by=viewer.account_id, now=now)
        return asked


def _invitation(
    tx: Transaction,
    one: ManagedCommunity,
    account_id: int,
    role: Role,
    viewer: Viewer,
    message: str,
    now: datetime,
) -> Request:
    community = Entity(EntityKind.COMMUNITY, one.id)
    try:
        asked = requests.add(
            tx,
            COMMUNITY_INVITATION,
            title=f'Invitation to join "{one.charter.title}"',
            creator=community,
            receiver=Entity(EntityKind.USER, str(account_id)),
            topic=community,
            asked_by=viewer.account_id,
            payload={"role": role.value},
            now=now,
        )
    except Conflict:
        raise _already_invited() from None
    if message:
        requests.comment(tx, asked, message, by=viewer.known_id, now=now)
    return asked


def _already_invited() -> Rejected:
    return Rejected("A member was already added or invited.")


def reinvite(
    services: Services, community_id: str, account_ids: Collection[int], role: Role, viewer: Viewer
) -> None:
    """Have people who are invited become something else. Raises as `invite`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        mine = rights.role_in(tx, one.id, viewer)
        for account_id in account_ids:
            invitation = requests.open_between(
                tx,
                COMMUNITY_INVITATION,
                Entity(EntityKind.USER, str(account_id)),
                Entity(EntityKind.COMMUNITY, one.id),
                now=now,
            )
            if invitation is None:
                raise Rejected("Invalid member specified.")
            if not all(gives(mine, each) for each in (role, Role(invitation.payload["role"]))):
                raise refusals.not_permitted()
            requests.set_payload(tx, invitation, {**invitation.payload, "role": role.value}, now=now)


def change_members(
    services: Services,
    community_id: str,
    account_ids: Collection[int],
    viewer: Viewer,
    *,
    role: Role | None = None,
    visible: bool | None = None,
) -> None:
    """Give members another role, or show them or not. Nobody changes their own role; only oneself lets oneself be seen.
    Raises `Missing`, `Denied`, `Rejected` where one is no member, or where no owner would be left."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        owned = bool(members.owners(tx, one.id))
        mine = rights.role_in(tx, one.id, viewer)
        for member in _members(tx, one, account_ids).values():
            is_self = member.account_id == viewer.account_id
            may = over(mine, member.role, is_self=is_self)
            if role is not None and is_self:
                raise Rejected("You cannot change your own role.")
            if role is not None and not (may.change_role and gives(mine, role)):
                raise refusals.not_permitted()
            if visible is not None and not (may.show if visible else may.hide):
                raise refusals.not_permitted()
        members.change(tx, one.id, account_ids, role=role, visible=visible, now=now)
        _require_owner(tx, one, owned=owned)
    if role is not None:
        _note_role(viewer, one.id, account_ids, role)


def dismiss(services: Services, community_id: str, account_ids: Collection[int], viewer: Viewer) -> None:
    """Have members leave: oneself, and those whose role one may give. Raises as `change_members`."""
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        owned = bool(members.owners(tx, one.id))
        mine = rights.role_in(tx, one.id, viewer)
        for member in _members(tx, one, account_ids).values():
            may = over(mine, member.role, is_self=member.account_id == viewer.account_id)
            if not (may.leave or may.dismiss):
                raise refusals.not_permitted()
        members.remove(tx, one.id, account_ids)
        _require_owner(tx, one, owned=owned)
    _note_role(viewer, one.id, account_ids, None)


def _note_role(viewer: Viewer, community_id: str, account_ids: Collection[int], role: Role | None) -> None:
    for account_id in account_ids:
        security_events.role_changed(viewer.account_id, community=community_id, of=account_id, role=role)


def _members(
    tx: Transaction, one: ManagedCommunity, account_ids: Collection[int]
) -> Mapping[int, members.Member]:
    found = members.find(tx, one.id, account_ids)
    if len(found) < len(set(account_ids)):
        raise Rejected("Invalid member specified.")
    return found


def _require_owner(tx: Transaction, one: ManagedCommunity, *, owned: bool) -> None:
    """A community that was `owned` stays so: those that ingests made are managed by administrators."""
    if owned and not members.owners(tx, one.id):
        raise Rejected("A community must have at least one owner.")
