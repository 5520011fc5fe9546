"""Pages on which a work is shared by who manages it, and on which its closed files are asked for."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from gateway.collaboration import sharing_bodies
from gateway.html import presentation
from gateway.html.page_forms import FormHere, PostedForm, form_page, refusal
from gateway.html.templating import page, redirect
from gateway.http.admission import managed_work
from gateway.http.auth import ServicesHere
from gateway.http.headers import whole_number
from gateway.http.lookup import find_described, number_of
from gateway.http.methods import READ
from gateway.site.visitors import PersonHere, VisitorHere
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, drafts, records, rights
from pipeline.catalogue import sharing as catalogue
from pipeline.dissemination import Dissemination
from pipeline.errors import Missing, Rejected
from pipeline.metadata import text
from pipeline.model import AccessGrant, JsonObject, Right, ShareLink
from pipeline.people import access_requests, sharing
from pipeline.services import Services

router = APIRouter()
_SHARING = "/records/{record_id}/sharing"
_ASKING = "/records/{record_id}/access-request"
_CONFIRMING = "/access-requests"
_LINK_RIGHTS = {
    Right.VIEW: "read its files",
    Right.PREVIEW: "see its drafts, too",
    Right.EDIT: "change and publish its drafts, too",
}
_GRANT_RIGHTS = {**_LINK_RIGHTS, Right.MANAGE: "share it, too"}


# ---------------------------------------------------------------- sharing


@router.api_route(_SHARING, methods=READ)
def show(request: Request, record_id: str, viewer: PersonHere, services: ServicesHere) -> Response:
    return _sharing_page(request, services, record_id, managed_work(services, record_id, viewer), viewer)


@router.post(f"{_SHARING}/links")
def add_link(
    request: Request, record_id: str, viewer: PersonHere, form: FormHere, services: ServicesHere
) -> Response:
    def add(concept_id: int) -> None:
        given = sharing_bodies.link(
            {
                "permission": form.text("permission") or None,
                "expires_at": form.text("expires_at").strip() or None,
                "description": form.text("description").strip(),
            }
        )
        sharing.create_link(services, concept_id, viewer, given, origin=f"user:{viewer.account_id}")

    return _done(request, services, record_id, viewer, add)


@router.post(f"{_SHARING}/links/{{link_id}}/remove")
def remove_link(
    request: Request,
    record_id: str,
    link_id: str,
    viewer: PersonHere,
    _form: FormHere,
    services: ServicesHere,
) -> Response:
    def remove(concept_id: int) -> None:
        sharing.remove_link(services, concept_id, viewer, link_id)

    return _done(request, services, record_id, viewer, remove)


@router.post(f"{_SHARING}/grants")
def add_grant(
    request: Request, record_id: str, viewer: PersonHere, form: FormHere, services: ServicesHere
) -> Response:
    """Who is given something is told by mail."""

    def add(concept_id: int) -> None:
        one = {
            "subject": {"type": "user", "id": form.text("account").strip()},
            "permission": form.text("permission"),
            "notify": True,
            "message": form.text("message"),
        }
        body = {"grants": [one]}
        given, messages = sharing_bodies.grants(body), sharing_bodies.messages(body)
        sharing.grant(services, concept_id, viewer, given, record_id=number_of(record_id), messages=messages)

    return _done(request, services, record_id, viewer, add)


@router.post(f"{_SHARING}/grants/{{user_id}}/remove")
def remove_grant(
    request: Request,
    record_id: str,
    user_id: str,
    viewer: PersonHere,
    _form: FormHere,
    services: ServicesHere,
) -> Response:
    number = whole_number(user_id)

    def remove(concept_id: int) -> None:
        sharing.revoke(
            services,
            concept_id,
            viewer,
            lambda every: next((one for one in every if one.account_id == number), None),
        )

    return _done(request, services, record_id, viewer, remove)


@router.post(f"{_SHARING}/settings")
def configure(
    request: Request, record_id: str, viewer: PersonHere, form: FormHere, services: ServicesHere
) -> Response:
    """Who may ask for the files, and how."""

    def change(concept_id: int) -> None:
        days = whole_number(form.text("secret_link_expiration").strip() or "0")
        given = {
            "allow_user_requests": form.text("allow_user_requests") == "true",
            "allow_guest_requests": form.text("allow_guest_requests") == "true",
            "accept_conditions_text": form.markup("accept_conditions_text") or None,
            "secret_link_expiration": -1 if days is None else days,
        }
        sharing.configure(services, concept_id, viewer, sharing_bodies.settings(given))

    return _done(request, services, record_id, viewer, change)


def _done(
    request: Request, services: Services, record_id: str, viewer: Viewer, change: Callable[[int], None]
) -> Response:
    """Change with whom a work is shared, and back to its page; what is wrong with that is said there."""
    concept_id = managed_work(services, record_id, viewer)
    try:
        change(concept_id)
    except Rejected as wrong:
        return _sharing_page(
            request, services, record_id, concept_id, viewer, problems=refusal(wrong, _LABELS)
        )
    return redirect(services, f"/records/{number_of(record_id)}/sharing")


_LABELS = {
    "permission": "What they may do",
    "expires_at": "Good until",
    "account": "Number of their account",
    "id": "Number of their account",
    "secret_link_expiration": "Days that a guest's link is good",
    "email": "E-mail address",
    "full_name": "Name",
    "message": "Message",
    "consent_to_share_personal_data": "Consent",
}


def _sharing_page(
    request: Request,
    services: Services,
    record_id: str,
    concept_id: int,
    viewer: Viewer,
    *,
    problems: list[str] | None = None,
) -> Response:
    number = number_of(record_id)
    with services.catalogue.read() as tx:
        shares, settings = catalogue.of_work(tx, concept_id), catalogue.settings(tx, concept_id)
        title, is_draft = _title(services, tx, number, viewer)
    base = services.repository.base_url
    return form_page(
        request,
        services,
        "sharing.html",
        400 if problems else 200,
        record_id=number,
        title=title,
        back=f"/uploads/{number}" if is_draft else f"/records/{number}",
        links=[_link_row(base, number, one, is_draft=is_draft) for one in shares.links],
        grants=[_grant_row(one) for one in shares.grants],
        link_rights=_LINK_RIGHTS,
        grant_rights=_GRANT_RIGHTS,
        settings=settings,
        problems=problems or [],
    )


def _title(services: Services, tx: Transaction, number: int, viewer: Viewer) -> tuple[str, bool]:
    """What the record is called, and whether it is a draft that was never published. One of another owner than the
    work's its managers may not see."""
    try:
        return str(records.get(tx, number).description.metadata.get("title") or "Untitled"), False
    except Missing:
        draft = drafts.get(tx, number)
    is_seen = rights.to(tx, draft, viewer, now=services.now()) >= Right.PREVIEW
    return str((is_seen and draft.description.metadata.get("title")) or "Untitled"), True


def _link_row(base: str, number: int, one: ShareLink, *, is_draft: bool) -> JsonObject:
    path = f"/uploads/{number}" if is_draft and one.right >= Right.PREVIEW else f"/records/{number}"
    return {
        "id": one.id,
        "url": presentation.with_query(base + path, {"token": one.token}),
        "may": _LINK_RIGHTS[one.right],
        "expires": one.expires.strftime("%Y-%m-%d %H:%M UTC") if one.expires else "",
        "description": one.description,
    }


def _grant_row(one: AccessGrant) -> JsonObject:
    return {"id": one.account_id, "may": _GRANT_RIGHTS[one.right]}


# ---------------------------------------------------------------- asking for files


@router.api_route(_ASKING, methods=READ)
def ask_for_files(request: Request, record_id: str, visitor: VisitorHere, services: ServicesHere) -> Response:
    return _asking_page(request, services, _closed(services, record_id, visitor), visitor)


@router.post(_ASKING)
def send_request(
    request: Request, record_id: str, visitor: VisitorHere, form: FormHere, services: ServicesHere
) -> Response:
    """Who is signed in has asked; a guest is mailed a link first."""
    described = _closed(services, record_id, visitor)
    try:
        asking = sharing_bodies.asking(
            {
                "email": visitor.email or form.text("email"),
                "full_name": form.text("full_name"),
                "message": form.text("message"),
                "consent_to_share_personal_data": form.text("consent"),
            }
        )
        if visitor.account_id is not None:
            made = access_requests.ask(services, described.record.id, visitor, asking)
            return redirect(services, f"/me/requests/{made.id}")
        access_requests.ask_as_guest(services, described.record.id, visitor, asking)
    except Rejected as wrong:
        return _asking_page(
            request, services, described, visitor, form=form, problems=refusal(wrong, _LABELS)
        )
    told = "A mail is on its way to you. Your request is sent when you open the link in it, within six hours."
    return page(services, "notice.html", heading="Look into your mailbox", text=told)


def _closed(services: Services, record_id: str, viewer: Viewer) -> Dissemination:
    """The record whose files somebody may ask for. Raises as `find_described`, `Denied` where they may read them."""
    with services.catalogue.read() as tx:
        described = find_described(services, tx, record_id, file_limit=0)
        access_requests.require_closed(services, tx, described.record, viewer)
        return described


def _asking_page(
    request: Request,
    services: Services,
    described: Dissemination,
    viewer: Viewer,
    *,
    form: PostedForm | None = None,
    problems: list[str] | None = None,
) -> Response:
    conditions = described.settings.accept_conditions_text or ""
    is_guest = viewer.account_id is None
    return form_page(
        request,
        services,
        "ask_for_files.html",
        400 if problems else 200,
        record_id=described.record.id,
        title=presentation.title(described),
        is_guest=is_guest,
        is_taken=described.settings.takes(guest=is_guest),
        conditions=Markup(text.sanitise(conditions)),  # noqa: S704 - as it was when it came
        said={name: form.text(name) if form else "" for name in ("email", "full_name", "message")},
        problems=problems or [],
    )


@router.api_route(_CONFIRMING, methods=READ)
def look(request: Request, services: ServicesHere, inquiry: str = "") -> Response:
    """What the guest is about to ask for: whoever only opens the link, as scanners of mails do, asks for nothing."""
    found, title = access_requests.find_unconfirmed(services, inquiry)
    return form_page(request, services, "access_request.html", asked=found, title=title, inquiry=inquiry)


@router.post(_CONFIRMING)
def confirm(services: ServicesHere, form: FormHere) -> Response:
    access_requests.confirm(services, form.text("inquiry"))
    told = "Your request was sent to the owner of the record. You will be mailed when it is accepted."
    return page(services, "notice.html", heading="Request sent", text=told)
