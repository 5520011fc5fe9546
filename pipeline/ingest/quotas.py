"""Use case: how much a work may hold (Zenodo's REST API, life-cycle requests and limits).

An owner raises it by themselves, out of an allowance that all their works share; that is carried out at once, and
stands in the books as a request that was accepted. Administrators say what a work, or each work of an account, may
hold: owners add to that where it is no less than usual, and never undo it.
"""

from __future__ import annotations

from pipeline import refusals
from pipeline.access import Viewer, may_enlarge
from pipeline.catalogue import Transaction, accounts, drafts, quotas, records, requests
from pipeline.catalogue.drafts import Draft
from pipeline.communities.requests import QUOTA_INCREASE, Request
from pipeline.errors import Denied, Missing
from pipeline.model import Quota
from pipeline.services import Services

GIGABYTE = 10**9
"""What sizes are asked for in."""


def raise_own(services: Services, draft: Draft, viewer: Viewer, gigabytes: int) -> Request:
    """Have the work of a draft hold that much in all, for whoever `access.may_enlarge` lets: an owner as far as their
    allowance goes, administrators any size. Where works have no bound nothing changes, and where they may hold that
    much anyway what was taken of the allowance is given back. What administrators said of one file holds on. Raises
    `Missing` where the draft is open no more, `Denied` for more than the allowance has left, for less than the work
    holds by now, and for more than administrators let it hold where that is less than usual."""
    now = services.now()
    with services.catalogue.write() as tx:
        one = drafts.locked(tx, draft.deposit.id)
        current = drafts.get(tx, one.record_id)
        if not may_enlarge(current.owner, viewer):
            raise refusals.not_permitted()
        asked = gigabytes * GIGABYTE
        if viewer.admin:
            said = quotas.of_work(tx, one.concept_id) or quotas.of_account(tx, current.account_id)
            quotas.set_work(tx, one.concept_id, Quota(asked, said.file_size if said else asked), now=now)
        else:
            _take(tx, services, current, asked)
        title = current.description.metadata.get("title")
        return requests.add_accepted(
            tx,
            QUOTA_INCREASE,
            title=f'Quota increase request for "{title}"' if title else "Quota increase request",
            creator_id=viewer.account_id,
            record_id=one.record_id,
            payload={"quota_size": str(gigabytes)},
            now=now,
        )


def _take(tx: Transaction, services: Services, draft: Draft, asked: int) -> None:
    concept_id, account_id = draft.deposit.concept_id, draft.account_id
    quotas.lock_account(tx, account_id)
    all_works, of_account = services.settings.record_bytes, quotas.of_account(tx, account_id)
    said = quotas.of_work(tx, concept_id) or of_account
    if said is None and all_works == 0:
        return
    anyway, usual = said.size if said else all_works, of_account.size if of_account else all_works
    if said and asked > anyway and is_less(anyway, all_works, usual):
        raise Denied("Permission denied.", remedy="Administrators say what this record may hold: ask them.")
    taken = quotas.taken(tx, account_id, beyond=usual, besides=concept_id)
    least, most = extra_between(
        anyway=anyway, held=quotas.held(tx, concept_id), allowance=services.settings.extra_bytes - taken
    )
    extra = max(asked - anyway, 0)
    if not least <= extra <= most:
        raise Denied("Permission denied.", remedy=_told(anyway + least, anyway + most))
    if extra:
        quotas.raise_work(tx, concept_id, asked, account_id=account_id, now=services.now())
    else:
        quotas.give_back(tx, concept_id)


def is_less(size: int, *bounds: int) -> bool:
    """Whether that is less than one of the bounds lets a work hold, of which 0 is none (pure)."""
    return any(bound == 0 or size < bound for bound in bounds)


def extra_between(*, anyway: int, held: int, allowance: int) -> tuple[int, int]:
    """The bytes that a work may have beyond what it may hold `anyway`: at least, in whole gigabytes, what it has
    already, and at most what is left of the allowance (pure)."""
    used = max(held - anyway, 0)
    return -(-used // GIGABYTE) * GIGABYTE, max(allowance, 0)


def _told(least: int, most: int) -> str:
    if most < least:
        return (
            "Nothing is left of what you may add to your records: give some back, or ask the administrators."
        )
    return f"This record may be given {least // GIGABYTE} to {most // GIGABYTE} GB in all out of what you have left."


def set_of_work(services: Services, record_id: int, quota: Quota, notes: str) -> None:
    """By administrators, of the work that a draft or a record is of. Raises `Missing`."""
    with services.catalogue.write() as tx:
        quotas.set_work(tx, _work_of(tx, record_id), quota, notes=notes, now=services.now())


def _work_of(tx: Transaction, record_id: int) -> int:
    try:
        return drafts.get(tx, record_id).deposit.concept_id
    except Missing:
        return records.get(tx, record_id).concept_id


def set_of_account(services: Services, account_id: int, quota: Quota, notes: str) -> None:
    """By administrators, of each work of an account. Raises `Missing`."""
    with services.catalogue.write() as tx:
        if account_id not in accounts.by_ids(tx, [account_id]):
            raise Missing("There is no such account.")
        quotas.set_account(tx, account_id, quota, notes=notes, now=services.now())
