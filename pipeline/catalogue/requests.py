"""Requests and their timelines."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import words_of
from pipeline.catalogue.paging import page_of
from pipeline.catalogue.tables import request, request_event
from pipeline.communities.requests import (
    COMMUNITY_SUBMISSION,
    Entity,
    EntityKind,
    Request,
    RequestAction,
    RequestState,
    RequestType,
    as_of,
    step,
    subject,
)
from pipeline.errors import Conflict, Missing, Rejected
from pipeline.model import JsonObject


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A comment (`content`, sanitised HTML, maybe in reply to another) or what was done (`event`, a word); by whom,
    None for what time did."""

    id: str
    request_id: str
    author_id: int | None
    event: str
    content: str
    parent_id: str | None
    created: datetime
    updated: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Question:
    """Which requests are looked for: those with all words of `q` in their title, or its number; made by, received by or
    about (any of) the given entities; in any of the states, of any of the types."""

    q: str = ""
    sort: str = ""
    page: int = 1
    size: int = 25
    creators: Collection[Entity] = ()
    receivers: Collection[Entity] = ()
    topics: Collection[Entity] = ()
    types: Collection[str] = ()
    states: Collection[str] = ()
    is_open: bool | None = None
    everybody: bool = False


# ---------------------------------------------------------------- requests


def add(
    tx: Transaction,
    kind: RequestType,
    *,
    title: str,
    creator: Entity,
    receiver: Entity,
    topic: Entity,
    asked_by: int | None,
    payload: JsonObject | None = None,
    submitted: bool = True,
    now: datetime,
) -> Request:
    """Raises `Conflict` where there is an open one that it is not told apart from."""
    expire_due(tx, now=now)
    state = RequestState.SUBMITTED if submitted else RequestState.CREATED
    row = {
        "id": str(uuid4()),
        "type": kind.name,
        "title": title,
        "state": state,
        "creator_kind": creator.kind,
        "creator_id": creator.id,
        "receiver_kind": receiver.kind,
        "receiver_id": receiver.id,
        "topic_kind": topic.kind,
        "topic_id": topic.id,
        "payload": payload or {},
        "asked_by": asked_by,
        "subject": subject(kind, creator, receiver, topic),
        "created": now,
        "updated": now,
        "expires": None if kind.life is None else now + kind.life,
    }
    try:
        with tx.begin_nested():
            tx.execute(sa.insert(request).values(row))
    except sa.exc.IntegrityError:
        raise Conflict("There is such a request already, which is open.") from None
    return get(tx, str(row["id"]), now=now)


def add_accepted(
    tx: Transaction,
    kind: RequestType,
    *,
    title: str,
    creator_id: int | None,
    record_id: int,
    payload: JsonObject,
    now: datetime,
) -> Request:
    """One of an account about a record that whoever runs the archive has accepted beforehand, by a rule: it is done in
    this transaction, and stands in the books."""
    asked = add(
        tx,
        kind,
        title=title,
        creator=Entity(EntityKind.USER, str(creator_id)),
        receiver=Entity(EntityKind.ADMINISTRATORS, ""),
        topic=Entity(EntityKind.RECORD, str(record_id)),
        asked_by=creator_id,
        payload=payload,
        now=now,
    )
    return move(tx, asked, RequestAction.ACCEPT, by=None, now=now)


def get(tx: Transaction, request_id: str, *, now: datetime) -> Request:
    """As it is now. Raises `Missing`."""
    row = tx.execute(sa.select(request).where(request.c.id == request_id)).one_or_none()
    if row is None:
        raise _unknown()
    return as_of(_request(row), now)


def locked(tx: Transaction, request_id: str, *, now: datetime) -> Request:
    """The request, which nobody else changes until the transaction ends. Raises `Missing`."""
    expire_due(tx, now=now)
    row = tx.execute(sa.select(request).where(request.c.id == request_id).with_for_update()).one_or_none()
    if row is None:
        raise _unknown()
    return _request(row)


def page(tx: Transaction, asked: Question, *, now: datetime) -> tuple[list[Request], int]:
    """A page of those that are looked for, and how many there are. Raises `Rejected` for a sort that is none."""
    chosen = sa.select(request).where(*_conditions(asked, now))
    rows, total = page_of(tx, chosen, *_order(asked), page=asked.page, size=asked.size)
    return [as_of(_request(row), now) for row in rows], total


def latest(tx: Transaction, kind: RequestType, topic: Entity, *, now: datetime) -> Request | None:
    """The newest request of a type about something, if there is one."""
    wanted = {"wanted_type": kind.name, "wanted_kind": topic.kind, "wanted_id": topic.id}
    row = tx.execute(_LATEST, wanted).one_or_none()
    return None if row is None else as_of(_request(row), now)


_LATEST = (
    sa.select(request)
    .where(
        request.c.type == sa.bindparam("wanted_type"),
        request.c.topic_kind == sa.bindparam("wanted_kind"),
        request.c.topic_id == sa.bindparam("wanted_id"),
    )
    .order_by(request.c.number.desc())
    .limit(1)
)


def open_between(
    tx: Transaction, kind: RequestType, receiver: Entity, topic: Entity, *, now: datetime
) -> Request | None:
    """The request of a type that waits for somebody's answer about something, if one does."""
    chosen = sa.select(request).where(
        request.c.type == kind.name,
        request.c.state == RequestState.SUBMITTED,
        *_is("receiver", receiver),
        *_is("topic", topic),
    )
    row = tx.execute(chosen.order_by(request.c.number.desc()).limit(1).with_for_update()).one_or_none()
    found = None if row is None else as_of(_request(row), now)
    return found if found is not None and found.is_open else None


def review(tx: Transaction, record_id: int, *, now: datetime) -> Request | None:
    """The review that a draft was last given to, or is to be."""
    return latest(tx, COMMUNITY_SUBMISSION, Entity(EntityKind.RECORD, str(record_id)), now=now)


def count_open(tx: Transaction, receiver: Entity, *, now: datetime) -> int:
    asked = Question(receivers=[receiver], is_open=True)
    chosen = sa.select(request.c.number).where(*_conditions(asked, now)).subquery()
    return tx.execute(sa.select(sa.func.count()).select_from(chosen)).scalar_one()


def move(
    tx: Transaction, one: Request, action: RequestAction, *, by: int | None, comment: str = "", now: datetime
) -> Request:
    """Do this with a request that is `locked`, and say so in its timeline, with a comment or without. Raises `Rejected`
    where it cannot be done."""
    state = step(one.state, action)
    # Its time runs from when it was asked for.
    expires = {} if one.kind.life is None else {"expires": now + one.kind.life}
    _change(tx, one, now, state=state, **(expires if action is RequestAction.SUBMIT else {}))
    if action is not RequestAction.SUBMIT:
        _say(tx, one, now, author_id=by, event=state.value)
    if comment:
        _say(tx, one, now, author_id=by, content=comment)
    return get(tx, one.id, now=now)


def describe(tx: Transaction, one: Request, title: str, description: str, *, now: datetime) -> None:
    _change(tx, one, now, title=title, description=description)


def set_payload(tx: Transaction, one: Request, payload: JsonObject, *, now: datetime) -> None:
    _change(tx, one, now, payload=payload)


def lock(tx: Transaction, one: Request, *, locked: bool, by: int, now: datetime) -> None:
    """Let nobody add comments, or let them again."""
    _change(tx, one, now, locked=locked)
    _say(tx, one, now, author_id=by, event="locked" if locked else "unlocked")


def remove(tx: Transaction, one: Request) -> None:
    """Forget a request, with its timeline."""
    tx.execute(sa.delete(request_event).where(request_event.c.request_number == one.number))
    tx.execute(sa.delete(request).where(request.c.number == one.number))


def expire_due(tx: Transaction, *, now: datetime) -> None:
    """Note of requests whose time is over that it is."""
    due = sa.select(request).where(request.c.state == RequestState.SUBMITTED, request.c.expires <= now)
    for row in tx.execute(due.with_for_update(skip_locked=True)).all():
        move(tx, _request(row), RequestAction.EXPIRE, by=None, now=now)


def _change(tx: Transaction, one: Request, now: datetime, **values: Any) -> None:
    tx.execute(
        sa.update(request)
        .where(request.c.number == one.number)
        .values(updated=now, revision=request.c.revision + 1, **values)
    )


def _conditions(asked: Question, now: datetime) -> Iterator[sa.ColumnElement[bool]]:
    for word in words_of(asked.q):
        is_called = sa.func.lower(request.c.title).contains(word.lower(), autoescape=True)
        yield sa.or_(is_called, request.c.number == int(word)) if _is_number(word) else is_called
    if asked.types:
        yield request.c.type.in_(asked.types)
    is_over = sa.and_(
        request.c.state == RequestState.SUBMITTED, request.c.expires.is_not(None), request.c.expires <= now
    )
    waits = sa.and_(request.c.state == RequestState.SUBMITTED, ~is_over)
    if asked.states:
        states = sa.and_(request.c.state.in_(asked.states), ~is_over)
        yield sa.or_(states, is_over) if RequestState.EXPIRED in asked.states else states
    if asked.is_open is not None:
        yield waits if asked.is_open else ~waits
    if not asked.everybody:
        # Nobody is asked yet by what was only created.
        was_asked = request.c.state != RequestState.CREATED
        yield sa.or_(
            _is_any("creator", asked.creators),
            sa.and_(_is_any("receiver", asked.receivers), was_asked),
            _is_any("topic", asked.topics),
        )


def _is_any(part: str, entities: Collection[Entity]) -> sa.ColumnElement[bool]:
    ids: dict[EntityKind, list[str]] = {}
    for one in entities:
        ids.setdefault(one.kind, []).append(one.id)
    columns = request.c[f"{part}_kind"], request.c[f"{part}_id"]
    return sa.or_(
        sa.false(), *(sa.and_(columns[0] == kind, columns[1].in_(some)) for kind, some in ids.items())
    )


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 19


def _is(part: str, one: Entity) -> tuple[sa.ColumnElement[bool], ...]:
    return request.c[f"{part}_kind"] == one.kind, request.c[f"{part}_id"] == one.id


def _order(asked: Question) -> tuple[sa.ColumnElement[Any], ...]:
    match asked.sort or "newest":
        case "newest" | "bestmatch":
            return (request.c.number.desc(),)
        case "oldest":
            return (request.c.number,)
        case "newestactivity":
            return request.c.updated.desc(), request.c.number.desc()
        case "oldestactivity":
            return request.c.updated, request.c.number
    raise Rejected(f"Invalid sort option '{asked.sort}'.", field="sort")


# ---------------------------------------------------------------- timelines


def comment(
    tx: Transaction, one: Request, content: str, *, by: int, parent_id: str | None = None, now: datetime
) -> TimelineEntry:
    """Say something about a request. `parent_id` is the comment that it answers. Raises `Missing` where there is no
    such comment."""
    if parent_id is not None:
        entry(tx, one, parent_id)
    added = _say(tx, one, now, author_id=by, content=content, parent_id=parent_id)
    _change(tx, one, now)
    return entry(tx, one, added)


def entry(tx: Transaction, one: Request, entry_id: str) -> TimelineEntry:
    """A comment. Raises `Missing`."""
    row = tx.execute(
        _entries(one).where(request_event.c.id == entry_id, request_event.c.event == "")
    ).one_or_none()
    if row is None:
        raise Missing("There is no such comment.")
    return _entry(one, row)


def edit(tx: Transaction, one: Request, entry_id: str, content: str, *, now: datetime) -> TimelineEntry:
    _rewrite(tx, entry_id, now, content=content)
    return entry(tx, one, entry_id)


def erase(tx: Transaction, entry_id: str, *, now: datetime) -> None:
    """What a comment said is forgotten; that there was one is not."""
    _rewrite(tx, entry_id, now, content="", event="comment_deleted")


def timeline(tx: Transaction, one: Request, *, page: int, size: int) -> tuple[list[TimelineEntry], int]:
    """A page of what was said and done, the first that came first, and how much there is."""
    rows, total = page_of(tx, _entries(one), request_event.c.number, page=page, size=size)
    return [_entry(one, row) for row in rows], total


def _say(tx: Transaction, one: Request, now: datetime, **values: Any) -> str:
    entry_id = str(uuid4())
    row = {"id": entry_id, "request_number": one.number, "created": now, "updated": now, **values}
    tx.execute(sa.insert(request_event).values(row))
    return entry_id


def _rewrite(tx: Transaction, entry_id: str, now: datetime, **values: Any) -> None:
    changed = sa.update(request_event).where(request_event.c.id == entry_id)
    tx.execute(changed.values(updated=now, revision=request_event.c.revision + 1, **values))


def _entries(one: Request) -> sa.Select[Any]:
    return sa.select(request_event).where(request_event.c.request_number == one.number)


# ---------------------------------------------------------------- rows


def _unknown() -> Missing:
    return Missing("There is no such request.")


def _request(row: sa.Row[Any]) -> Request:
    return Request(
        id=row.id,
        number=row.number,
        type=row.type,
        title=row.title,
        description=row.description,
        state=RequestState(row.state),
        creator=Entity(EntityKind(row.creator_kind), row.creator_id),
        receiver=Entity(EntityKind(row.receiver_kind), row.receiver_id),
        topic=Entity(EntityKind(row.topic_kind), row.topic_id),
        created=row.created,
        updated=row.updated,
        revision=row.revision,
        payload=row.payload,
        expires=row.expires,
        locked=row.locked,
        asked_by=row.asked_by,
    )


def _entry(one: Request, row: sa.Row[Any]) -> TimelineEntry:
    return TimelineEntry(
        id=row.id,
        request_id=one.id,
        author_id=row.author_id,
        event=row.event,
        content=row.content,
        parent_id=row.parent_id,
        created=row.created,
        updated=row.updated,
        revision=row.revision,
    )
