"""Pages on which a draft is made, changed, published and discarded, as by the API. They work without scripts."""

from dataclasses import replace

from fastapi import APIRouter, Request, Response

from gateway.html.page_forms import FormHere, LongFormHere, PostedForm
from gateway.html.templating import redirect
from gateway.http.admission import (
    account_of,
    draft_for,
    draft_in,
    may_follow,
    names_communities,
    published_in,
    standing_in,
)
from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from gateway.site import upload_form
from gateway.site.draft_views import draft_page, path_of, preview_page, shown_to
from gateway.site.upload_form import Essentials, Problem
from gateway.site.visitors import MemberHere, PersonHere
from pipeline.access import Viewer
from pipeline.catalogue import rights
from pipeline.catalogue.drafts import Draft
from pipeline.errors import FieldFault, Missing, Rejected, Stale
from pipeline.ingest import deposit
from pipeline.metadata import rdm_form
from pipeline.metadata.deposit_form import DepositMetadata, Unsaid
from pipeline.model import Description, Right
from pipeline.services import Services

router = APIRouter()


@router.api_route("/uploads/new", methods=READ)
def new_upload(
    request: Request, _member: MemberHere, services: ServicesHere, community: str = ""
) -> Response:
    said = upload_form.begun(today=services.now().date(), community=community)
    return draft_page(request, services, None, said, [])


@router.post("/uploads/new")
def create(request: Request, viewer: PersonHere, form: LongFormHere, services: ServicesHere) -> Response:
    said = upload_form.posted(form)
    given = _given(services, said, Description({}))
    draft = deposit.create(services, given, account_of(viewer))
    return _saved(request, services, viewer, draft, said, given)


@router.api_route("/uploads/{record_id}", methods=READ)
def upload(request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """The draft, to be changed by who may; who may only see it is led to its preview, and everybody from what is no
    draft any more to the record."""
    try:
        draft = shown_to(services, record_id, viewer)
    except Missing:
        return redirect(services, f"/records/{number_of(record_id)}", 302)
    with services.catalogue.read() as tx:
        right = rights.to(tx, draft, viewer, now=services.now())
    if right < Right.EDIT or viewer.account_id is None:
        return redirect(services, path_of(draft, "/preview", viewer), 302)
    return draft_page(request, services, draft, upload_form.shown(draft.description), [], viewer=viewer)


@router.api_route("/uploads/{record_id}/preview", methods=READ)
def preview(record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """For whoever may see the draft: its depositors, who has a link, its reviewers."""
    return preview_page(services, shown_to(services, record_id, viewer), viewer)


@router.post("/uploads/{record_id}")
def save(
    request: Request, record_id: str, viewer: PersonHere, form: LongFormHere, services: ServicesHere
) -> Response:
    draft, said, given = _filled_in(services, record_id, viewer, form)
    try:
        changed = deposit.replace_description(services, draft, given, expected=_shown_revision(form))
    except Stale:
        return _stale(request, services, draft, said, viewer)
    return _saved(request, services, viewer, changed, said, given)


def _stale(request: Request, services: Services, draft: Draft, said: Essentials, viewer: Viewer) -> Response:
    text = "Somebody has changed the draft since you were shown it. What you wrote is below; saving it replaces theirs."
    problem = Problem("", "Not saved", text)
    return draft_page(request, services, draft, said.as_new(), [problem], 412, viewer=viewer)


@router.post("/uploads/{record_id}/publish")
def publish(
    request: Request, record_id: str, viewer: PersonHere, form: LongFormHere, services: ServicesHere
) -> Response:
    """Save what the form says, then publish it; or say at the fields what is in the way."""
    draft, said, given = _filled_in(services, record_id, viewer, form)
    try:
        deposit.publish_as_filled_in(services, draft, given, expected=_shown_revision(form))
    except Stale:
        return _stale(request, services, draft, said, viewer)
    except Rejected as wrong:
        problems = upload_form.problems(wrong.faults, of_all="Not published")
        return draft_page(request, services, draft, said, problems, 400, viewer=viewer)
    # One that waits for verdicts on its files is a draft still.
    return redirect(services, path_of(draft, "", viewer))


@router.post("/uploads/{record_id}/discard")
def discard(record_id: str, viewer: PersonHere, _form: FormHere, services: ServicesHere) -> Response:
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    deposit.discard(services, draft)
    return redirect(services, f"/records/{draft.record_id}" if draft.is_edit else "/me/uploads")


@router.post("/records/{record_id}/edit")
def edit(record_id: str, viewer: PersonHere, _form: FormHere, services: ServicesHere) -> Response:
    """Begin to change a published description, or go on with that."""
    with services.catalogue.read() as tx:
        standing_in(services, tx, number_of(record_id), viewer, Right.EDIT)
    draft = deposit.edit(services, number_of(record_id), account_of(viewer))
    return redirect(services, path_of(draft, "", viewer))


@router.post("/records/{record_id}/versions")
def new_version(record_id: str, viewer: PersonHere, _form: FormHere, services: ServicesHere) -> Response:
    """Begin a new version with the files of the newest one, or go on with it."""
    with services.catalogue.read() as tx:
        record = published_in(services, tx, number_of(record_id), viewer, Right.EDIT)
        is_open_to_them = may_follow(services, tx, record, viewer)
    draft = deposit.new_version(services, record.id, account_of(viewer), is_open_to_them, with_files=True)
    return redirect(services, path_of(draft, "", viewer))


# ---------------------------------------------------------------- saving


def _filled_in(
    services: Services, record_id: str, viewer: Viewer, form: PostedForm
) -> tuple[Draft, Essentials, DepositMetadata]:
    """The draft, what the form says, and of that what the viewer may say of the draft."""
    with services.catalogue.read() as tx:
        draft = draft_in(services, tx, number_of(record_id), viewer, Right.EDIT)
        is_theirs_to_name = names_communities(services, tx, draft, viewer)
    said = upload_form.posted(form)
    given = _given(services, said, draft.description)
    if not is_theirs_to_name:
        given = replace(given, unsaid=given.unsaid | {Unsaid.COMMUNITIES})
    return draft, said, given


def _given(services: Services, said: Essentials, before: Description) -> DepositMetadata:
    read = rdm_form.read(
        upload_form.body(said, before),
        repository=services.repository,
        own_doi=None,
        today=services.now().date(),
    )
    return replace(
        read,
        description=replace(read.description, communities=said.slugs),
        unsaid=read.unsaid - {Unsaid.COMMUNITIES},
    )


def _shown_revision(form: PostedForm) -> int:
    """The revision at which the draft was shown; 0, which none has, where that is no number."""
    text = form.text("revision")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _saved(
    request: Request,
    services: Services,
    viewer: Viewer,
    draft: Draft,
    said: Essentials,
    given: DepositMetadata,
) -> Response:
    """On to the draft's page; where something could not be kept, it is shown as it was written."""
    lost = upload_form.problems(FieldFault(one.field, (one.reason,), one.remedy) for one in given.dropped)
    if lost:
        return draft_page(request, services, draft, said, lost, viewer=viewer)
    return redirect(services, path_of(draft, "", viewer, saved="1"))
