"""A record's pages: landing page, files by their page address, exports, DOIs (Zenodo's REST API, records)."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from gateway.html import presentation
from gateway.html.presentation import Language, Link
from gateway.html.templating import page, redirect, root_of
from gateway.http.answers import indentation
from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.kept import keep_for_strangers
from gateway.http.lookup import find_described, newest_id, number_of
from gateway.http.methods import READ
from gateway.http.negotiation import choose
from gateway.http.problems import SignInNeeded, Withdrawn
from gateway.http.serving import file_of, files_are_readable, readable, served
from gateway.reading.formats import BY_MEDIA_TYPE, EXPORTS, OLD_EXPORTS, VARY, rendered
from gateway.site.visitors import led_to_sign_in
from pipeline.access import Viewer, access_status
from pipeline.catalogue import Transaction, drafts, events, record_files, records, rights
from pipeline.dissemination import Dissemination
from pipeline.errors import Denied, Missing
from pipeline.feeds import crosswalks
from pipeline.model import Event, FileEntry, JsonObject, RecordState, Right
from pipeline.pid import doi
from pipeline.services import Services

router = APIRouter()

FILES_PER_PAGE = 1000
_EVENTS_SHOWN = 50
_HTML = "text/html"


@router.api_route("/records/{record_id}", methods=READ)
def landing(
    request: Request, record_id: str, services: ServicesHere, viewer: ViewerHere, after: str = ""
) -> Response:
    """The landing page, or the record in a format that the request prefers to HTML (DOI content negotiation); with
    `?preview=1` the page of its draft, to whoever may see that."""
    if request.query_params.get("preview") == "1" and (path := _preview(services, record_id, viewer)):
        return redirect(services, path, 302)
    keep_for_strangers(request, viewer)
    with services.catalogue.read() as tx:
        described = find_described(services, tx, record_id, file_limit=FILES_PER_PAGE)
        # One more than is shown tells whether any are left; the first ones were read already.
        behind = (
            record_files.files(tx, described.record.id, after=after, limit=FILES_PER_PAGE + 1)
            if after
            else []
        )
        happened = events.of_records(tx, described.record.id)
        files_open = files_are_readable(services, tx, described.record, viewer)
        may = _may(services, tx, described, viewer)
    preferred = choose(request.headers.get("accept"), (_HTML, *BY_MEDIA_TYPE)) or _HTML
    if preferred != _HTML:
        form = BY_MEDIA_TYPE[preferred]
        indent = indentation(request)
        document = partial(form.render, described, files_open=files_open, indent=indent)
        return rendered(request, services, described.record, form, document, files_open=files_open)
    listed = behind[:FILES_PER_PAGE] if after else described.files
    has_more = (len(behind) if after else described.record.file_count) > FILES_PER_PAGE
    shown = listed if files_open else []
    context = _description(services, described, happened)
    context |= _files(services, described, shown, after=after, has_more=has_more, link=viewer.link)
    response = page(services, "record.html", files_open=files_open, **may, **context)
    exports = [(f"{described.url}/export/{one.name}", one.media_types[0]) for one in EXPORTS.values()]
    response.headers["Link"] = presentation.signposts(described, exports, shown)
    response.headers["Vary"] = VARY
    return response


def _may(services: Services, tx: Transaction, described: Dissemination, viewer: Viewer) -> dict[str, bool]:
    """What the page has buttons for."""
    record, now = described.record, services.now()
    is_guest = viewer.account_id is None
    manages = not is_guest and rights.to_work(tx, record.concept_id, viewer, now=now) >= Right.MANAGE
    return {
        "may_edit": not is_guest and rights.to(tx, record, viewer, now=now) >= Right.EDIT,
        "may_share": manages,
        # Of a guest whom only an account lets ask, the page behind the button tells that.
        "may_ask": described.settings.takes(guest=False)
        or (is_guest and described.settings.takes(guest=True)),
    }


def _preview(services: Services, record_id: str, viewer: Viewer) -> str:
    """Where the draft is shown that the viewer may see, `""` where they may see none. Raises `SignInNeeded` for what
    nobody but its depositors may know of, if the viewer may be one."""
    number = number_of(record_id)
    with services.catalogue.read() as tx, suppress(Missing):
        draft = drafts.get(tx, number)
        if rights.to(tx, draft, viewer, now=services.now()) >= Right.PREVIEW:
            return presentation.with_query(
                f"/uploads/{number}/preview", {"token": viewer.link} if viewer.link else {}
            )
        if not draft.is_edit and viewer.account_id is None:
            raise SignInNeeded
    return ""


def _description(services: Services, described: Dissemination, events: Sequence[Event]) -> JsonObject:
    record = described.record
    newest = [one.record_id for one in described.versions if one.state is RecordState.PUBLISHED][-1]
    root = root_of(services)
    return told_of(services, described) | {
        "versions": described.versions[::-1],
        "current": next(one for one in described.versions if one.record_id == record.id),
        "latest_url": "" if newest == record.id else f"{root}/records/{newest}",
        "events": events[::-1][:_EVENTS_SHOWN],
        "more_events": max(0, len(events) - _EVENTS_SHOWN),
        "citation": crosswalks.citation(described),
        "json_ld": presentation.json_ld(described),
        "exports": [
            Link(one.title, f"{root}/records/{record.id}/export/{one.name}", one.media_types[0])
            for one in EXPORTS.values()
        ],
    }


def told_of(services: Services, described: Dissemination) -> JsonObject:
    """What the page shows of a description, be it complete or not."""
    metadata = described.record.description.metadata
    status = access_status(described.record.description.access, today=services.now().date())
    return {
        "d": described,
        "metadata": metadata,
        "title": presentation.title(described),
        "lang": _attributes(presentation.language(metadata)),
        "reference": presentation.reference(described),
        "resource_type": presentation.resource_type(metadata),
        "creators": presentation.people(metadata, "creators"),
        "contributors": presentation.people(metadata, "contributors"),
        "description": presentation.description(described),
        "more_descriptions": presentation.more_descriptions(metadata),
        "access": status.value,
        "access_sentence": presentation.access_sentence(described, status),
        "licences": presentation.licences(metadata),
        "keywords": presentation.keywords(metadata),
        "related": presentation.related(metadata),
        "dates": presentation.dates(metadata),
        "languages": presentation.languages(metadata),
    }


def _files(
    services: Services,
    described: Dissemination,
    shown: Sequence[FileEntry],
    *,
    after: str,
    has_more: bool,
    link: str,
) -> JsonObject:
    """`link` is the token of the share link by which the page was asked for: its links present it, too."""
    root, path = root_of(services), f"/records/{described.record.id}"
    presented = {"token": link} if link else {}
    following = {"after": shown[-1].key, **presented} if has_more and shown else {}
    gate = services.settings.scan_gate
    return {
        "files": [presentation.file_row(root + path, one, gate, presented) for one in shown],
        "after": after,
        "first_files": presentation.with_query(root + path, presented) + "#files",
        "next_files": presentation.with_query(root + path, following) + "#files" if following else "",
        "all_files": presentation.with_query(f"{root}/api{path}/files", presented),
        "size": presentation.readable_size(described.record.total_bytes),
        "citation_tags": presentation.citation_tags(described, shown),
    }


def _attributes(language: Language) -> Markup:
    code = Markup(' lang="{}"').format(language.code) if language.code else Markup()
    return Markup('dir="{}"{}').format(language.direction, code)


# ---------------------------------------------------------------- addresses below a record


@router.api_route("/records/{record_id}/latest", methods=READ)
def newest_version(record_id: str, services: ServicesHere) -> Response:
    with services.catalogue.read() as tx:
        target = newest_id(tx, record_id)
    return redirect(services, f"/records/{target}", 302)


@router.api_route("/records/{record_id}/files/{key:path}", methods=READ)
def read_file(
    request: Request, record_id: str, key: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    """The bytes; of a record that was withdrawn, its page, which tells of that; to strangers, instead of closed files,
    the page to sign in on."""
    with services.catalogue.read() as tx:
        try:
            record = readable(services, tx, record_id, viewer)
        except Withdrawn as gone:
            return redirect(services, f"/records/{gone.record_id}", 302)
        except Denied as denied:
            raise led_to_sign_in(denied, viewer) from None
        entry = file_of(tx, record, key)
    return served(request, services, record, entry)


@router.api_route("/records/{record_id}/export/{name}", methods=READ)
def export(
    request: Request, record_id: str, name: str, services: ServicesHere, viewer: ViewerHere
) -> Response:
    if name in OLD_EXPORTS:
        target = f"/records/{quote(record_id)}/export/{OLD_EXPORTS[name]}"
        return redirect(services, target, 301)
    form = EXPORTS.get(name)
    if form is None:
        raise Missing("There is no export format of that name.")
    with services.catalogue.read() as tx:
        described = find_described(services, tx, record_id)
        files_open = files_are_readable(services, tx, described.record, viewer)
    document = partial(form.render, described, files_open=files_open, indent=indentation(request))
    response = rendered(request, services, described.record, form, document, files_open=files_open)
    response.headers["Content-Disposition"] = f'attachment; filename="{described.record.id}.{form.ending}"'
    return response


# ---------------------------------------------------------------- addresses of other kinds


@router.api_route("/doi/{name:path}", methods=READ)
def resolve(name: str, services: ServicesHere) -> Response:
    """A DOI of this archive: of a version, or of a work, which leads to its newest version."""
    with services.catalogue.read() as tx:
        record_id = records.resolve_doi(tx, doi.parse(name) or name)
    return redirect(services, f"/records/{record_id}", 302)
