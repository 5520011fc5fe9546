"""Pages for depositors: their uploads, and one draft, from its first field to its publication; as the API does it, by
the same use cases. They work without scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.depositing import deposit_files, draft_json, own_depositions
from gateway.html import presentation
from gateway.html.page_forms import CSRF_FIELD, FormHere, LongFormHere, PostedForm, form_page
from gateway.html.presentation import FileRow, Link, Reference, pager
from gateway.html.templating import page, redirect, root_of
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
from gateway.http.forms import UploadForm
from gateway.http.lookup import described, number_of
from gateway.http.methods import READ
from gateway.http.problems import Unauthenticated
from gateway.http.receiving import Receivers
from gateway.http.serving import file_of, readable, served, served_draft
from gateway.http.sessions import require_own_page
from gateway.reading import search as searching
from gateway.reading.search import Question
from gateway.site import upload_form
from gateway.site.landing import told_of
from gateway.site.upload_form import Essentials, Problem
from gateway.site.visitors import MemberHere, PersonHere, led_to_sign_in
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, draft_files, drafts, requests, rights
from pipeline.catalogue.accounts import Account
from pipeline.catalogue.draft_files import MULTIPART, DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.communities.requests import COMMUNITY_SUBMISSION, Entity, EntityKind
from pipeline.dissemination import Dissemination, DraftView, VersionRef
from pipeline.errors import Denied, InvalidFields, Missing, Rejected, Stale
from pipeline.ingest import arrival, deposit
from pipeline.metadata import rdm_form
from pipeline.metadata.deposit_form import DepositMetadata, Unsaid
from pipeline.model import Description, FileEntry, JsonObject, RecordState, Right
from pipeline.services import Services

router = APIRouter()

_UPLOADS = "/me/uploads"
_PAGE_SIZE = 25
_FILES_SHOWN = 1_000
_STATES = {
    "": ("All", None),
    "drafts": ("Never published", False),
    "published": ("Published", True),
}


# ---------------------------------------------------------------- my uploads


@router.api_route(_UPLOADS, methods=READ)
def list_uploads(
    request: Request, member: MemberHere, viewer: PersonHere, services: ServicesHere
) -> Response:
    """One's own drafts and records, or those that others share with who asks, by their state and by words."""
    params = request.query_params
    state = params.get("state", "drafts" if params.get("is_published") == "false" else "")
    chosen = state if state in _STATES else ""
    is_shared = searching.flag(params, "shared_with_me")
    asked, problem = Question(q=params.get("q", "")), ""
    try:
        parsed = searching.parse(params, largest=_PAGE_SIZE)
        asked = Question(q=parsed.q, page=parsed.page, size=_PAGE_SIZE)
        found = _found(services, member, viewer, asked, is_published=_STATES[chosen][1], is_shared=is_shared)
    except Rejected as error:
        found, problem = own_depositions.Page([], 0), error.message
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
        owners=[
            Link("Mine", address(shared_with_me=""), "" if is_shared else "chosen"),
            Link("Shared with me", address(shared_with_me="1"), "chosen" if is_shared else ""),
        ],
        pages=pager(
            asked.page,
            lambda number: address(page=str(number)),
            has_next=asked.page * _PAGE_SIZE < found.total,
        ),
    )


def _found(
    services: Services,
    member: Account,
    viewer: Viewer,
    asked: Question,
    *,
    is_published: bool | None,
    is_shared: bool,
) -> own_depositions.Page:
    with services.catalogue.read() as tx:
        if is_shared:
            return own_depositions.shared_page(services, tx, member, viewer, asked, is_published=is_published)
        return own_depositions.page(services, tx, member, asked, is_published=is_published)


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


# ---------------------------------------------------------------- one draft


@router.api_route("/uploads/new", methods=READ)
def new_upload(
    request: Request, _member: MemberHere, services: ServicesHere, community: str = ""
) -> Response:
    said = upload_form.begun(today=services.now().date(), community=community)
    return _form_page(request, services, None, said, [])


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
        draft = _shown_to(services, record_id, viewer)
    except Missing:
        return redirect(services, f"/records/{number_of(record_id)}", 302)
    with services.catalogue.read() as tx:
        right = rights.to(tx, draft, viewer, now=services.now())
    if right < Right.EDIT or viewer.account_id is None:
        return redirect(services, _path(draft, "/preview", viewer), 302)
    return _form_page(request, services, draft, upload_form.shown(draft.description), [], viewer=viewer)


@router.post("/uploads/{record_id}")
def save(
    request: Request, record_id: str, viewer: PersonHere, form: LongFormHere, services: ServicesHere
) -> Response:
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    said = upload_form.posted(form)
    given = _given(services, said, draft.description)
    try:
        theirs = _theirs_to_say(services, draft, given, viewer)
        changed = deposit.replace_description(services, draft, theirs, expected=_shown_revision(form))
    except Stale:
        return _stale(request, services, draft, said, viewer)
    return _saved(request, services, viewer, changed, said, given)


def _stale(request: Request, services: Services, draft: Draft, said: Essentials, viewer: Viewer) -> Response:
    text = "Somebody has changed the draft since you were shown it. What you wrote is below; saving it replaces theirs."
    problem = Problem("", "Not saved", text)
    return _form_page(request, services, draft, said.as_new(), [problem], 412, viewer=viewer)


@router.post("/uploads/{record_id}/publish")
def publish(
    request: Request, record_id: str, viewer: PersonHere, form: LongFormHere, services: ServicesHere
) -> Response:
    """Save what the form says, then publish it; or say at the fields what is in the way."""
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    said = upload_form.posted(form)
    given = _given(services, said, draft.description)
    try:
        theirs = _theirs_to_say(services, draft, given, viewer)
        deposit.publish_as_filled_in(services, draft, theirs, expected=_shown_revision(form))
    except Stale:
        return _stale(request, services, draft, said, viewer)
    except InvalidFields as wrong:
        faults = [
            {"field": one.field, "messages": one.messages, "remedy": one.remedy} for one in wrong.faults
        ]
        return _form_page(request, services, draft, said, upload_form.problems(faults), 400, viewer=viewer)
    except Rejected as wrong:
        problem = Problem("", "Not published", f"{wrong.message} {wrong.remedy}".strip())
        return _form_page(request, services, draft, said, [problem], 400, viewer=viewer)
    # One that waits for verdicts on its files is a draft still.
    return redirect(services, _path(draft, "", viewer))


@router.post("/uploads/{record_id}/discard")
def discard(record_id: str, viewer: PersonHere, _form: FormHere, services: ServicesHere) -> Response:
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    deposit.discard(services, draft)
    return redirect(services, f"/records/{draft.record_id}" if draft.is_edit else _UPLOADS)


@router.post("/records/{record_id}/edit")
def edit(record_id: str, viewer: PersonHere, _form: FormHere, services: ServicesHere) -> Response:
    """Begin to change a published description, or go on with that."""
    with services.catalogue.read() as tx:
        standing_in(services, tx, number_of(record_id), viewer, Right.EDIT)
    draft = deposit.edit(services, number_of(record_id), account_of(viewer))
    return redirect(services, _path(draft, "", viewer))


@router.post("/records/{record_id}/versions")
def new_version(record_id: str, viewer: PersonHere, _form: FormHere, services: ServicesHere) -> Response:
    """Begin a new version with the files of the newest one, or go on with it."""
    with services.catalogue.read() as tx:
        record = published_in(services, tx, number_of(record_id), viewer, Right.EDIT)
        is_open_to_them = may_follow(services, tx, record, viewer)
    draft = deposit.new_version(services, record.id, account_of(viewer), is_open_to_them, with_files=True)
    return redirect(services, _path(draft, "", viewer))


# ---------------------------------------------------------------- saving


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


def _theirs_to_say(
    services: Services, draft: Draft, given: DepositMetadata, viewer: Viewer
) -> DepositMetadata:
    """Of what was said what the viewer may say of the draft."""
    with services.catalogue.read() as tx:
        is_theirs_to_name = names_communities(services, tx, draft, viewer)
    if is_theirs_to_name:
        return given
    return replace(given, unsaid=given.unsaid | {Unsaid.COMMUNITIES})


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
    lost = upload_form.problems(
        {"field": one.field, "messages": [one.reason], "remedy": one.remedy} for one in given.dropped
    )
    if lost:
        return _form_page(request, services, draft, said, lost, viewer=viewer)
    return redirect(services, _path(draft, "", viewer, saved="1"))


# ---------------------------------------------------------------- files


@router.post("/uploads/{record_id}/files")
async def add_file(request: Request, record_id: str, viewer: PersonHere, services: ServicesHere) -> Response:
    """A form with the token of the page, then the `file`, which is taken in as it comes."""
    draft = await run_in_threadpool(draft_for, services, record_id, viewer, Right.EDIT)
    receivers: Receivers = request.app.state.receivers
    try:
        await receivers.take(request, partial(_receive, request, services, viewer, draft))
    except (Rejected, Denied) as wrong:
        problem = Problem("files", "Files", f"{wrong.message} {wrong.remedy}".strip())
        return await run_in_threadpool(_file_refused, request, services, record_id, problem, viewer)
    return redirect(services, _path(draft, "", viewer) + "#files")


def _receive(
    request: Request, services: Services, viewer: Viewer, draft: Draft, blocks: Iterator[bytes]
) -> None:
    form = UploadForm(request.headers.get("content-type", ""), blocks)
    require_own_page(request, form.fields.get(CSRF_FIELD, ""))
    deposit_files.received(services, viewer, draft, form)


def _file_refused(
    request: Request, services: Services, record_id: str, problem: Problem, viewer: Viewer
) -> Response:
    # As it is now: a file may have taken long, and who sent it lost the right to see where it was to be.
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    said = upload_form.shown(draft.description)
    return _form_page(request, services, draft, said, [problem], 400, viewer=viewer)


@router.post("/uploads/{record_id}/files/remove")
def remove_file(record_id: str, viewer: PersonHere, form: FormHere, services: ServicesHere) -> Response:
    draft = draft_for(services, record_id, viewer, Right.EDIT)
    arrival.remove(services, draft, form.text("key"))
    return redirect(services, _path(draft, "", viewer) + "#files")


@router.api_route("/uploads/{record_id}/files/{key:path}", methods=READ)
def read_file(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    """The bytes of a file of a draft; of an edit those that are published."""
    draft = _shown_to(services, record_id, viewer)
    with services.catalogue.read() as tx:
        if not draft.has_own_files:
            record = readable(services, tx, record_id, viewer)
            return served(request, services, record, file_of(tx, record, key))
        file = draft_files.find(tx, draft.deposit.id, key)
    if file is None:
        raise refusals.no_file(draft.record_id, key)
    return served_draft(request, services, draft, file)


# ---------------------------------------------------------------- what is shown


@router.api_route("/uploads/{record_id}/preview", methods=READ)
def preview(record_id: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """The landing page as it will be, for whoever may see the draft: its depositors, who has a link, its reviewers."""
    draft = _shown_to(services, record_id, viewer)
    with services.catalogue.read() as tx:
        base, view = _view(services, tx, draft)
        rows = _file_rows(services, tx, draft, base, viewer)
        review = _review(services, tx, draft)
        may_edit = rights.to(tx, draft, viewer, now=services.now()) >= Right.EDIT
    return _private(
        page(
            services,
            "preview.html",
            **told_of(services, view.foreseen),
            files=rows,
            files_open=True,
            size=presentation.readable_size(view.foreseen.record.total_bytes),
            after="",
            next_files="",
            latest_url="",
            events=(),
            more_events=0,
            current=_as_version(view.foreseen),
            may_edit=may_edit and viewer.account_id is not None,
            upload_url=root_of(services) + _path(draft, "", viewer),
            is_in_review=bool(review),
            review=review,
        )
    )


def _shown_to(services: Services, record_id: str, viewer: Viewer) -> Draft:
    """The open draft. Raises `Missing`; `SignInNeeded` where who asks is not known and may not see it, `Denied`."""
    if viewer.is_stranger:
        raise led_to_sign_in(Unauthenticated(), viewer)
    try:
        with services.catalogue.read() as tx:
            return draft_in(services, tx, number_of(record_id), viewer, Right.PREVIEW)
    except Denied as denied:
        raise led_to_sign_in(denied, viewer) from None


def _view(services: Services, tx: Transaction, draft: Draft) -> tuple[Dissemination | None, DraftView]:
    number = draft.deposit.base_record_id
    files = 0 if draft.has_own_files else _FILES_SHOWN
    base = None if number is None else described(services, tx, [number], files=files)[number]
    return base, draft_json.shown(services, tx, draft, base)


def _review(services: Services, tx: Transaction, draft: Draft) -> str:
    """The id of the request by which a community is asked to review the draft now, `""` where none is."""
    if draft.is_edit:
        return ""
    found = requests.review(tx, draft.record_id, now=services.now())
    return found.id if found is not None and found.is_open else ""


def _as_version(foreseen: Dissemination) -> VersionRef:
    record, metadata = foreseen.record, foreseen.record.description.metadata
    label, published = str(metadata.get("version", "")), str(metadata.get("publication_date", ""))
    return VersionRef(
        record.id, record.version, foreseen.doi, label, published, record.is_latest, RecordState.PUBLISHED
    )


def _file_rows(
    services: Services, tx: Transaction, draft: Draft, base: Dissemination | None, viewer: Viewer
) -> list[FileRow]:
    address = f"{root_of(services)}/uploads/{draft.record_id}"
    presented = {"token": viewer.link} if viewer.link else {}
    if not draft.has_own_files and base is not None:
        gate = services.settings.scan_gate
        return [presentation.file_row(address, one, gate, presented) for one in base.files]
    held = draft_files.page(tx, draft.deposit.id, limit=_FILES_SHOWN)
    return [presentation.file_row(address, _entry(one), "none", presented) for one in held]


def _entry(file: DraftFile) -> FileEntry:
    digests = {name: value for name, value in file.digests.items() if name != MULTIPART}
    return FileEntry(file.key, file.size, digests, file.content, scan=file.scan)


def _form_page(
    request: Request,
    services: Services,
    draft: Draft | None,
    said: Essentials,
    problems: list[Problem],
    status: int = 200,
    *,
    viewer: Viewer | None = None,
) -> Response:
    """The form with what was `said`, and what is wrong with that; of a draft that there is, all else that there is to
    do with it."""
    context: JsonObject = {"draft": None}
    if draft is not None and viewer is not None:
        context = _draft_context(services, draft, said, viewer, problems)
    return form_page(
        request,
        services,
        "upload.html",
        status,
        said=said,
        problems=problems,
        by_field={one.field: one.text for one in reversed(problems)},
        types=upload_form.types(),
        licences=upload_form.licences(said.licence),
        access_choices=upload_form.ACCESS,
        is_saved=request.query_params.get("saved") == "1",
        **context,
    )


def _draft_context(
    services: Services, draft: Draft, said: Essentials, viewer: Viewer, problems: Sequence[Problem]
) -> JsonObject:
    with services.catalogue.read() as tx:
        draft = drafts.by_deposit(tx, draft.deposit.id)
        base, view = _view(services, tx, draft)
        rows = _file_rows(services, tx, draft, base, viewer)
        may_name = names_communities(services, tx, draft, viewer)
        review = _review(services, tx, draft)
        standing = rights.to_work(tx, draft.deposit.concept_id, viewer, now=services.now())
        unknown = deposit.unknown_communities(tx, said.slugs)
        left = [*view.errors, *({"field": one.field, "messages": one.messages} for one in unknown)]
    told = {(one.field, one.label) for one in problems}
    return {
        "draft": draft,
        "view": view,
        "title": presentation.title(view.foreseen),
        "may_name_communities": may_name,
        "review": review,
        "may_share": standing >= Right.MANAGE,
        "files": rows,
        "size": presentation.readable_size(view.foreseen.record.total_bytes),
        "left": [one for one in upload_form.problems(left) if (one.field, one.label) not in told],
        "query": f"?{urlencode({'token': viewer.link})}" if viewer.link else "",
    }


def _path(draft: Draft, below: str, viewer: Viewer, **query: str) -> str:
    """A page of the draft, with the share link that who asks has presented."""
    presented = {"token": viewer.link} if viewer.link else {}
    return presentation.with_query(f"/uploads/{draft.record_id}{below}", {**presented, **query})


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
