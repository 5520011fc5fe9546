"""Who may do what with works and in communities: what the catalogue knows of a viewer, put to the one who decides
(`pipeline.access`). Of strangers, who have neither an account nor a link, it is not asked; nor of administrators."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipeline import refusals
from pipeline.access import (
    NO_TIES,
    Ties,
    Viewer,
    are_files_open,
    may_read_files,
    owns,
    right_to,
    role_of,
)
from pipeline.catalogue import Transaction, accounts, drafts, members, records, sharing, works
from pipeline.catalogue.drafts import Draft
from pipeline.catalogue.tables import (
    access_grant,
    community_member,
    concept,
    concept_community,
    deposit,
    draft,
    record,
    request,
    share_link,
    user,
)
from pipeline.communities.requests import COMMUNITY_SUBMISSION, EntityKind, RequestState
from pipeline.communities.roles import Power, Role, allows
from pipeline.model import Record, Right


def to(tx: Transaction, one: Record | Draft, viewer: Viewer, *, now: datetime) -> Right:
    """The viewer's right to a version or a draft."""
    if owns(one.owner, viewer):
        # The most that there is: what else ties them to the work adds nothing, and mostly it is owners who ask.
        return right_to(one.owner, viewer, NO_TIES)
    concept_id = one.concept_id if isinstance(one, Record) else one.deposit.concept_id
    known = ties(tx, [concept_id], viewer, now=now)
    return right_to(one.owner, viewer, known.get(concept_id, NO_TIES))


def lets_read_files(tx: Transaction, one: Record, viewer: Viewer, *, now: datetime) -> bool:
    """Whether the viewer may list and read the files of a version. Of open ones the catalogue is not asked."""
    if are_files_open(one, today=now.date()):
        return True
    return may_read_files(one, to(tx, one, viewer, now=now), today=now.date())


def to_records(tx: Transaction, ones: Iterable[Record], viewer: Viewer, *, now: datetime) -> dict[int, Right]:
    """The viewer's right to each version, by its id."""
    chosen = list(ones)
    known = ties(tx, {one.concept_id for one in chosen}, viewer, now=now)
    return {one.id: right_to(one.owner, viewer, known.get(one.concept_id, NO_TIES)) for one in chosen}


def to_work(tx: Transaction, concept_id: int, viewer: Viewer, *, now: datetime) -> Right:
    """The viewer's right to a work itself, which is its owner's: of all that they may do with it, what the owner of the
    work may say."""
    known = ties(tx, [concept_id], viewer, now=now).get(concept_id, NO_TIES)
    return right_to(known.work_owner, viewer, known)


def hold(tx: Transaction, concept_id: int, viewer: Viewer, least: Right, *, now: datetime) -> None:
    """Raises `Denied` where the viewer's right to a work is less. Until the transaction ends nobody takes it from them:
    with whom a work is shared is changed under the same lock."""
    works.lock(tx, [concept_id])
    if to_work(tx, concept_id, viewer, now=now) < least:
        raise refusals.not_permitted()


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose a record is, or the draft of one, and the viewer's right to it."""

    owner: str
    right: Right


def to_ids(
    tx: Transaction, record_ids: Collection[int], viewer: Viewer, *, now: datetime
) -> dict[int, Standing]:
    """How the viewer stands to records, and to drafts of what is no record yet; ids that are neither's are left out."""
    drafted = (
        sa.select(deposit.c.record_id, deposit.c.concept_id, user.c.email)
        .join(draft, draft.c.deposit_id == deposit.c.id)
        .join(user, user.c.id == draft.c.account_id)
        .where(drafts.is_open(), deposit.c.record_id.in_(record_ids))
    )
    published = sa.select(record.c.id, record.c.concept_id, record.c.owner).where(record.c.id.in_(record_ids))
    found: dict[int, tuple[int, str]] = {}
    for statement in (drafted, published) if record_ids else ():
        found |= {id_: (concept_id, owner) for id_, concept_id, owner in tx.execute(statement)}
    known = ties(tx, {concept_id for concept_id, _ in found.values()}, viewer, now=now)
    return {
        id_: Standing(owner, right_to(owner, viewer, known.get(concept_id, NO_TIES)))
        for id_, (concept_id, owner) in found.items()
    }


def role_in(tx: Transaction, community_id: str, viewer: Viewer) -> Role | None:
    """As what the viewer acts in a community; None for those who are nothing there."""
    return role_of(viewer, members.role(tx, community_id, viewer.account_id))


def has_power(tx: Transaction, community_id: str, viewer: Viewer, power: Power) -> bool:
    """Whether the viewer has a power in a community."""
    return allows(role_in(tx, community_id, viewer), power)


def owner(tx: Transaction, concept_id: int) -> str:
    """Whose a work is."""
    return records.owners(tx, [concept_id])[concept_id]


def owner_id(tx: Transaction, concept_id: int) -> int | None:
    """The account of a work's owner, where the owner has one."""
    found = accounts.find_account(tx, owner(tx, concept_id))
    return None if found is None else found.id


def ties(tx: Transaction, concept_ids: Iterable[int], viewer: Viewer, *, now: datetime) -> Mapping[int, Ties]:
    """What ties the viewer to works, by their ids; works that are not there tie nobody."""
    chosen = set(concept_ids)
    if viewer.is_stranger or viewer.admin or not chosen:
        return {}
    given = _given(viewer)
    link = _presented(tx, viewer, now)
    roles = _roles(tx, chosen, viewer) if viewer.account_id is not None else {}
    rows = tx.execute(
        sa.select(
            concept.c.id,
            # As `records.owners` has it.
            sa.func.coalesce(record.c.owner, concept.c.owner).label("owner"),
            access_grant.c.right.label("granted"),
            access_grant.c.owner.label("granted_by"),
            share_link.c.right.label("linked"),
            share_link.c.owner.label("linked_by"),
            _reviewed(viewer).label("reviewed"),
        )
        .outerjoin(record, sa.and_(record.c.concept_id == concept.c.id, record.c.is_latest))
        .outerjoin(access_grant, given)
        .outerjoin(share_link, link)
        .where(concept.c.id.in_(chosen))
    )
    return {
        row.id: Ties(
            work_owner=row.owner,
            shared=_shared((row.granted_by, row.granted), (row.linked_by, row.linked)),
            roles=frozenset(roles.get(row.id, ())),
            review=row.reviewed,
        )
        for row in rows
    }


def _roles(tx: Transaction, concept_ids: Collection[int], viewer: Viewer) -> Mapping[int, set[Role]]:
    """What the viewer is in the communities of works."""
    found: dict[int, set[Role]] = {}
    inside = (
        sa.select(concept_community.c.concept_id, community_member.c.role)
        .join(community_member, community_member.c.community_id == concept_community.c.community_id)
        .where(
            concept_community.c.concept_id.in_(concept_ids),
            community_member.c.account_id == viewer.account_id,
        )
    )
    for row in tx.execute(inside):
        found.setdefault(row.concept_id, set()).add(Role(row.role))
    return found


def _reviewed(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Whether a community that the viewer curates was asked to review a draft of the work."""
    return sa.exists().where(
        deposit.c.concept_id == concept.c.id,
        request.c.topic_kind == EntityKind.RECORD,
        request.c.topic_id == sa.cast(deposit.c.record_id, sa.Text),
        request.c.type == COMMUNITY_SUBMISSION.name,
        request.c.state == RequestState.SUBMITTED,
        request.c.receiver_kind == EntityKind.COMMUNITY,
        community_member.c.community_id == request.c.receiver_id,
        community_member.c.account_id == viewer.account_id,
        community_member.c.role.in_([role for role in Role if allows(role, Power.CURATE)]),
    )


def _given(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Which grant is the viewer's; there is one of a work at most."""
    return sa.and_(access_grant.c.concept_id == concept.c.id, access_grant.c.account_id == viewer.account_id)


def _presented(tx: Transaction, viewer: Viewer, now: datetime) -> sa.ColumnElement[bool]:
    """Which link the viewer presents, as long as it has not expired."""
    return sa.and_(
        share_link.c.concept_id == concept.c.id,
        share_link.c.id == (sharing.named_by(tx, viewer.link) if viewer.link else None),
        sa.or_(share_link.c.expires.is_(None), share_link.c.expires > now),
    )


def _shared(*each: tuple[str | None, str | None]) -> Mapping[str, Right]:
    """What was shared, by who did; of two things that one has shared the larger counts."""
    found: dict[str, Right] = {}
    for by, word in each:
        if by is not None and word is not None:
            found[by] = max(found.get(by, Right.NONE), Right.of(word))
    return found
