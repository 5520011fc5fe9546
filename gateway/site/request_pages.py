"""Pages of requests: those that are somebody's, and one with what was said of it, where it is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from gateway.collaboration.request_json import comment_in
from gateway.collaboration.requests import communities_of, entity_of
from gateway.html.page_forms import FormHere, form_page, refusal
from gateway.html.presentation import Link, pager
from gateway.html.templating import page, redirect, root_of
from gateway.http.auth import ServicesHere
from gateway.http.methods import READ
from gateway.reading import search as searching
from gateway.site.visitors import PersonHere
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, communities, records, requests
from pipeline.catalogue.requests import TimelineEntry
from pipeline.communities import discussion, participation, requesting
from pipeline.communities import requests as asking
from pipeline.communities.requests import OPEN, Entity, EntityKind, RequestAction, RequestState
from pipeline.errors import Missing, Rejected
from pipeline.metadata import text
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter()

_REQUESTS = "/me/requests"
_ONE = _REQUESTS + "/{request_id}"
_PAGE_SIZE = 25
_SAID_SHOWN = 100
TYPES = {
    "community-submission": "Review of a draft",
    "community-inclusion": "Record for a community",
    "community-invitation": "Invitation to a community",
    "record-deletion": "Deletion of a record",
    "file-modification": "Change of a record's files",
    "quota-increase": "More room for a draft",
    "user-access-request": "Access to files",
    "guest-access-request": "Access to files",
}
"""What people read of each type."""
_ACTIONS = {
    RequestAction.SUBMIT: "Ask for it",
    RequestAction.ACCEPT: "Accept",
    RequestAction.DECLINE: "Decline",
    RequestAction.CANCEL: "Take it back",
}
_DONE = {"comment_deleted": "took a comment back", "locked": "locked it", "unlocked": "unlocked it"}
_WHOSE = {"": "All", "received": "Asked of me", "made": "Asked by me"}
_CLOSED = tuple(one for one in RequestState if one not in OPEN)


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request in a list."""

    title: str
    kind: str
    state: str
    path: str
    updated: str


@dataclass(frozen=True, slots=True)
class Said:
    """An entry of a timeline; `event` says what was done, where it is no comment."""

    by: str
    at: str
    event: str
    content: Markup


# ---------------------------------------------------------------- many


@router.api_route(_REQUESTS, methods=READ)
def list_requests(request: Request, viewer: PersonHere, services: ServicesHere) -> Response:
    """Those in which one takes part, oneself or for a community: open or closed, asked or to be answered."""
    chosen = request.query_params.get("whose", "")
    with services.catalogue.read() as tx:
        curated, managed = communities_of(tx, viewer)
    me = [entity_of(viewer), *([Entity(EntityKind.ADMINISTRATORS, "")] if viewer.admin else [])]
    among = requests.Question(
        creators=[] if chosen == "received" else [*me, *managed],
        receivers=[] if chosen == "made" else [*me, *curated],
    )
    kept = {"whose": chosen} if chosen in _WHOSE else {}
    whose = [
        Link(title, f"?{urlencode({'whose': name})}", "chosen" if name == kept.get("whose", "") else "")
        for name, title in _WHOSE.items()
    ]
    return requests_page(request, services, among, kept=kept, heading="Requests", whose=whose, above=[])


def requests_page(
    request: Request,
    services: Services,
    among: requests.Question,
    *,
    kept: Mapping[str, str],
    heading: str,
    whose: Sequence[Link],
    above: Sequence[Link],
) -> Response:
    """A list of requests; `kept` stands in the addresses of its other pages, `above` leads to pages around it."""
    params = request.query_params
    asked = searching.parse(params, largest=_PAGE_SIZE)
    is_closed = searching.flag(params, "closed")
    wanted = replace(
        among,
        q=asked.q,
        sort="newestactivity",
        page=asked.page,
        size=_PAGE_SIZE,
        states=_CLOSED if is_closed else (),
        is_open=None if is_closed else True,
    )
    with services.catalogue.read() as tx:
        found, total = requests.page(tx, wanted, now=services.now())

    def address(**changed: str) -> str:
        given = {**kept, "q": asked.q, "closed": "1" if is_closed else "", **changed}
        return "?" + urlencode({name: value for name, value in given.items() if value})

    return page(
        services,
        "requests.html",
        heading=heading,
        above=above,
        rows=[_row(one) for one in found],
        total=total,
        q=asked.q,
        kept={**kept, **({"closed": "1"} if is_closed else {})},
        whose=whose,
        states=[
            Link("Open", address(closed=""), "" if is_closed else "chosen"),
            Link("Closed", address(closed="1"), "chosen" if is_closed else ""),
        ],
        pages=pager(
            asked.page, lambda number: address(page=str(number)), has_next=asked.page * _PAGE_SIZE < total
        ),
    )


def _row(one: asking.Request) -> RequestRow:
    return RequestRow(
        title=one.title or f"Request {one.number}",
        kind=TYPES[one.type],
        state="open" if one.is_open else one.state.value,
        path=f"{_REQUESTS}/{one.id}",
        updated=one.updated.strftime("%Y-%m-%d"),
    )


# ---------------------------------------------------------------- one


@router.api_route(_ONE, methods=READ)
def read(request: Request, request_id: str, viewer: PersonHere, services: ServicesHere) -> Response:
    return _shown(request, services, request_id, viewer)


@router.post(f"{_ONE}/actions/{{action}}")
def act(
    request: Request, request_id: str, action: str, viewer: PersonHere, form: FormHere, services: ServicesHere
) -> Response:
    """With a comment, or without."""
    if action not in list(_ACTIONS):
        raise Rejected(f"There is no action {action}.", field="action")
    comment = comment_in({"payload": {"content": form.markup("comment")}}, required=False)
    try:
        requesting.act(services, request_id, RequestAction(action), viewer, comment=comment)
    except Rejected as wrong:
        problem = " ".join(refusal(wrong, {"content": "Comment"}))
        return _shown(request, services, request_id, viewer, problem=problem, comment=form.text("comment"))
    return redirect(services, f"{_REQUESTS}/{request_id}")


@router.post(f"{_ONE}/comments")
def comment(
    request: Request, request_id: str, viewer: PersonHere, form: FormHere, services: ServicesHere
) -> Response:
    written = form.markup("comment")
    if not written:
        return _shown(request, services, request_id, viewer, problem="Write what you have to say.")
    discussion.say(services, request_id, viewer, comment_in({"payload": {"content": written}}))
    return redirect(services, f"{_REQUESTS}/{request_id}")


def _shown(
    request: Request,
    services: Services,
    request_id: str,
    viewer: Viewer,
    *,
    problem: str = "",
    comment: str = "",
) -> Response:
    now = services.now()
    with services.catalogue.read() as tx:
        one = participation.visible(tx, request_id, viewer, now=now)
        [mine] = participation.parties(tx, [one], viewer, now=now)
        said, total = requests.timeline(tx, one, page=1, size=_SAID_SHOWN)
        context = _who(services, tx, one, viewer)
    may = asking.actions(one, mine, admin=viewer.admin)
    return form_page(
        request,
        services,
        "request.html",
        400 if problem else 200,
        one=one,
        row=_row(one),
        actions=[(action.value, label) for action, label in _ACTIONS.items() if action in may],
        said=[_said(each, viewer) for each in said],
        more=max(0, total - _SAID_SHOWN),
        may_comment=bool(mine or viewer.admin) and not one.locked,
        description=Markup(text.sanitise(one.description)),  # noqa: S704 - as it was when it came
        message=one.payload.get("message", ""),
        role=one.payload.get("role", ""),
        problem=problem,
        comment=comment,
        **context,
    )


def _who(services: Services, tx: Transaction, one: asking.Request, viewer: Viewer) -> JsonObject:
    """Who asks whom, and about what."""
    return {
        "creator": _named(services, tx, one, one.creator, viewer),
        "receiver": _named(services, tx, one, one.receiver, viewer),
        "topic": _named(services, tx, one, one.topic, viewer),
    }


def _named(services: Services, tx: Transaction, one: asking.Request, entity: Entity, viewer: Viewer) -> Link:
    """Somebody or something that takes part in a request. Addresses of people are shown where they gave them for it."""
    root = root_of(services)
    match entity.kind:
        case EntityKind.COMMUNITY:
            found = communities.by_ids(tx, [entity.id]).get(entity.id)
            if found is None:
                return Link("a community that is no more")
            return Link(found.charter.title, f"{root}/communities/{found.slug}")
        case EntityKind.RECORD:
            return _record(root, tx, one, int(entity.id))
        case EntityKind.ADMINISTRATORS:
            return Link("those who run this archive")
    if entity == entity_of(viewer):
        return Link("you")
    if entity == one.creator and one.payload.get("full_name"):
        return Link(f"{one.payload['full_name']} ({one.payload.get('email', '')})")
    return Link(entity.id if entity.kind is EntityKind.EMAIL else f"user {entity.id}")


def _record(root: str, tx: Transaction, one: asking.Request, record_id: int) -> Link:
    """Of a draft it is told what it was called when the request was made: who sees that need not see the draft."""
    try:
        title = records.get(tx, record_id).description.metadata.get("title")
        return Link(str(title or record_id), f"{root}/records/{record_id}")
    except Missing:
        return Link(one.title or "a draft", f"{root}/uploads/{record_id}/preview")


def _said(one: TimelineEntry, viewer: Viewer) -> Said:
    by = "You" if one.author_id == viewer.account_id else f"User {one.author_id}"
    return Said(
        by="By time" if one.author_id is None else by,
        at=one.created.strftime("%Y-%m-%d %H:%M UTC"),
        event=_DONE.get(one.event, f"{one.event} it") if one.event else "",
        content=Markup(text.sanitise(one.content)),  # noqa: S704 - as it was when it came
    )
