"""Communities: what they say of themselves, their logos, and which works belong to them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert, words_of
from pipeline.catalogue.paging import page_of
from pipeline.catalogue.tables import (
    community,
    community_body,
    community_logo,
    community_member,
    concept_community,
)
from pipeline.communities.roles import Audience, Policy, ReviewPolicy
from pipeline.errors import FieldFault, InvalidFields, Missing, Rejected
from pipeline.metadata.community_form import Charter, Policies, is_uuid
from pipeline.model import Community, JsonObject

_ASKED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class ManagedCommunity:
    """A community as those see it who manage it. `revision` counts its changes from 1; `featured` is since when it is
    shown on the front page. Of one that was deleted the `tombstone` is left: `removal_reason`, `note`, `removed_by`,
    `removal_date`, `is_visible`."""

    id: str
    charter: Charter
    created: datetime
    updated: datetime
    revision: int
    featured: datetime | None = None
    tombstone: JsonObject | None = None

    @property
    def slug(self) -> str:
        return self.charter.slug


@dataclass(frozen=True, slots=True)
class Logo:
    content: bytes
    media_type: str
    md5: str
    updated: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """Which communities are looked for: those with all words of `q`, of a type, with an organisation or a funder (id or
    name), of which `member` (an account) is one, that a work (`without`) is not in."""

    q: str = ""
    sort: str = ""
    page: int = 1
    size: int = 25
    kind: str = ""
    bodies: Mapping[str, str] = field(default_factory=dict)
    member: int | None = None
    featured: bool = False
    without: int | None = None


# ---------------------------------------------------------------- looking


def find(tx: Transaction, slug: str) -> Community | None:
    """The community of that slug or id, unless it was deleted."""
    row = tx.execute(_named(slug).where(community.c.deleted.is_(None))).one_or_none()
    return None if row is None else _brief(row)


def get(tx: Transaction, name: str) -> ManagedCommunity:
    """The community of that slug or id, deleted ones as well. Raises `Missing`."""
    row = tx.execute(_named(name)).one_or_none()
    if row is None:
        raise Missing("There is no such community.")
    return _managed(row)


def locked(tx: Transaction, community_id: str) -> ManagedCommunity:
    """The community, which nobody else changes until the transaction ends. Raises `Missing`, also where it was
    deleted."""
    row = tx.execute(_named(community_id).with_for_update(key_share=True)).one_or_none()
    if row is None or row.deleted is not None:
        raise Missing("There is no such community.")
    return _managed(row)


def lock(tx: Transaction, ids: Collection[str]) -> None:
    """Keep others from changing communities, deleted ones or not, until the transaction ends."""
    # In the order of their ids, or two who lock some of the same would wait for each other.
    if not ids:
        return
    chosen = sa.select(community.c.id).where(community.c.id.in_(ids)).order_by(community.c.id)
    tx.execute(chosen.with_for_update(key_share=True)).all()


def by_slugs(tx: Transaction, slugs: Collection[str]) -> dict[str, ManagedCommunity]:
    """Those of the slugs that there are, deleted ones left out."""
    wanted = sorted(slugs)
    found: dict[str, ManagedCommunity] = {}
    for start in range(0, len(wanted), _ASKED_AT_ONCE):
        named = community.c.slug.in_(wanted[start : start + _ASKED_AT_ONCE])
        rows = tx.execute(sa.select(community).where(named, community.c.deleted.is_(None)))
        found |= {row.slug: _managed(row) for row in rows}
    return found


def by_ids(tx: Transaction, ids: Collection[str]) -> dict[str, ManagedCommunity]:
    """Communities by id, deleted ones as well."""
    chosen = sa.select(community).where(community.c.id.in_(ids))
    return {row.id: _managed(row) for row in tx.execute(chosen)} if ids else {}


def page(tx: Transaction, asked: Question) -> tuple[list[ManagedCommunity], int]:
    """A page of those that are looked for, and how many there are. Raises `Rejected` for a sort that is none."""
    statement = sa.select(community).where(*_conditions(asked))
    rows, total = page_of(tx, statement, *_order(asked), page=asked.page, size=asked.size)
    return [_managed(row) for row in rows], total


def _conditions(asked: Question) -> Iterator[sa.ColumnElement[bool]]:
    yield community.c.deleted.is_(None)
    for word in words_of(asked.q.casefold()):
        yield community.c.words.contains(word, autoescape=True)
    if asked.kind:
        yield community.c.kind == asked.kind
    if asked.featured:
        yield community.c.featured.is_not(None)
    for kind, name in asked.bodies.items():
        named = sa.select(community_body.c.community_id).where(
            community_body.c.kind == kind, community_body.c.name == name.casefold()
        )
        yield community.c.id.in_(named)
    if asked.without is not None:
        joined = sa.select(concept_community.c.community_id).where(
            concept_community.c.concept_id == asked.without
        )
        yield community.c.id.not_in(joined)
    if asked.member is not None:
        theirs = sa.select(community_member.c.community_id).where(
            community_member.c.account_id == asked.member
        )
        yield community.c.id.in_(theirs)


def _order(asked: Question) -> tuple[sa.ColumnElement[Any], ...]:
    newest = (community.c.created.desc(), community.c.id.desc())
    match asked.sort or ("bestmatch" if asked.q else "newest"):
        case "newest":
            return newest
        case "oldest":
            return community.c.created, community.c.id
        case "bestmatch":
            # Those that are called so come before those that say so.
            is_called = sa.func.lower(community.c.title).contains(asked.q.lower(), autoescape=True)
            return (sa.case((is_called, 0), else_=1), *newest)
    raise Rejected(f"Invalid sort option '{asked.sort}'.", field="sort")


def with_works(tx: Transaction) -> list[Community]:
    """The communities that have a work, by slug."""
    peopled = sa.select(concept_community.c.community_id)
    rows = tx.execute(sa.select(community).where(community.c.id.in_(peopled)).order_by(community.c.slug))
    return [_brief(row) for row in rows]


# ---------------------------------------------------------------- changing


def ensure(tx: Transaction, slug: str, *, title: str, now: datetime) -> bool:
    """Make the community if there is none of that name; whether it was made. It has no members: an administrator
    manages it until it has."""
    made = insert(tx, community).values(_row(Charter(slug, title)) | _begun(str(uuid4()), now))
    return tx.execute(made.on_conflict_do_nothing().returning(community.c.id)).first() is not None


def add(tx: Transaction, charter: Charter, *, now: datetime) -> ManagedCommunity:
    """Raises `InvalidFields` where the slug is taken."""
    community_id = str(uuid4())
    made = insert(tx, community).values(_row(charter) | _begun(community_id, now)).on_conflict_do_nothing()
    if tx.execute(made.returning(community.c.id)).first() is None:
        raise _taken()
    _note_bodies(tx, community_id, charter)
    return get(tx, community_id)


def describe(tx: Transaction, community_id: str, charter: Charter, *, now: datetime) -> None:
    """All but the slug, which is `rename`d."""
    _change(tx, community_id, now, **{**_row(charter), "slug": community.c.slug})
    tx.execute(sa.delete(community_body).where(community_body.c.community_id == community_id))
    _note_bodies(tx, community_id, charter)


def rename(tx: Transaction, one: ManagedCommunity, slug: str, *, now: datetime) -> None:
    """Raises `InvalidFields` where the slug is taken."""
    try:
        with tx.begin_nested():
            words = " ".join((slug, one.charter.title, one.charter.description)).casefold()
            _change(tx, one.id, now, slug=slug, words=words)
    except sa.exc.IntegrityError:
        raise _taken() from None


def feature(tx: Transaction, community_id: str, since: datetime | None, *, now: datetime) -> None:
    _change(tx, community_id, now, featured=since)


def delete(tx: Transaction, community_id: str, tombstone: JsonObject, *, now: datetime) -> None:
    """Its tombstone stays. Works, members and logo are to be gone before."""
    _change(tx, community_id, now, deleted=now, tombstone=tombstone, featured=None)


def _change(tx: Transaction, community_id: str, now: datetime, **values: Any) -> None:
    tx.execute(
        sa.update(community)
        .where(community.c.id == community_id)
        .values(updated=now, revision=community.c.revision + 1, **values)
    )


def _taken() -> InvalidFields:
    return InvalidFields((FieldFault("slug", ("A community with this identifier already exists.",)),))


def _note_bodies(tx: Transaction, community_id: str, charter: Charter) -> None:
    rows = [
        {"community_id": community_id, "kind": kind, "name": name} for kind, name in sorted(charter.bodies())
    ]
    if rows:
        tx.execute(sa.insert(community_body), rows)


# ---------------------------------------------------------------- logos


def logo(tx: Transaction, community_id: str) -> Logo | None:
    row = tx.execute(
        sa.select(community_logo).where(community_logo.c.community_id == community_id)
    ).one_or_none()
    return None if row is None else Logo(row.content, row.media_type, row.md5, row.updated)


def put_logo(tx: Transaction, community_id: str, content: bytes, media_type: str, *, now: datetime) -> Logo:
    remove_logo(tx, community_id)
    put = Logo(content, media_type, hashlib.md5(content, usedforsecurity=False).hexdigest(), now)
    tx.execute(sa.insert(community_logo).values(community_id=community_id, **asdict(put)))
    return put


def remove_logo(tx: Transaction, community_id: str) -> bool:
    """Whether there was one."""
    gone = tx.execute(sa.delete(community_logo).where(community_logo.c.community_id == community_id))
    return gone.rowcount > 0


# ---------------------------------------------------------------- works


def include(tx: Transaction, memberships: Collection[tuple[int, str]]) -> None:
    """Put works (by concept id) into communities (by id); doing it again changes nothing."""
    if not memberships:
        return
    tx.execute(
        insert(tx, concept_community).on_conflict_do_nothing(),
        [
            {"concept_id": concept_id, "community_id": id_, "is_default": False}
            for concept_id, id_ in memberships
        ],
    )


def exclude(tx: Transaction, community_id: str, concept_ids: Collection[int]) -> list[int]:
    """Take works out of a community; those that were in it."""
    gone = sa.delete(concept_community).where(
        concept_community.c.community_id == community_id, concept_community.c.concept_id.in_(concept_ids)
    )
    return list(tx.execute(gone.returning(concept_community.c.concept_id)).scalars())


def forget_work(tx: Transaction, concept_id: int) -> None:
    """Take a work that was never published out of all communities."""
    tx.execute(sa.delete(concept_community).where(concept_community.c.concept_id == concept_id))


def set_default(tx: Transaction, concept_id: int, community_id: str | None) -> bool:
    """Have a community, or none, stand for a work; whether the work is in it."""
    mine = concept_community.c.concept_id == concept_id
    tx.execute(sa.update(concept_community).where(mine).values(is_default=False))
    chosen = sa.update(concept_community).where(mine, concept_community.c.community_id == community_id)
    return community_id is None or tx.execute(chosen.values(is_default=True)).rowcount > 0


def works(tx: Transaction, community_id: str, *, after: int = 0, limit: int) -> list[int]:
    """Concept ids of the works in a community, in order, from behind `after` on."""
    chosen = (
        sa.select(concept_community.c.concept_id)
        .where(concept_community.c.community_id == community_id, concept_community.c.concept_id > after)
        .order_by(concept_community.c.concept_id)
        .limit(limit)
    )
    return list(tx.execute(chosen).scalars())


def of_concepts(tx: Transaction, concept_ids: Sequence[int]) -> dict[int, tuple[Community, ...]]:
    """The communities of each work: the one that stands for it first, the others by slug."""
    found: dict[int, tuple[Community, ...]] = {}
    for row in tx.execute(_OF_CONCEPTS, {"wanted": list(concept_ids)}):
        found[row.concept_id] = (*found.get(row.concept_id, ()), _brief(row, is_default=row.is_default))
    return found


_OF_CONCEPTS = (
    sa.select(concept_community.c.concept_id, concept_community.c.is_default, community)
    .join(community, community.c.id == concept_community.c.community_id)
    .where(concept_community.c.concept_id.in_(sa.bindparam("wanted", expanding=True)))
    .order_by(concept_community.c.is_default.desc(), community.c.slug)
)

# ---------------------------------------------------------------- rows


def _named(name: str) -> sa.Select[Any]:
    # No slug is a UUID; and PostgreSQL takes no NUL.
    if "\0" in name:
        return sa.select(community).where(sa.false())
    column = community.c.id if is_uuid(name) else community.c.slug
    return sa.select(community).where(column == name.lower())


def _begun(community_id: str, now: datetime) -> dict[str, Any]:
    return {"id": community_id, "created": now, "updated": now, "revision": 1}


def _row(charter: Charter) -> dict[str, Any]:
    return {
        "slug": charter.slug,
        "title": charter.title,
        "description": charter.description,
        "kind": charter.kind,
        "details": charter.details,
        "members_visibility": charter.policies.members_visibility,
        "member_policy": charter.policies.member_policy,
        "record_submission_policy": charter.policies.record_submission_policy,
        "review_policy": charter.policies.review_policy,
        "words": charter.words,
    }


def _brief(row: sa.Row[Any], *, is_default: bool = False) -> Community:
    return Community(row.slug, row.title, row.description, id=row.id, is_default=is_default)


def _managed(row: sa.Row[Any]) -> ManagedCommunity:
    policies = Policies(
        Audience(row.members_visibility),
        Policy(row.member_policy),
        Policy(row.record_submission_policy),
        ReviewPolicy(row.review_policy),
    )
    charter = Charter(row.slug, row.title, row.description, row.kind, row.details, policies)
    return ManagedCommunity(
        row.id, charter, row.created, row.updated, row.revision, row.featured, row.tombstone
    )
