"""Pages of communities for people: all of them, and one with its newest records."""

from dataclasses import replace

from fastapi import APIRouter, Request, Response

from gateway.collaboration.curating import community_in
from gateway.html import presentation
from gateway.html.presentation import pager
from gateway.html.templating import page, redirect
from gateway.http.auth import ServicesHere, ViewerHere
from gateway.http.methods import READ
from gateway.http.problems import Answer, Deleted
from gateway.reading import search as searching
from gateway.reading.search import Found, Question
from gateway.site.community_desks import desks
from pipeline.catalogue import communities
from pipeline.errors import Unavailable
from pipeline.metadata import vocabulary

router = APIRouter()
_NEWEST = 10


@router.api_route("/communities", methods=READ)
def everything(request: Request, services: ServicesHere, viewer: ViewerHere) -> Response:
    asked = searching.parse(request.query_params, largest=searching.largest_page(viewer))
    question = Question(q=asked.q, sort=asked.sort, page=asked.page, size=asked.size)
    with services.catalogue.read() as tx:
        found, total = communities.page(
            tx, communities.Question(q=asked.q, sort=asked.sort, page=asked.page, size=asked.size)
        )
    listed = Found(question, total, ())

    def address(number: int) -> str:
        return f"?{replace(question, page=number).query_string()}"

    return page(
        services,
        "communities.html",
        question=question,
        found=found,
        total=total,
        pages=pager(question.page, address, has_next=listed.has_next),
    )


@router.api_route("/communities/{slug}", methods=READ)
@router.api_route("/communities/{slug}/", methods=READ)
def one(slug: str, services: ServicesHere, viewer: ViewerHere) -> Response:
    """What a community says of itself, and its newest records; to its members also what they may do there."""
    try:
        with services.catalogue.read() as tx:
            shown = community_in(tx, slug)
            has_logo = communities.logo(tx, shown.id) is not None
            above = desks(services, tx, shown, viewer, here="About")
    except Deleted as deleted:
        answer = Answer(410, deleted.message)
        return page(services, "error.html", 410, answer=answer, heading="This community is no more")
    question = Question(sort="newest", size=_NEWEST, filters={"communities": (shown.slug,)})
    try:
        found = searching.search(services, question, facets=())
        newest, total = searching.described(services, found), found.total
    except Unavailable:
        # The page does not depend on search.
        newest, total = (), 0
    kind = vocabulary.community_types().get(shown.charter.kind, {}).get("title", "")
    return page(
        services,
        "community.html",
        shown=shown,
        above=above,
        details=shown.charter.details,
        kind=kind,
        has_logo=has_logo,
        total=total,
        newest=[presentation.reference(each) for each in newest],
    )


@router.api_route("/communities/{slug}/records", methods=READ)
def records(slug: str, services: ServicesHere) -> Response:
    """The records of a community."""
    with services.catalogue.read() as tx:
        shown = community_in(tx, slug)
    target = Question(filters={"communities": (shown.slug,)}).query_string()
    return redirect(services, f"/search?{target}", 302)
