"""A draft on pages: who may see it, its preview and files, and the form in which it is changed, with what is wrong with
it."""

from collections.abc import Sequence
from urllib.parse import urlencode

from fastapi import Request, Response

from gateway.depositing import draft_json
from gateway.html import presentation
from gateway.html.page_forms import form_page
from gateway.html.presentation import FileRow
from gateway.html.templating import page, root_of
from gateway.http.admission import draft_in, names_communities
from gateway.http.lookup import described, number_of
from gateway.http.problems import Unauthenticated
from gateway.site import upload_form
from gateway.site.landing import told_of
from gateway.site.upload_form import Essentials, Problem
from gateway.site.visitors import led_to_sign_in
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, draft_files, drafts, requests, rights
from pipeline.catalogue.draft_files import MULTIPART, DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.dissemination import Dissemination, DraftView, VersionRef
from pipeline.errors import Denied
from pipeline.ingest import deposit
from pipeline.model import FileEntry, JsonObject, RecordState, Right
from pipeline.services import Services

MOST_FILES = 100
"""Files in one form."""
_FILES_SHOWN = 1_000


def shown_to(services: Services, record_id: str, viewer: Viewer) -> Draft:
    """The open draft. Raises `Missing`; `SignInNeeded` where who asks is not known and may not see it, `Denied`."""
    if viewer.is_stranger:
        raise led_to_sign_in(Unauthenticated(), viewer)
    try:
        with services.catalogue.read() as tx:
            return draft_in(services, tx, number_of(record_id), viewer, Right.PREVIEW)
    except Denied as denied:
        raise led_to_sign_in(denied, viewer) from None


def path_of(draft: Draft, below: str, viewer: Viewer, **query: str) -> str:
    """A page of the draft, with the share link that who asks has presented."""
    presented = {"token": viewer.link} if viewer.link else {}
    return presentation.with_query(f"/uploads/{draft.record_id}{below}", {**presented, **query})


# ---------------------------------------------------------------- the form


def draft_page(
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
        most_files=MOST_FILES,
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
        left = [*view.faults, *unknown]
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


# ---------------------------------------------------------------- the preview


def preview_page(services: Services, draft: Draft, viewer: Viewer) -> Response:
    """The landing page as it will be."""
    with services.catalogue.read() as tx:
        base, view = _view(services, tx, draft)
        rows = _file_rows(services, tx, draft, base, viewer)
        review = _review(services, tx, draft)
        may_edit = rights.to(tx, draft, viewer, now=services.now()) >= Right.EDIT
    response = page(
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
        upload_url=root_of(services) + path_of(draft, "", viewer),
        is_in_review=bool(review),
        review=review,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _as_version(foreseen: Dissemination) -> VersionRef:
    record, metadata = foreseen.record, foreseen.record.description.metadata
    label, published = str(metadata.get("version", "")), str(metadata.get("publication_date", ""))
    return VersionRef(
        record.id, record.version, foreseen.doi, label, published, record.is_latest, RecordState.PUBLISHED
    )


# ---------------------------------------------------------------- what both show


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
