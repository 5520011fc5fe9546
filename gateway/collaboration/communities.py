"""`/api/communities`: communities, their logos, and the records in them (Zenodo's REST API, communities)."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from gateway.collaboration.community_json import community_json
from gateway.collaboration.curating import REFUSED, community_in, require
from gateway.http import openapi
from gateway.http.admission import require_admin
from gateway.http.answers import json_answer
from gateway.http.auth import ActorHere, KnownHere, ServicesHere, ViewerHere, WriterHere
from gateway.http.bodies import JsonBody, OptionalJsonBody, text_in, whole_body
from gateway.http.headers import CONTENT_POLICY
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from gateway.reading import search as searching
from gateway.reading.formats import negotiated
from gateway.reading.records import listed
from pipeline.access import Viewer
from pipeline.catalogue import communities
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.communities import curation
from pipeline.communities.roles import Power
from pipeline.errors import Rejected
from pipeline.feeds.crosswalks.facts import timestamp
from pipeline.metadata import community_form, text, vocabulary
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter(prefix="/api")
_ONE = "/communities/{name}"
_MOST_RECORDS = 10
"""That one request takes out of a community (Zenodo's REST API, communities)."""
_LONGEST_NOTE = 1_000


# ---------------------------------------------------------------- many


@router.api_route("/communities", methods=READ, openapi_extra=openapi.COMMUNITIES)
def search(request: Request, services: ServicesHere, viewer: ViewerHere) -> Response:
    return _page(request, services, viewer, communities.Question())


@router.api_route("/communities/featured", methods=READ, openapi_extra=openapi.COMMUNITIES)
def featured(request: Request, services: ServicesHere, viewer: ViewerHere) -> Response:
    return _page(request, services, viewer, communities.Question(featured=True))


@router.api_route("/user/communities", methods=READ, openapi_extra=openapi.COMMUNITIES)
def own(request: Request, services: ServicesHere, viewer: KnownHere) -> Response:
    """Those of which one is a member."""
    return _page(request, services, viewer, communities.Question(member=viewer.account_id))


def _page(request: Request, services: Services, viewer: Viewer, among: communities.Question) -> Response:
    params = request.query_params
    asked = searching.parse(params, largest=searching.largest_page(viewer))
    filters = {name: (params[name],) for name in ("type", "funder", "organization") if params.get(name)}
    question = replace(asked, filters=filters, all_versions=False)
    with services.catalogue.read() as tx:
        found, total = communities.page(
            tx,
            replace(
                among,
                q=question.q,
                sort=question.sort,
                page=question.page,
                size=question.size,
                kind=params.get("type", ""),
                bodies={name: params[name] for name in filters if name != "type"},
            ),
        )
    hits = [community_json(services.repository, one) for one in found]
    address = services.repository.base_url + request.url.path
    return json_answer(request, searching.listing(question, hits, total, address))


# ---------------------------------------------------------------- one


@router.post("/communities")
def create(request: Request, services: ServicesHere, viewer: WriterHere, body: JsonBody) -> Response:
    """Who founds a community owns it."""
    made = curation.found(services, community_form.read(body), viewer.known_id)
    return _shown(request, services, made, 201)


@router.api_route(_ONE, methods=READ)
def read(request: Request, name: str, services: ServicesHere) -> Response:
    with services.catalogue.read() as tx:
        found = community_in(tx, name)
    return _shown(request, services, found)


@router.put(_ONE)
def update(
    request: Request, name: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    one = _with_power(services, name, viewer, Power.MANAGE)
    return _shown(request, services, curation.describe(services, one.id, viewer, community_form.read(body)))


@router.delete(_ONE)
def delete(name: str, services: ServicesHere, viewer: ActorHere, body: OptionalJsonBody) -> Response:
    one = _with_power(services, name, viewer, Power.DELETE)
    curation.delete(services, one.id, viewer, _tombstone(services, viewer, body))
    return Response(status_code=204)


@router.post(f"{_ONE}/rename")
def rename(
    request: Request, name: str, services: ServicesHere, viewer: WriterHere, body: JsonBody
) -> Response:
    """By administrators (Zenodo's REST API, communities)."""
    one = _for_administrators(services, name, viewer)
    slug = community_form.read_slug(body.get("slug") if isinstance(body, dict) else None)
    return _shown(request, services, curation.rename(services, one.id, slug))


@router.post(f"{_ONE}/featured")
def begin_to_feature(request: Request, name: str, services: ServicesHere, viewer: WriterHere) -> Response:
    """By administrators."""
    one = _for_administrators(services, name, viewer)
    return _shown(request, services, curation.feature(services, one.id, services.now()), 201)


@router.delete(f"{_ONE}/featured")
def cease_to_feature(name: str, services: ServicesHere, viewer: WriterHere) -> Response:
    one = _for_administrators(services, name, viewer)
    curation.feature(services, one.id, None)
    return Response(status_code=204)


def _shown(request: Request, services: Services, one: ManagedCommunity, status: int = 200) -> Response:
    headers = {"ETag": f'"{one.revision}"'}
    return json_answer(request, community_json(services.repository, one), status, headers)


def _with_power(services: Services, name: str, viewer: Viewer, power: Power) -> ManagedCommunity:
    """Raises `Missing`, `Deleted`, `Denied`; asked again by whoever changes something."""
    with services.catalogue.read() as tx:
        one = community_in(tx, name)
        require(tx, one, viewer, power)
        return one


def _for_administrators(services: Services, name: str, viewer: Viewer) -> ManagedCommunity:
    with services.catalogue.read() as tx:
        one = community_in(tx, name)
    require_admin(viewer)
    return one


def _tombstone(services: Services, viewer: Viewer, body: object) -> JsonObject:
    """Raises `Rejected`."""
    given = body if isinstance(body, dict) else {}
    reason = given.get("removal_reason")
    name = reason.get("id") if isinstance(reason, dict) else reason
    if name is not None and name not in list(vocabulary.removal_reasons()):
        raise Rejected(f"Invalid value {name}.")
    note, is_visible = text_in(given, "note", _LONGEST_NOTE) or "", given.get("is_visible", True)
    if not isinstance(is_visible, bool):
        raise Rejected("Not a valid boolean.", field="is_visible")
    return {
        "removal_reason": None if name is None else {"id": name},
        "note": text.clean(note),
        "removed_by": {"user": str(viewer.account_id)},
        "removal_date": timestamp(services.now()),
        "is_visible": is_visible,
    }


# ---------------------------------------------------------------- logos


@router.api_route(f"{_ONE}/logo", methods=READ)
def read_logo(request: Request, name: str, services: ServicesHere) -> Response:
    with services.catalogue.read() as tx:
        found = communities.logo(tx, community_in(tx, name).id)
    if found is None:
        raise curation.no_logo()
    headers = {
        "ETag": f'"md5:{found.md5}"',
        "Content-Security-Policy": CONTENT_POLICY,
        "Cache-Control": "no-cache",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


async def _picture(request: Request) -> bytes:
    return await whole_body(request, curation.LARGEST_LOGO, "The logo")


@router.put(f"{_ONE}/logo")
def put_logo(
    request: Request,
    name: str,
    services: ServicesHere,
    viewer: WriterHere,
    content: Annotated[bytes, Depends(_picture)],
) -> Response:
    one = _with_power(services, name, viewer, Power.MANAGE)
    put = curation.put_logo(services, one.id, viewer, content)
    address = community_json(services.repository, one)["links"]["logo"]
    entry = {
        "key": "logo",
        "size": len(put.content),
        "checksum": f"md5:{put.md5}",
        "mimetype": put.media_type,
        "updated": timestamp(put.updated),
        "links": {"self": address},
    }
    return json_answer(request, entry)


@router.delete(f"{_ONE}/logo")
def delete_logo(name: str, services: ServicesHere, viewer: WriterHere) -> Response:
    one = _with_power(services, name, viewer, Power.MANAGE)
    curation.remove_logo(services, one.id, viewer)
    return Response(status_code=204)


# ---------------------------------------------------------------- records


@router.api_route(f"{_ONE}/records", methods=READ, openapi_extra=openapi.SEARCH)
def search_records(request: Request, name: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """All that a search of records takes, among those of the community."""
    form = negotiated(request)
    asked = searching.parse(request.query_params, largest=searching.largest_page(viewer))
    with services.catalogue.read() as tx:
        slug = community_in(tx, name).slug
    question = replace(asked, filters={**asked.filters, "communities": (slug,)})
    return listed(request, services, viewer, searching.search(services, question), form)


@router.api_route(f"{_ONE}/subcommunities", methods=READ, openapi_extra=openapi.COMMUNITIES)
def list_subcommunities(request: Request, name: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """None: no community takes any (`children.allow`)."""
    question = searching.parse(request.query_params, largest=searching.largest_page(viewer))
    with services.catalogue.read() as tx:
        community_in(tx, name)
    address = services.repository.base_url + request.url.path
    return json_answer(request, searching.listing(question, [], 0, address))


@router.post(f"{_ONE}/actions/join-request")
def join_as_subcommunity(name: str, services: ServicesHere, _viewer: WriterHere) -> Response:
    """Refused in InvenioRDM's words (Zenodo's REST API, communities)."""
    with services.catalogue.read() as tx:
        community_in(tx, name)
    raise Rejected("Parent community does not accept subcommunities.")


@router.delete(f"{_ONE}/records")
def remove_records(
    request: Request, name: str, services: ServicesHere, viewer: ActorHere, body: JsonBody
) -> Response:
    """Works leave the community; those that could not are told of."""
    one = _with_power(services, name, viewer, Power.CURATE)
    failed = []
    for record_id in _named_records(body):
        try:
            curation.take_out(services, number_of(record_id), one.id, viewer)
        except REFUSED as error:
            failed.append({"record": record_id, "message": error.message})
    return json_answer(request, {"errors": failed} if failed else {})


def _named_records(body: object) -> list[str]:
    given = body.get("records") if isinstance(body, dict) else None
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_RECORDS:
        raise Rejected(f"A list of 1 to {_MOST_RECORDS} records.", field="records")
    ids = [one.get("id") if isinstance(one, dict) else None for one in given]
    if not all(isinstance(one, str) for one in ids):
        raise Rejected("Missing data for required field.", field="records.id")
    return [str(one) for one in ids]
