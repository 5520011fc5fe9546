"""Use case: communities, from their founding to their deletion, and works that join and leave them.

Who may do what was decided before (`pipeline.access`). What outputs tell of a work changes with its communities: all
of its versions are found, announced and registered anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from pipeline.catalogue import Transaction, communities, members, outbox, records, requests, works
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.communities import notices
from pipeline.communities.requests import COMMUNITY_INCLUSION, Entity, EntityKind, Request, RequestAction
from pipeline.communities.roles import Role, includes_directly, submits
from pipeline.errors import Conflict, FieldFault, InvalidFields, Rejected
from pipeline.lifecycle import RecordEvent, step_record
from pipeline.metadata.community_form import Charter
from pipeline.model import JsonObject, Record, Repository
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
        return made


def describe(services: Services, community_id: str, charter: Charter) -> ManagedCommunity:
    """Replace what a community says of itself, and its policies. Raises `Missing`, `InvalidFields` for another slug."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        if charter.slug != one.slug:
            text = "The slug can be changed by renaming only."
            raise InvalidFields((FieldFault("slug", (text,)),))
        communities.describe(tx, one.id, charter, now=now)
        if charter.title != one.charter.title:
            # Records show it; what search and harvesters have does not.
            for batch in _works(tx, one.id):
                records.touch_works(tx, batch)
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
                tell(tx, batch, now=now)
        return communities.get(tx, one.id)


def feature(services: Services, community_id: str, since: datetime | None) -> ManagedCommunity:
    """Show the community among the featured ones, or no longer. Raises `Missing`."""
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        communities.feature(tx, one.id, since, now=services.now())
        return communities.get(tx, one.id)


def delete(services: Services, community_id: str, tombstone: JsonObject) -> None:
    """Give a community up: its works leave it, its tombstone stays. Raises `Missing`, `Rejected` while something is
    asked of it."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        if number := requests.count_open(tx, Entity(EntityKind.COMMUNITY, one.id), now=now):
            raise Rejected(
                f"There are {number} requests open for this community.",
                remedy="Accept or decline them first.",
            )
        while batch := communities.works(tx, one.id, limit=_BATCH):
            leave(tx, one.id, batch, now=now)
        members.remove_all(tx, one.id)
        communities.remove_logo(tx, one.id)
        communities.delete(tx, one.id, tombstone, now=now)


def put_logo(services: Services, community_id: str, content: bytes) -> None:
    """Raises `Missing`, `Rejected` for what is no picture."""
    if len(content) > LARGEST_LOGO:
        raise Rejected(f"The logo is longer than {LARGEST_LOGO:,} bytes.")
    media_type = image_type(content)
    if media_type is None:
        raise Rejected("The logo is not a picture.", remedy="Send a PNG, JPEG, GIF or WebP.")
    with services.catalogue.write() as tx:
        one = communities.locked(tx, community_id)
        communities.put_logo(tx, one.id, content, media_type, now=services.now())


def image_type(content: bytes) -> str | None:
    """The media type of a picture that browsers show and that holds no scripts, by how it begins."""
    if (content[:4], content[8:12]) == _WEBP:
        return "image/webp"
    return next((media_type for beginning, media_type in _IMAGES if content.startswith(beginning)), None)


# ---------------------------------------------------------------- works


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
    communities.locked(tx, one.id)
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
    tell(tx, changed, besides=besides, now=now)


def leave(tx: Transaction, community_id: str, concept_ids: Collection[int], *, now: datetime) -> set[int]:
    """Take works out of a community; which of them were in it."""
    works.lock(tx, concept_ids)
    gone = communities.exclude(tx, community_id, concept_ids)
    tell(tx, gone, now=now)
    return set(gone)


def tell(
    tx: Transaction, concept_ids: Collection[int], *, besides: Collection[int] = (), now: datetime
) -> None:
    """Have the world see what has changed in the communities of works."""
    touched = records.touch_works(tx, concept_ids, besides=besides) if concept_ids else []
    effects = [
        (kind, record_id)
        for record_id, state in touched
        for kind in step_record(state, RecordEvent.CHANGE_COMMUNITIES)[1]
    ]
    outbox.want(tx, effects, now=now)


def choose_default(tx: Transaction, concept_id: int, community_id: str | None) -> bool:
    """Have a community, or none, stand for a work; whether the work is in it."""
    records.touch_works(tx, [concept_id])
    return communities.set_default(tx, concept_id, community_id)


def _works(tx: Transaction, community_id: str) -> Iterator[list[int]]:
    """All works of a community, some at a time."""
    last = 0
    while batch := communities.works(tx, community_id, after=last, limit=_BATCH):
        yield batch
        last = batch[-1]
