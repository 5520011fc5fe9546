"""How much works may hold: what administrators said of some, and of all of some account; what owners raised them to."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from pipeline.catalogue import Transaction
from pipeline.catalogue.dialects import insert
from pipeline.catalogue.drafts import is_open
from pipeline.catalogue.tables import account_quota, deposit, raised_quota, record, user, work_quota
from pipeline.model import Quota


def of_work(tx: Transaction, concept_id: int) -> Quota | None:
    """What administrators have said of it; None where they have not."""
    row = tx.execute(sa.select(work_quota).where(work_quota.c.concept_id == concept_id)).one_or_none()
    return None if row is None else Quota(row.quota_size, row.max_file_size)


def of_account(tx: Transaction, account_id: int) -> Quota | None:
    """What each work of an account may hold; None where nobody has said."""
    chosen = sa.select(account_quota).where(account_quota.c.account_id == account_id)
    row = tx.execute(chosen).one_or_none()
    return None if row is None else Quota(row.quota_size, row.max_file_size)


def set_work(tx: Transaction, concept_id: int, quota: Quota, *, notes: str = "", now: datetime) -> None:
    """By administrators, in the place of what they said before, and of what its owner raised it to."""
    give_back(tx, concept_id)
    values = {"quota_size": quota.size, "max_file_size": quota.file_size, "notes": notes, "changed": now}
    added = insert(tx, work_quota).values(concept_id=concept_id, **values)
    tx.execute(added.on_conflict_do_update(index_elements=["concept_id"], set_=values))


def raise_work(tx: Transaction, concept_id: int, size: int, *, account_id: int, now: datetime) -> None:
    """To so many bytes in all, out of an account's allowance; in the place of what it was raised to before."""
    values = {"account_id": account_id, "quota_size": size, "changed": now}
    added = insert(tx, raised_quota).values(concept_id=concept_id, **values)
    tx.execute(added.on_conflict_do_update(index_elements=["concept_id"], set_=values))


def give_back(tx: Transaction, concept_id: int) -> None:
    """It may hold what it may without its owner; idempotent."""
    tx.execute(sa.delete(raised_quota).where(raised_quota.c.concept_id == concept_id))


def set_account(tx: Transaction, account_id: int, quota: Quota, *, notes: str, now: datetime) -> None:
    """In the place of what was said before."""
    values = {"quota_size": quota.size, "max_file_size": quota.file_size, "notes": notes, "changed": now}
    added = insert(tx, account_quota).values(account_id=account_id, **values)
    tx.execute(added.on_conflict_do_update(index_elements=["account_id"], set_=values))


def lock_account(tx: Transaction, account_id: int) -> None:
    """Nobody else takes anything out of the account's allowance until the transaction ends; what else refers to the
    account goes on."""
    held = sa.select(user.c.id).where(user.c.id == account_id)
    tx.execute(held.with_for_update(key_share=True)).one()


def taken(tx: Transaction, account_id: int, *, beyond: int, besides: int) -> int:
    """Bytes that works have out of an account's allowance: what each may hold beyond what administrators said of it, or
    else `beyond`, which is what each of them might anyway. The work `besides` does not count."""
    anyway = sa.func.coalesce(work_quota.c.quota_size, beyond)
    extra = sa.func.sum(raised_quota.c.quota_size - anyway)
    found = tx.execute(
        sa.select(sa.func.coalesce(extra, 0))
        .select_from(raised_quota)
        .outerjoin(work_quota, work_quota.c.concept_id == raised_quota.c.concept_id)
        .where(
            raised_quota.c.account_id == account_id,
            raised_quota.c.quota_size > anyway,
            raised_quota.c.concept_id != besides,
        )
    )
    return int(found.scalar_one())


def held(tx: Transaction, concept_id: int) -> int:
    """Bytes of the largest of a work's versions, drafts among them."""
    drafted = sa.select(sa.func.max(deposit.c.bytes_total)).where(
        deposit.c.concept_id == concept_id, is_open()
    )
    published = sa.select(sa.func.max(record.c.total_bytes)).where(record.c.concept_id == concept_id)
    return max(tx.execute(one).scalar_one() or 0 for one in (drafted, published))
