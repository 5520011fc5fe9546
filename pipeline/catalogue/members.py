"""Members of communities and their roles."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.paging import page_of
from pipeline.catalogue.tables import community_member, user
from pipeline.communities.roles import Role


@dataclass(frozen=True, slots=True)
class Member:
    """`visible`: whether people who are no members see that they are one."""

    community_id: str
    account_id: int
    email: str
    role: Role
    visible: bool
    created: datetime
    updated: datetime


def roles(tx: Transaction, account_id: int | None) -> Mapping[str, Role]:
    """What somebody is in which communities, by their ids; a stranger (None) is in none."""
    if account_id is None:
        return {}
    theirs = sa.select(community_member.c.community_id, community_member.c.role).where(
        community_member.c.account_id == account_id
    )
    return {row.community_id: Role(row.role) for row in tx.execute(theirs)}


def role(tx: Transaction, community_id: str, account_id: int | None) -> Role | None:
    """What somebody is in a community; None for those who are no members."""
    return roles(tx, account_id).get(community_id)


def add(
    tx: Transaction, community_id: str, account_id: int, role: Role, *, visible: bool = False, now: datetime
) -> bool:
    """Whether they were no member before; one stays what they are."""
    row = {
        "community_id": community_id,
        "account_id": account_id,
        "role": role,
        "visible": visible,
        "created": now,
        "updated": now,
    }
    added = insert(tx, community_member).values(row).on_conflict_do_nothing()
    return tx.execute(added.returning(community_member.c.account_id)).first() is not None


def change(
    tx: Transaction,
    community_id: str,
    account_ids: Collection[int],
    *,
    role: Role | None = None,
    visible: bool | None = None,
    now: datetime,
) -> None:
    """What is None stays."""
    given = {"role": role, "visible": visible}
    values = {name: value for name, value in given.items() if value is not None}
    tx.execute(
        sa.update(community_member).where(*_these(community_id, account_ids)).values(updated=now, **values)
    )


def remove(tx: Transaction, community_id: str, account_ids: Collection[int]) -> None:
    tx.execute(sa.delete(community_member).where(*_these(community_id, account_ids)))


def remove_all(tx: Transaction, community_id: str) -> set[int]:
    """The accounts of those who were members."""
    removed = sa.delete(community_member).where(community_member.c.community_id == community_id)
    return set(tx.execute(removed.returning(community_member.c.account_id)).scalars())


def owners(tx: Transaction, community_id: str) -> set[int]:
    """The accounts of those who own the community."""
    owning = sa.select(community_member.c.account_id).where(
        community_member.c.community_id == community_id, community_member.c.role == Role.OWNER
    )
    return set(tx.execute(owning).scalars())


def find(tx: Transaction, community_id: str, account_ids: Collection[int]) -> dict[int, Member]:
    """Those of the accounts that are members."""
    rows = tx.execute(_MEMBERS.where(*_these(community_id, account_ids)))
    return {row.account_id: _member(row) for row in rows}


def page(
    tx: Transaction, community_id: str, *, visible_only: bool, page: int, size: int
) -> tuple[list[Member], int]:
    """A page of the members, the first that came first, and how many there are."""
    chosen = _MEMBERS.where(community_member.c.community_id == community_id)
    if visible_only:
        chosen = chosen.where(community_member.c.visible)
    order = community_member.c.created, community_member.c.account_id
    rows, total = page_of(tx, chosen, *order, page=page, size=size)
    return [_member(row) for row in rows], total


def _these(community_id: str, account_ids: Collection[int]) -> tuple[sa.ColumnElement[bool], ...]:
    return community_member.c.community_id == community_id, community_member.c.account_id.in_(account_ids)


_MEMBERS = sa.select(community_member, user.c.email).join(user, user.c.id == community_member.c.account_id)


def _member(row: sa.Row[Any]) -> Member:
    return Member(
        row.community_id, row.account_id, row.email, Role(row.role), row.visible, row.created, row.updated
    )
