"""For machines that come by themselves: OAI-PMH, robots.txt, sitemaps."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.http.auth import ServicesHere
from gateway.http.bodies import whole_body
from gateway.http.methods import READ
from pipeline import refusals
from pipeline.catalogue import identifiers, records
from pipeline.errors import Rejected
from pipeline.feeds.harvest_source import CatalogueSource
from pipeline.feeds.oaipmh import answer
from pipeline.services import Services

router = APIRouter()

_OAI_TYPE = "text/xml; charset=utf-8"
_LONGEST_FORM = 32_768
_MOST_ARGUMENTS = 100
_XML_TYPE = "application/xml; charset=utf-8"
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
URLS_PER_SITEMAP = 50_000
"""Addresses in one sitemap at most (sitemaps.org)."""

# ---------------------------------------------------------------- OAI-PMH


@router.api_route("/oai2d", methods=READ)
def oai_pmh(request: Request, services: ServicesHere) -> Response:
    return _harvested(services, request.url.query, request.app.state.token_secret)


@router.post("/oai2d")
async def oai_pmh_form(request: Request, services: ServicesHere) -> Response:
    """Arguments of the form, and those of the query besides: both stand for the request."""
    form = await whole_body(request, _LONGEST_FORM, "The form")
    both = "&".join(filter(None, (request.url.query, form.decode("utf-8", "replace"))))
    return await run_in_threadpool(_harvested, services, both, request.app.state.token_secret)


def _harvested(services: Services, encoded: str, secret: bytes) -> Response:
    try:
        arguments = parse_qsl(encoded, keep_blank_values=True, max_num_fields=_MOST_ARGUMENTS)
    except ValueError:
        raise Rejected(f"There are more than {_MOST_ARGUMENTS} arguments.") from None
    now = services.now()
    with services.catalogue.read() as tx:
        source = CatalogueSource(tx, services.repository, now=now)
        document = answer(arguments, source, services.repository, now=now, secret=secret)
    return Response(document, media_type=_OAI_TYPE)


# ---------------------------------------------------------------- robots and sitemaps


@router.api_route("/robots.txt", methods=READ)
def robots(services: ServicesHere) -> Response:
    """Pages, files and feeds are open to robots; searches have no end (RFC 9309)."""
    lines = (
        "User-agent: *",
        "Disallow: /search",
        "Disallow: /login/",
        "Disallow: /account/",
        "Disallow: /api/records?",
        "Disallow: /metrics",
        "",
        f"Sitemap: {services.repository.base_url}/sitemap.xml",
        "",
    )
    return Response("\n".join(lines), media_type="text/plain; charset=utf-8")


@router.api_route("/sitemap.xml", methods=READ)
def sitemap(services: ServicesHere) -> Response:
    """All landing pages where one sitemap can hold them, else the index of sitemaps (sitemaps.org)."""
    with services.catalogue.read() as tx:
        slices = _slices(identifiers.high_water_mark(tx))
        if slices == 1:
            return _url_set(services, records.published_between(tx, 1, URLS_PER_SITEMAP))
    base = services.repository.base_url
    return _sitemap_document(
        "sitemapindex",
        (
            f"<sitemap><loc>{escape(base)}/sitemaps/{number}.xml</loc></sitemap>"
            for number in range(1, slices + 1)
        ),
    )


@router.api_route("/sitemaps/{number}.xml", methods=READ)
def sitemap_slice(number: str, services: ServicesHere) -> Response:
    """The landing pages of a range of ids, so that the sitemaps of old records never change."""
    with services.catalogue.read() as tx:
        if not (
            number.isascii()
            and number.isdigit()
            and 1 <= int(number[:9]) <= _slices(identifiers.high_water_mark(tx))
        ):
            raise refusals.not_found()
        last = int(number) * URLS_PER_SITEMAP
        return _url_set(services, records.published_between(tx, last - URLS_PER_SITEMAP + 1, last))


def _slices(high_water_mark: int) -> int:
    return max(1, -(-high_water_mark // URLS_PER_SITEMAP))


def _url_set(services: Services, pages: Iterable[tuple[int, datetime]]) -> Response:
    base = escape(services.repository.base_url)
    return _sitemap_document(
        "urlset",
        (
            f"<url><loc>{base}/records/{number}</loc><lastmod>{modified:%Y-%m-%dT%H:%M:%SZ}</lastmod></url>"
            for number, modified in pages
        ),
    )


def _sitemap_document(root: str, children: Iterable[str]) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_SITEMAP}">\n' + "\n".join(children)
    return Response(f"{text}\n</{root}>\n", media_type=_XML_TYPE)
