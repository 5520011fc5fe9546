"""Use case: communities, from their founding to their deletion, and works that join and leave them.

Who may do what is asked again in the transaction that does it. What outputs tell of a work changes with its
communities: all of its versions are found, announced and registered anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

from pipeline import refusals, security_events
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, communities, members, records, requests, rights, works
from pipeline.catalogue.communities import Logo, ManagedCommunity
from pipeline.communities import notices
from pipeline.communities.requests import COMMUNITY_INCLUSION, Entity, EntityKind, Request, RequestAction
from pipeline.communities.roles import Power, Role, includes_directly, submits
from pipeline.dissemination import Repository
from pipeline.errors import Conflict, FieldFault, InvalidFields, Missing, Rejected
from pipeline.lifecycle import RecordEvent
from pipeline.metadata.community_form import Charter
from pipeline.model import JsonObject, Record, RecordState, Right
from pipeline.services import Services

LARGEST_LOGO = 1_000_000
"""Bytes."""
_BATCH = 1_000
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_WEBP = (b"RIFF", b"WEBP")


def found(services: Services, charter: Charter, account_id: int) -> ManagedCommunity:
    """A new community, whose owner is who founds it. Raises `InvalidFields` where the slug is taken."""
    now = services.now()
    with services.catalogue.write() as tx:
        made = communities.add(tx, charter, now=now)
        members.add(tx, made.id, account_id, Role.OWNER, visible=True, now=now)
    security_events.role_changed(account_id, community=made.id, of=account_id, role=Role.OWNER)
    return made


def describe(services: Services, community_id: str, viewer: Viewer, charter: Charter) -> ManagedCommunity:
    """Replace what a community says of itself, and its policies. Raises `Missing`, `Denied`, `InvalidFields` for
    another slug."""
    now = services.now()
    with _held(services, community_id, viewer, Power.MANAGE) as (tx, one):
        if charter.slug != one.slug:
            text = "The slug can be changed by renaming only."
            raise InvalidFields((FieldFault("slug", (text,)),))
        communities.describe(tx, one.id, charter, now=now)
        if charter.title != one.charter.title:
            for batch in _works(tx, one.id):
                records.tell_works(tx, RecordEvent.REWORD, batch, now=now)
        return communities.get(tx, one.id)


def rename(services: Services, community_id: str, slug: str) -> ManagedCommunity:
    """Have the community another slug; what is found and harvested by it follows. Raises `Missing`, `InvalidFields`
    where the slug is taken."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        if slug != one.slug:
            communities.rename(tx, one, slug, now=now)
            for batch in _works(tx, one.id):
                records.tell_works(tx, RecordEvent.CHANGE_COMMUNITIES, batch, now=now)
        return communities.get(tx, one.id)


def feature(services: Services, community_id: str, since: datetime | None) -> ManagedCommunity:
    """Show the community among the featured ones, or no longer. Raises `Missing`."""
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        communities.feature(tx, one.id, since, now=services.now())
        return communities.get(tx, one.id)


def delete(services: Services, community_id: str, viewer: Viewer, tombstone: JsonObject) -> None:
    """Give a community up: its works leave it, its tombstone stays. Raises `Missing`, `Denied`, `Rejected` while
    something is asked of it."""
    now = services.now()
    with _held(services, community_id, viewer, Power.DELETE) as (tx, one):
        if number := requests.count_open(tx, Entity(EntityKind.COMMUNITY, one.id), now=now):
            raise Rejected(
                f"There are {number} requests open for this community.",
                remedy="Accept or decline them first.",
            )
        while batch := communities.works(tx, one.id, limit=_BATCH):
            leave(tx, one.id, batch, now=now)
        dismissed = members.remove_all(tx, one.id)
        communities.remove_logo(tx, one.id)
        communities.delete(tx, one.id, tombstone, now=now)
    for account_id in sorted(dismissed):
        security_events.role_changed(viewer.account_id, community=one.id, of=account_id, role=None)


@contextmanager
def _held(
    services: Services, community_id: str, viewer: Viewer, power: Power
) -> Iterator[tuple[Transaction, ManagedCommunity]]:
    """Nobody else changes the community, or what the viewer is there, until the transaction ends. Raises `Missing`,
    `Denied` for who has not that power."""
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        if not rights.has_power(tx, one.id, viewer, power):
            raise refusals.not_permitted()
        yield tx, one


def put_logo(services: Services, community_id: str, viewer: Viewer, content: bytes) -> Logo:
    """Raises `Missing`, `Denied`, `Rejected` for what is no picture."""
    if len(content) > LARGEST_LOGO:
        raise Rejected(f"The logo is longer than {LARGEST_LOGO:,} bytes.")
    media_type = image_type(content)
    if media_type is None:
        raise Rejected("The logo is not a picture.", remedy="Send a PNG, JPEG, GIF or WebP.")
    with _held(services, community_id, viewer, Power.MANAGE) as (tx, one):
        return communities.put_logo(tx, one.id, content, media_type, now=services.now())


def remove_logo(services: Services, community_id: str, viewer: Viewer) -> None:
    """Raises `Denied`, and `Missing` also where there is none."""
    with _held(services, community_id, viewer, Power.MANAGE) as (tx, one):
        if not communities.remove_logo(tx, one.id):
            raise no_logo()


def no_logo() -> Missing:
    return Missing("No logo exists for this community.")


def image_type(content: bytes) -> str | None:
    """The media type of a picture that browsers show and that holds no scripts, by how it begins."""
    if (content[:4], content[8:12]) == _WEBP:
        return "image/webp"
    return next((media_type for beginning, media_type in _IMAGES if content.startswith(beginning)), None)


# ---------------------------------------------------------------- works


def ask_to_include(
    services: Services, record_id: int, community_id: str, viewer: Viewer, *, reviewed: bool, comment: str
) -> Request:
    """`propose` on behalf of who manages the work. Raises as that does, `Denied`, `Missing` also for a record that was
    withdrawn."""
    now = services.now()
    with services.catalogue.write() as tx:
        record, one = records.get(tx, record_id), communities.get(tx, community_id)
        asked = propose(
            tx,
            services.repository,
            record,
            one,
            viewer.known_id,
            reviewed=reviewed,
            comment=comment,
            now=now,
        )
        # Behind the request: all lock such rows in one order.
        rights.hold(tx, record.concept_id, viewer, Right.MANAGE, now=now)
        if records.get(tx, record_id).state is not RecordState.PUBLISHED:
            raise refusals.unknown_id()
        return asked


def take_out(services: Services, record_id: int, community_id: str, viewer: Viewer) -> None:
    """A work leaves a community, by who manages the work or curates the community. Raises `Missing`, `Denied`,
    `Rejected` where it is not in it."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        concept_id = records.get(tx, record_id).concept_id
        if not rights.has_power(tx, one.id, viewer, Power.CURATE):
            rights.hold(tx, concept_id, viewer, Right.MANAGE, now=now)
        if not leave(tx, one.id, [concept_id], now=now):
            raise Rejected("The record is not included in this community.")


def propose(
    tx: Transaction,
    repository: Repository,
    record: Record,
    one: ManagedCommunity,
    account_id: int,
    *,
    reviewed: bool = False,
    comment: str = "",
    now: datetime,
) -> Request:
    """Ask on somebody's behalf for a published record's work to be in a community. Where they need no review, and want
    none (`reviewed`), it is included at once, and the request accepted. Raises `Rejected` where it is in already, there
    is such a request, or the community takes none from them; `Missing` where it was deleted."""
    one = communities.locked(tx, one.id)
    role = members.role(tx, one.id, account_id)
    if not submits(role, one.charter.policies.record_submission_policy):
        raise Rejected("Submission to this community is only allowed to community members.")
    if one.id in [
        each.id for each in communities.of_concepts(tx, [record.concept_id]).get(record.concept_id, ())
    ]:
        raise Rejected("The record is already included in this community.")
    try:
        asked = requests.add(
            tx,
            COMMUNITY_INCLUSION,
            title=str(record.description.metadata.get("title", "")),
            creator=Entity(EntityKind.USER, str(account_id)),
            receiver=Entity(EntityKind.COMMUNITY, one.id),
            topic=Entity(EntityKind.RECORD, str(record.id)),
            asked_by=account_id,
            now=now,
        )
    except Conflict:
        raise Rejected("There is already an open inclusion request for this community.") from None
    if comment:
        requests.comment(tx, asked, comment, by=account_id, now=now)
    if reviewed or not includes_directly(role, one.charter.policies.review_policy):
        notices.tell_asked(tx, repository, asked, by=account_id, now=now)
        return asked
    join(tx, [(record.concept_id, one.id)], now=now)
    return requests.move(tx, asked, RequestAction.ACCEPT, by=account_id, now=now)


def join(
    tx: Transaction,
    memberships: Collection[tuple[int, str]],
    *,
    besides: Collection[int] = (),
    now: datetime,
) -> None:
    """Put published works (by concept id) into communities (by id); where they are in already nothing is to be done,
    nor for records of which all is told anyway (`besides`)."""
    if not memberships:
        return
    known = communities.of_concepts(tx, sorted({concept_id for concept_id, _ in memberships}))
    new = [
        (concept_id, community_id)
        for concept_id, community_id in memberships
        if community_id not in [one.id for one in known.get(concept_id, ())]
    ]
    changed = {concept_id for concept_id, _ in new}
    # A version that is being published meanwhile is seen here, or sees the community when it is indexed.
    works.lock(tx, changed)
    communities.include(tx, new)
    records.tell_works(tx, RecordEvent.CHANGE_COMMUNITIES, changed, besides=besides, now=now)


def leave(tx: Transaction, community_id: str, concept_ids: Collection[int], *, now: datetime) -> set[int]:
    """Take works out of a community; which of them were in it."""
    works.lock(tx, concept_ids)
    gone = communities.exclude(tx, community_id, concept_ids)
    records.tell_works(tx, RecordEvent.CHANGE_COMMUNITIES, gone, now=now)
    return set(gone)


def choose_default(services: Services, concept_id: int, viewer: Viewer, community_id: str | None) -> None:
    """Have a community, or none, stand for a work. Raises `Denied`, `Rejected` where the work is not in it."""
    now = services.now()
    with services.catalogue.write() as tx:
        rights.hold(tx, concept_id, viewer, Right.MANAGE, now=now)
        records.tell_works(tx, RecordEvent.REWORD, [concept_id], now=now)
        if not communities.set_default(tx, concept_id, community_id):
            raise Rejected("The record is not included in this community.", field="default")


def _works(tx: Transaction, community_id: str) -> Iterator[list[int]]:
    """All works of a community, some at a time."""
    last = 0
    while batch := communities.works(tx, community_id, after=last, limit=_BATCH):
        yield batch
        last = batch[-1]
