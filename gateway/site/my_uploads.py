"""The page of one's uploads: drafts and records, one's own or those that others share, by state and by words."""

from collections.abc import Sequence
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from gateway.depositing import deposit_search, draft_json
from gateway.html import presentation
from gateway.html.presentation import Link, Reference, pager
from gateway.html.templating import page
from gateway.http.auth import ServicesHere
from gateway.http.lookup import described
from gateway.http.methods import READ
from gateway.reading import search as searching
from gateway.reading.search import Question
from gateway.site.visitors import PersonHere
from pipeline.catalogue import Transaction, requests
from pipeline.catalogue.drafts import Draft
from pipeline.communities.requests import COMMUNITY_SUBMISSION, Entity, EntityKind
from pipeline.errors import Rejected
from pipeline.services import Services

router = APIRouter()

_PAGE_SIZE = 25
_STATES = {
    "": ("All", None),
    "drafts": ("Never published", False),
    "published": ("Published", True),
}


@router.api_route("/me/uploads", methods=READ)
def list_uploads(request: Request, viewer: PersonHere, services: ServicesHere) -> Response:
    """One's own drafts and records, or those that others share with who asks, by their state and by words."""
    params = request.query_params
    state = params.get("state", "drafts" if params.get("is_published") == "false" else "")
    chosen = state if state in _STATES else ""
    is_shared = searching.flag(params, "shared_with_me")
    asked, problem = Question(q=params.get("q", "")), ""
    try:
        parsed = searching.parse(params, largest=_PAGE_SIZE)
        asked = Question(q=parsed.q, page=parsed.page, size=_PAGE_SIZE)
        with services.catalogue.read() as tx:
            found = deposit_search.find(
                services, tx, viewer, asked, is_shared=is_shared, is_published=_STATES[chosen][1]
            )
    except Rejected as error:
        found, problem = deposit_search.Page([], 0), error.message
    with services.catalogue.read() as tx:
        rows = _rows(services, tx, found.found)

    def address(**changed: str) -> str:
        given = {"q": asked.q, "state": chosen, "shared_with_me": "1" if is_shared else "", **changed}
        return "?" + urlencode({name: value for name, value in given.items() if value})

    return page(
        services,
        "uploads.html",
        400 if problem else 200,
        rows=rows,
        total=found.total,
        q=asked.q,
        state=chosen,
        is_shared=is_shared,
        problem=problem,
        states=[
            Link(title, address(state=name), "chosen" if name == chosen else "")
            for name, (title, _) in _STATES.items()
        ],
        whose=[
            Link("Mine", address(shared_with_me=""), "" if is_shared else "chosen"),
            Link("Shared with me", address(shared_with_me="1"), "chosen" if is_shared else ""),
        ],
        pages=pager(
            asked.page,
            lambda number: address(page=str(number)),
            has_next=asked.page * _PAGE_SIZE < found.total,
        ),
    )


def _rows(
    services: Services, tx: Transaction, found: Sequence[Draft | int]
) -> list[tuple[Reference, str, str]]:
    """What lists show of drafts and records: (it, its state in words, the path of its page)."""
    shown = described(services, tx, [one for one in found if not isinstance(one, Draft)], files=0)
    reviewed = _reviewed(services, tx, found)
    rows = []
    for one in found:
        if isinstance(one, Draft):
            reference = presentation.reference(draft_json.foreseen(services.repository, one))
            state = _state(one, is_in_review=str(one.record_id) in reviewed)
            rows.append((reference, state, f"/uploads/{one.record_id}"))
        else:
            rows.append((presentation.reference(shown[one]), "Published", f"/records/{one}"))
    return rows


def _reviewed(services: Services, tx: Transaction, found: Sequence[Draft | int]) -> set[str]:
    """The ids of those drafts that a community is reviewing."""
    topics = [Entity(EntityKind.RECORD, str(one.record_id)) for one in found if isinstance(one, Draft)]
    asked = requests.Question(
        size=len(topics), topics=topics, types=[COMMUNITY_SUBMISSION.name], is_open=True
    )
    return {one.topic.id for one in requests.page(tx, asked, now=services.now())[0]} if topics else set()


def _state(draft: Draft, *, is_in_review: bool) -> str:
    if draft.is_submitted:
        return "Being published"
    if draft.is_edit:
        return "Published, with an open edit"
    return "Under review" if is_in_review else "Draft"
