"""Which of somebody's own depositions a question finds, and of those that others share with them: drafts are in no
search index, which shows to everybody what it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.depositing.draft_json import foreseen
from gateway.http.admission import account_of
from gateway.reading.search import Question
from pipeline.access import NO_TIES, Viewer, as_of, right_to
from pipeline.catalogue import Transaction, drafts, records, rights, sharing
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.drafts import Draft
from pipeline.index import dates, matching, query
from pipeline.index.document import document
from pipeline.index.nodes import Term
from pipeline.model import Right
from pipeline.ports import IndexDocument, SearchRequest
from pipeline.services import Services

SEARCHED = 1_000
"""Depositions of one account, the newest, that words are looked for in."""


@dataclass(frozen=True, slots=True)
class Page:
    """Open drafts, and the ids of published records without one; `total` counts those of all pages."""

    found: Sequence[Draft | int]
    total: int


def find(
    services: Services,
    tx: Transaction,
    viewer: Viewer,
    asked: Question,
    *,
    is_shared: bool = False,
    is_published: bool | None = None,
) -> Page:
    """Somebody's own, or what others share with them; the newest first, where no other order is asked for; with
    `is_published` only those with a published version, or only those without. Raises `Rejected` as `SearchIndex.search`
    does, `Denied` for a stranger."""
    account = account_of(viewer)
    if is_shared:
        return _shared(services, tx, account, viewer, asked, is_published=is_published)
    return _own(services, tx, account, asked, is_published=is_published)


def _own(
    services: Services, tx: Transaction, account: Account, asked: Question, *, is_published: bool | None
) -> Page:
    named = _named(asked.q)
    mine = drafts.Owned(
        account.id, account.email, all_versions=asked.all_versions, is_published=is_published, **named
    )
    if asked.sort or (asked.q.strip() and not named):
        return _searched(services, tx, drafts.owned(tx, mine, page=1, size=SEARCHED), asked)
    found = drafts.owned(tx, mine, page=asked.page, size=asked.size)
    return Page(found, drafts.count_owned(tx, mine))


def _shared(
    services: Services,
    tx: Transaction,
    account: Account,
    viewer: Viewer,
    asked: Question,
    *,
    is_published: bool | None,
) -> Page:
    """Of as many works at most as are searched. A draft that they may not see is not in the place of the record that
    they may."""
    works = sharing.works_of(tx, account.id, limit=SEARCHED)
    ties = rights.ties(tx, works, viewer, now=services.now())

    def may(owner: str, concept_id: int, right: Right) -> bool:
        return owner != account.email and right_to(owner, viewer, ties.get(concept_id, NO_TIES)) >= right

    opened = [
        one
        for one in drafts.of_works(tx, works)
        if may(one.owner, one.deposit.concept_id, Right.PREVIEW) and is_published in (None, one.is_edit)
    ]
    edited = {one.record_id for one in opened}
    published = [
        one
        for one in records.of_works(tx, works, all_versions=asked.all_versions)
        if may(one.owner, one.concept_id, Right.VIEW) and one.id not in edited
    ]
    dated: list[tuple[datetime, int, Draft | int]] = [(one.created, one.record_id, one) for one in opened]
    dated += [(one.created, one.id, one.id) for one in published if is_published is not False]
    dated.sort(key=lambda one: one[:2], reverse=True)
    found = [one for _, _, one in dated]
    if asked.sort or asked.q.strip():
        return _searched(services, tx, found, asked)
    return Page(found[(asked.page - 1) * asked.size :][: asked.size], len(found))


def _named(q: str) -> dict[str, int]:
    """The number that `q` names, by the field of `drafts.Owned`. Raises `Rejected` (field `q`)."""
    match query.parse(q):
        case Term("parent.id", int(number)):
            return {"concept_id": number}
        case Term("id", int(number)):
            return {"record_id": number}
    return {}


def _searched(services: Services, tx: Transaction, owned: Sequence[Draft | int], asked: Question) -> Page:
    by_id = {one.record_id if isinstance(one, Draft) else one: one for one in owned}
    # Versions were chosen already; to the index a draft is the newest of its work.
    request = SearchRequest(
        query=asked.q, sort=asked.sort or "newest", page=asked.page, size=asked.size, all_versions=True
    )
    found = matching.search(_documents(services, tx, owned), request, dates.seconds(services.now()))
    return Page([by_id[number] for number in found.ids], found.total)


def _documents(services: Services, tx: Transaction, owned: Sequence[Draft | int]) -> list[IndexDocument]:
    published = records.disseminate(
        tx, services.repository, [one for one in owned if not isinstance(one, Draft)], file_limit=0
    )
    today = services.now().date()
    described = [
        foreseen(services.repository, one) if isinstance(one, Draft) else as_of(published[one], today=today)
        for one in owned
    ]
    return [document(one, version=one.record.change) for one in described]
