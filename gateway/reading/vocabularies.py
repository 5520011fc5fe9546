"""The lists that metadata is written from: `/api/vocabularies`, funders, affiliations, licences (Zenodo's REST API,
vocabularies). Awards, names and subjects are lists without entries: what metadata says of these is not looked up."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from gateway.http import openapi
from gateway.http.answers import json_answer
from gateway.http.auth import ServicesHere
from gateway.http.methods import READ
from gateway.http.negotiation import choose
from gateway.http.problems import NotAcceptable
from gateway.reading import search as searching
from pipeline import refusals
from pipeline.errors import Misconfigured
from pipeline.metadata import ror, terms, vocabulary
from pipeline.metadata.terms import Term
from pipeline.model import JsonObject

router = APIRouter(prefix="/api")
LARGEST_PAGE = 1000
"""Terms on a page. More than Zenodo's 25: lists are short and stand in memory, and clients fetch them whole."""
_MEDIA_TYPES = ("application/json", "application/vnd.inveniordm.v1+json")
_LISTED_SINCE = datetime(2026, 11, 22, tzinfo=UTC).isoformat()

Presentation = Callable[[Term], JsonObject]


def organisations(file: str) -> tuple[Term, ...]:
    """The organisations in a file of ROR's records, one a line; without one the shipped. Raises `Misconfigured`."""
    if not file:
        return ror.shipped()
    try:
        with Path(file).open(encoding="utf-8") as lines:
            found = (ror.organisation(json.loads(line)) for line in lines if line.strip())
            known = tuple(each for each in found if each is not None)
    except (OSError, ValueError) as wrong:
        raise Misconfigured(f"{file} cannot be read: {wrong}", field="HEADRACE_ROR", remedy=_REMEDY) from None
    if not known:
        raise Misconfigured(f"{file} has no organisations", field="HEADRACE_ROR", remedy=_REMEDY)
    return known


_REMEDY = "give JSON Lines of ROR's data, schema 2: jq -c '.[]' v2.x-ror-data.json > ror.jsonl"


def _organisations_of(request: Request) -> tuple[Term, ...]:
    known: tuple[Term, ...] = request.app.state.organisations
    return known


OrganisationsHere = Annotated[tuple[Term, ...], Depends(_organisations_of)]


def _negotiated(request: Request) -> str:
    chosen = choose(request.headers.get("accept"), _MEDIA_TYPES)
    if chosen is None:
        raise NotAcceptable(", ".join(_MEDIA_TYPES))
    return chosen


# ---------------------------------------------------------------- vocabularies


@router.api_route("/vocabularies", methods=READ)
@router.api_route("/vocabularies/", methods=READ)
def list_vocabularies(request: Request, services: ServicesHere) -> Response:
    base = services.repository.base_url
    hits = [
        {
            "id": name,
            "name": title,
            "count": len(terms.of_type(name)),
            "links": {"self": f"{base}/api/vocabularies/{name}"},
        }
        for name, title in terms.TYPES.items()
    ]
    body = {"hits": {"hits": hits, "total": len(hits)}, "links": {"self": f"{base}/api/vocabularies/"}}
    return _answer(request, body)


@router.api_route("/vocabularies/{name}", methods=READ, openapi_extra=openapi.TERMS)
def search_vocabulary(request: Request, name: str, services: ServicesHere) -> Response:
    base = services.repository.base_url
    return _listed(request, base, _vocabulary(name), lambda term: _vocabulary_item(term, name, base))


@router.api_route("/vocabularies/{name}/{term_id}", methods=READ)
def read_term(request: Request, name: str, term_id: str, services: ServicesHere) -> Response:
    base = services.repository.base_url
    return _item(request, _vocabulary_item(_found(_vocabulary(name), term_id), name, base))


def _vocabulary(name: str) -> tuple[Term, ...]:
    if name not in terms.TYPES:
        raise refusals.unknown_id()
    return terms.of_type(name)


def _found(known: Sequence[Term], term_id: str) -> Term:
    for each in known:
        if each.id == term_id:
            return each
    raise refusals.unknown_id()


def _vocabulary_item(term: Term, name: str, base: str) -> JsonObject:
    described = {"description": {"en": ""}} if name == "licenses" else {}
    return {
        "id": term.id,
        "title": {"en": term.title},
        **described,
        "props": dict(term.props),
        "tags": list(term.tags),
        "type": name,
        **_kept(f"{base}/api/vocabularies/{name}/{quote(term.id, safe='')}"),
    }


def _kept(address: str) -> JsonObject:
    """What is said of every entry of a list: the lists come with the software, and none was ever revised."""
    return {"created": _LISTED_SINCE, "updated": _LISTED_SINCE, "revision_id": 1, "links": {"self": address}}


# ---------------------------------------------------------------- licences, at their old addresses


@router.api_route("/licenses", methods=READ)
@router.api_route("/licenses/", methods=READ)
def redirect_to_licences(request: Request, services: ServicesHere) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{services.repository.base_url}/api/vocabularies/licenses{query}", 301)


@router.api_route("/licenses/{licence_id}", methods=READ)
def read_licence(request: Request, licence_id: str) -> Response:
    """The item as it was before 2023, found by ids of that time, too."""
    term = _found(terms.of_type("licenses"), vocabulary.licence_id(licence_id) or licence_id)
    return _answer(
        request,
        {
            "id": vocabulary.legacy_licence(term.id),
            "title": term.title,
            "url": term.props["url"],
            "family": "",
            "domain_content": "data" in term.tags,
            "domain_data": "data" in term.tags,
            "domain_software": "software" in term.tags,
            "maintainer": "",
            "od_conformance": "not reviewed",
            "osd_conformance": "approved" if term.props["osi_approved"] else "not reviewed",
            "status": "active",
        },
    )


# ---------------------------------------------------------------- organisations, and lists without entries


def _offer(name: str, has: Callable[[Term], bool]) -> None:
    """Let `/api/<name>` list those of the organisations that it has."""

    def search(request: Request, services: ServicesHere, known: OrganisationsHere) -> Response:
        base = services.repository.base_url
        found = [each for each in known if has(each)]
        return _listed(request, base, found, lambda term: _organisation_item(term, name, base))

    def read(request: Request, term_id: str, services: ServicesHere, known: OrganisationsHere) -> Response:
        found = _found([each for each in known if has(each)], term_id)
        return _item(request, _organisation_item(found, name, services.repository.base_url))

    router.add_api_route(f"/{name}", search, methods=READ, name=f"search_{name}", openapi_extra=openapi.TERMS)
    router.add_api_route(f"/{name}/{{term_id}}", read, methods=READ, name=f"read_{name}")


_offer("funders", lambda term: ror.FUNDER in term.tags)
_offer("affiliations", lambda _: True)
for _name in ("awards", "names", "subjects"):
    _offer(_name, lambda _: False)


def _organisation_item(term: Term, name: str, base: str) -> JsonObject:
    listed = [{"identifier": term.id, "scheme": "ror"}]
    if doi := term.props.get("doi"):
        listed.append({"identifier": doi, "scheme": "doi"})
    shown = ("acronym", "country", "country_name")
    return {
        "id": term.id,
        "name": term.title,
        "title": {"en": term.title},
        **{key: term.props[key] for key in shown if key in term.props},
        "identifiers": listed,
        **_kept(f"{base}/api/{name}/{term.id}"),
    }


# ---------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the parameters of a list ask for."""

    q: str
    suggest: str
    tags: tuple[str, ...]
    sort: str
    page: int
    size: int

    def query_string(self) -> str:
        """The address's query, its parameters in alphabetic order."""
        pairs = [("page", str(self.page)), ("size", str(self.size)), ("sort", self.order)]
        pairs += [(name, text) for name, text in (("q", self.q), ("suggest", self.suggest)) if text]
        pairs += [("tags", tag) for tag in self.tags]
        return urlencode(sorted(pairs))

    @property
    def order(self) -> str:
        return self.sort or ("bestmatch" if (self.q + self.suggest).strip() else "title")


def _asked(request: Request) -> _Asked:
    params = request.query_params
    question = searching.parse(params, largest=LARGEST_PAGE)
    tags = tuple(dict.fromkeys(filter(None, params.getlist("tags"))))
    return _Asked(question.q, params.get("suggest", ""), tags, question.sort, question.page, question.size)


def _listed(request: Request, base: str, known: Sequence[Term], shown: Presentation) -> Response:
    """The page of `known` that the request asks for, in the envelope of all lists."""
    asked = _asked(request)
    found = terms.search(known, q=asked.q, suggest=asked.suggest, tags=asked.tags, sort=asked.order)
    reached = asked.page * asked.size
    hits = [shown(term) for term in found[reached - asked.size : reached]]
    pages = {"self": asked}
    if asked.page > 1:
        pages["prev"] = replace(asked, page=asked.page - 1)
    if reached < len(found) and reached + asked.size <= searching.WINDOW:
        pages["next"] = replace(asked, page=asked.page + 1)
    address = base + request.url.path
    body = {
        "hits": {"hits": hits, "total": len(found)},
        "sortBy": asked.order,
        "links": {name: f"{address}?{one.query_string()}" for name, one in pages.items()},
    }
    return _answer(request, body)


def _item(request: Request, item: JsonObject) -> Response:
    answer = _answer(request, item)
    answer.headers["ETag"] = f'"{item["revision_id"]}"'
    return answer


def _answer(request: Request, body: JsonObject) -> Response:
    media_type = _negotiated(request)
    answer = json_answer(request, body)
    answer.headers["Content-Type"] = media_type
    answer.headers["Vary"] = "Accept"
    return answer
