"""Which of somebody's own depositions a question finds: drafts are in no search index, which shows to everybody what it
holds."""

from collections.abc import Sequence

from gateway.search import Question
from pipeline.access import as_of
from pipeline.catalogue import Transaction, drafts, records
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.drafts import Draft
from pipeline.index import dates, matching, query
from pipeline.index.document import document
from pipeline.index.nodes import Term
from pipeline.model import Dissemination, Record, RecordState
from pipeline.ports import IndexDocument, SearchRequest
from pipeline.services import Services

SEARCHED = 1_000
"""Depositions of one account, the newest, that words are looked for in."""


def page(services: Services, tx: Transaction, account: Account, asked: Question) -> list[Draft | int]:
    """Open drafts, and the ids of published records without one: the newest first, where no other order is asked for.
    Raises `Rejected` as `SearchIndex.search` does."""
    named = _named(asked.q)
    if asked.sort or (asked.q.strip() and not named):
        return _searched(services, tx, account, asked)
    return drafts.owned(
        tx,
        account.id,
        account.email,
        page=asked.page,
        size=asked.size,
        all_versions=asked.all_versions,
        **named,
    )


def _named(q: str) -> dict[str, int]:
    """The number that `q` names, by the argument of `drafts.owned`. Raises `Rejected` (field `q`)."""
    match query.parse(q):
        case Term("parent.id", int(number)):
            return {"concept_id": number}
        case Term("id", int(number)):
            return {"record_id": number}
    return {}


def _searched(services: Services, tx: Transaction, account: Account, asked: Question) -> list[Draft | int]:
    owned = drafts.owned(
        tx, account.id, account.email, page=1, size=SEARCHED, all_versions=asked.all_versions
    )
    by_id = {one.record_id if isinstance(one, Draft) else one: one for one in owned}
    # Versions were chosen already; to the index a draft is the newest of its work.
    request = SearchRequest(
        query=asked.q, sort=asked.sort or "newest", page=asked.page, size=asked.size, all_versions=True
    )
    found = matching.search(_documents(services, tx, owned), request, dates.seconds(services.now()))
    return [by_id[number] for number in found]


def _documents(services: Services, tx: Transaction, owned: Sequence[Draft | int]) -> list[IndexDocument]:
    published = records.disseminate(
        tx, services.repository, [one for one in owned if not isinstance(one, Draft)], file_limit=0
    )
    today = services.now().date()
    described = [
        _foreseen(services, one) if isinstance(one, Draft) else as_of(published[one], today=today)
        for one in owned
    ]
    return [document(one, version=one.record.change) for one in described]


def _foreseen(services: Services, draft: Draft) -> Dissemination:
    """A draft as the record that it would be."""
    description = draft.description
    record = Record(
        id=draft.record_id,
        concept_id=draft.deposit.concept_id,
        version=1,
        revision=draft.revision,
        is_latest=True,
        state=RecordState.PUBLISHED,
        description=description,
        owner=draft.owner,
        created=draft.created,
        modified=draft.modified,
        file_count=draft.deposit.files_total,
        total_bytes=draft.deposit.bytes_total,
    )
    return Dissemination(
        repository=services.repository,
        record=record,
        doi=description.doi or "",
        concept_doi=None,
        files=(),
        versions=(),
        owner_id=draft.account_id,
    )
