"""Pages on which a community is run by its members: what is asked of it, who they are, what it says of itself."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from gateway.collaboration.community_members import Given, read
from gateway.collaboration.curating import community_in, require
from gateway.html.page_forms import FormHere, LongFormHere, PostedForm, form_page, refusal
from gateway.html.presentation import Link, pager
from gateway.html.templating import redirect, root_of
from gateway.http.auth import ServicesHere
from gateway.http.methods import READ
from gateway.reading import search as searching
from gateway.site.request_pages import requests_page
from gateway.site.visitors import PersonHere
from pipeline.access import Viewer, may_in_community
from pipeline.catalogue import Transaction, members, requests, rights
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.communities import curation, membership
from pipeline.communities.requests import COMMUNITY_INVITATION, Entity, EntityKind
from pipeline.communities.roles import Audience, Policy, Power, ReviewPolicy, Role, gives, over
from pipeline.errors import InvalidFields, Rejected
from pipeline.metadata import community_form, vocabulary
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter()
_ONE = "/communities/{slug}"
_PAGE_SIZE = 100
_TEXTS = ("title", "description", "website")
_LONG_TEXTS = ("curation_policy", "page")
_POLICIES = {
    "members_visibility": (
        "Who sees its members",
        {Audience.PUBLIC: "Everybody sees those who let themselves be seen", Audience.RESTRICTED: "Members"},
    ),
    "record_submission_policy": (
        "Who may submit records",
        {Policy.OPEN: "Everybody", Policy.CLOSED: "Members"},
    ),
    "review_policy": (
        "What joins without a review",
        {
            ReviewPolicy.CLOSED: "Nothing",
            ReviewPolicy.OPEN: "What curators, managers and owners submit",
            ReviewPolicy.MEMBERS: "What members submit",
        },
    ),
}

_LABELS = {"role": "Role", "message": "Message"}


def desks(
    services: Services, tx: Transaction, one: ManagedCommunity, viewer: Viewer, *, here: str = ""
) -> list[Link]:
    """What somebody may do in a community, as links; the one to the page `here` is noted."""
    path = f"{root_of(services)}/communities/{one.slug}"
    role = members.role(tx, one.id, viewer.account_id)
    found = [("", "About", None), ("/requests", "Requests", Power.CURATE)]
    found += [("/members", "Members", Power.READ), ("/settings", "Settings", Power.MANAGE)]
    return [
        Link(title, path + below, "chosen" if title == here else "")
        for below, title, power in found
        if power is None or may_in_community(role, power, viewer)
    ]


# ---------------------------------------------------------------- what is asked of it


@router.api_route(f"{_ONE}/requests", methods=READ)
def list_requests(request: Request, slug: str, viewer: PersonHere, services: ServicesHere) -> Response:
    """For those who curate it."""
    with services.catalogue.read() as tx:
        one = community_in(tx, slug)
        require(tx, one, viewer, Power.CURATE)
        above = desks(services, tx, one, viewer, here="Requests")
    among = requests.Question(receivers=[Entity(EntityKind.COMMUNITY, one.id)])
    heading = f"Requests to {one.charter.title}"
    return requests_page(request, services, among, kept={}, heading=heading, whose=[], above=above)


# ---------------------------------------------------------------- its members


@router.api_route(f"{_ONE}/members", methods=READ)
def list_members(request: Request, slug: str, viewer: PersonHere, services: ServicesHere) -> Response:
    return _members_page(request, services, slug, viewer)


@router.post(f"{_ONE}/members/{{account_id}}")
def change_member(
    request: Request, slug: str, account_id: str, viewer: PersonHere, form: FormHere, services: ServicesHere
) -> Response:
    """Give a member another `role`, or show them or not (`visible`)."""
    said: JsonObject = {"role": form.text("role")} if "role" in form.fields else {}
    said |= {"visible": form.text("visible") == "yes"} if "visible" in form.fields else {}

    def change(one: ManagedCommunity) -> None:
        given = _given(account_id, said)
        membership.change_members(
            services, one.id, given.account_ids, viewer, role=given.role, visible=given.visible
        )

    return _done(request, services, slug, viewer, change)


@router.post(f"{_ONE}/members/{{account_id}}/leave")
def dismiss(
    request: Request, slug: str, account_id: str, viewer: PersonHere, _form: FormHere, services: ServicesHere
) -> Response:
    """Oneself, or whom one may dismiss."""

    def leave(one: ManagedCommunity) -> None:
        membership.dismiss(services, one.id, _given(account_id, {}).account_ids, viewer)

    return _done(request, services, slug, viewer, leave)


@router.post(f"{_ONE}/invitations")
def invite(
    request: Request, slug: str, viewer: PersonHere, form: FormHere, services: ServicesHere
) -> Response:
    def ask(one: ManagedCommunity) -> None:
        said = {"role": form.text("role"), "message": form.markup("message")}
        given = _given(form.text("account").strip(), said)
        if given.role is not None:
            membership.invite(services, one.id, given.account_ids, given.role, viewer, message=given.message)

    return _done(request, services, slug, viewer, ask)


def _given(account_id: str, said: JsonObject) -> Given:
    return read({"members": [{"type": "user", "id": account_id}], **said})


def _done(
    request: Request,
    services: Services,
    slug: str,
    viewer: Viewer,
    change: Callable[[ManagedCommunity], None],
) -> Response:
    """Do something with members, and back to their page; what is wrong with it is said there."""
    with services.catalogue.read() as tx:
        one = community_in(tx, slug)
        require(tx, one, viewer, Power.READ)
    try:
        change(one)
    except Rejected as wrong:
        return _members_page(request, services, slug, viewer, problem=" ".join(refusal(wrong, _LABELS)))
    with services.catalogue.read() as tx:
        is_member = rights.has_power(tx, one.id, viewer, Power.READ)
    return redirect(services, f"/communities/{one.slug}" + ("/members" if is_member else ""))


def _members_page(
    request: Request, services: Services, slug: str, viewer: Viewer, *, problem: str = ""
) -> Response:
    asked = searching.parse(request.query_params, largest=_PAGE_SIZE)
    with services.catalogue.read() as tx:
        one = community_in(tx, slug)
        require(tx, one, viewer, Power.READ)
        mine = rights.role_in(tx, one.id, viewer)
        found, total = members.page(tx, one.id, visible_only=False, page=asked.page, size=_PAGE_SIZE)
        invited: list[JsonObject] = []
        if rights.has_power(tx, one.id, viewer, Power.MANAGE):
            invited = _invited(services, tx, one)
        above = desks(services, tx, one, viewer, here="Members")
    return form_page(
        request,
        services,
        "community_members.html",
        400 if problem else 200,
        shown=one,
        above=above,
        total=total,
        rows=[_row(each, viewer, mine) for each in found],
        given=[role for role in Role if gives(mine, role)],
        invited=invited,
        problem=problem,
        pages=pager(asked.page, lambda number: f"?page={number}", has_next=asked.page * _PAGE_SIZE < total),
    )


def _row(one: members.Member, viewer: Viewer, mine: Role | None) -> JsonObject:
    is_self = one.account_id == viewer.account_id
    return {
        "id": one.account_id,
        "name": f"User {one.account_id}" + (" (you)" if is_self else ""),
        "role": one.role,
        "visible": one.visible,
        "since": one.created.strftime("%Y-%m-%d"),
        "is_self": is_self,
        "may": over(mine, one.role, is_self=is_self),
    }


def _invited(services: Services, tx: Transaction, one: ManagedCommunity) -> list[JsonObject]:
    asked = requests.Question(
        size=_PAGE_SIZE,
        creators=[Entity(EntityKind.COMMUNITY, one.id)],
        types=[COMMUNITY_INVITATION.name],
        is_open=True,
    )
    found, _ = requests.page(tx, asked, now=services.now())
    return [
        {"id": each.id, "name": f"User {each.receiver.id}", "role": each.payload["role"]} for each in found
    ]


# ---------------------------------------------------------------- what it says of itself


@router.api_route(f"{_ONE}/settings", methods=READ)
def settings(request: Request, slug: str, viewer: PersonHere, services: ServicesHere) -> Response:
    one = _managed(services, slug, viewer)
    return _settings_page(request, services, one, viewer, _values(one))


@router.post(f"{_ONE}/settings")
def describe(
    request: Request, slug: str, viewer: PersonHere, form: LongFormHere, services: ServicesHere
) -> Response:
    """What the form does not show, such as the organisations that it names, stays as it is."""
    one = _managed(services, slug, viewer)
    try:
        curation.describe(services, one.id, viewer, community_form.read(_body(one, form)))
    except InvalidFields as wrong:
        values = {name: form.text(name) for name in (*_TEXTS, *_LONG_TEXTS, *_POLICIES, "type")}
        return _settings_page(request, services, one, viewer, values, refusal(wrong))
    return redirect(services, f"/communities/{one.slug}")


def _managed(services: Services, slug: str, viewer: Viewer) -> ManagedCommunity:
    with services.catalogue.read() as tx:
        one = community_in(tx, slug)
        require(tx, one, viewer, Power.MANAGE)
    return one


def _values(one: ManagedCommunity) -> dict[str, str]:
    metadata, access = community_form.to_json(one.charter)
    values = {name: str(metadata.get(name, "")) for name in (*_TEXTS, *_LONG_TEXTS)}
    return values | {name: str(access[name]) for name in _POLICIES} | {"type": one.charter.kind}


def _body(one: ManagedCommunity, form: PostedForm) -> JsonObject:
    metadata, access = community_form.to_json(one.charter)
    metadata |= {name: form.text(name).strip() for name in _TEXTS}
    metadata |= {name: form.markup(name) for name in _LONG_TEXTS}
    metadata["type"] = {"id": form.text("type")} if form.text("type") else None
    for name in ("website", *_LONG_TEXTS):
        if not metadata[name]:
            del metadata[name]
    access |= {name: form.text(name) for name in _POLICIES}
    return {"slug": one.slug, "metadata": metadata, "access": access}


def _settings_page(
    request: Request,
    services: Services,
    one: ManagedCommunity,
    viewer: Viewer,
    values: dict[str, str],
    problems: list[str] | None = None,
) -> Response:
    with services.catalogue.read() as tx:
        above = desks(services, tx, one, viewer, here="Settings")
    return form_page(
        request,
        services,
        "community_settings.html",
        400 if problems else 200,
        shown=one,
        above=above,
        values=values,
        kinds=[Link(str(each["title"]), key) for key, each in vocabulary.community_types().items()],
        policies=_POLICIES,
        problems=problems or [],
    )
