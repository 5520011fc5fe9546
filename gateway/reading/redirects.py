"""Addresses that Zenodo's links still bear, and where what they named is now (Zenodo's REST API, web pages)."""

from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gateway.http.auth import ServicesHere
from gateway.http.methods import READ
from pipeline.services import Services

router = APIRouter()


@router.api_route("/record/{rest:path}", methods=READ)
def record(request: Request, rest: str, services: ServicesHere) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return _moved(services, f"/records/{quote(rest)}{query}")


@router.api_route("/deposit", methods=READ)
def uploads(services: ServicesHere) -> Response:
    return _moved(services, "/me/uploads?q=&is_published=false")


@router.api_route("/deposit/new", methods=READ)
def new_upload(services: ServicesHere, c: str = "") -> Response:
    """`c` is the community that the upload is for."""
    return _moved(services, "/uploads/new" + (f"?{urlencode({'community': c})}" if c else ""))


@router.api_route("/deposit/{record_id}", methods=READ)
def upload(record_id: str, services: ServicesHere) -> Response:
    return _moved(services, f"/uploads/{quote(record_id, safe='')}")


@router.api_route("/communities/about/{slug}", methods=READ)
@router.api_route("/collection/user-{slug}", methods=READ)
def community(slug: str, services: ServicesHere) -> Response:
    return _moved(services, f"/communities/{quote(slug, safe='')}/records")


@router.api_route("/records/{record_id}/preview/{key:path}", methods=READ)
def preview(record_id: str, key: str, services: ServicesHere) -> Response:
    """Texts and pictures are shown in place where they are; there is no page around them."""
    path = f"/records/{quote(record_id, safe='')}/files/{quote(key)}"
    return RedirectResponse(f"{services.repository.base_url}{path}", 302)


def _moved(services: Services, path: str) -> Response:
    return RedirectResponse(f"{services.repository.base_url}{path}", 301)
