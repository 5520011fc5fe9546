"""Pages for people: the front page, search, errors. They need no scripts and nothing from other sites."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request, Response

from gateway.html import presentation
from gateway.html.presentation import Link, pager
from gateway.html.templating import page
from gateway.http.auth import ServicesHere, ViewerHere, services_of
from gateway.http.methods import READ
from gateway.http.problems import Answer
from gateway.reading import search as searching
from gateway.reading.search import Found, Question
from gateway.site.passages import passages
from pipeline.catalogue import records
from pipeline.dissemination import Dissemination
from pipeline.errors import Rejected, Unavailable
from pipeline.index.fields import DESCRIPTION
from pipeline.index.highlights import Highlights
from pipeline.model import JsonObject
from pipeline.services import Services

router = APIRouter()

_NEWEST = 10


@router.api_route("/", methods=READ)
def home(services: ServicesHere) -> Response:
    with services.catalogue.read() as tx:
        count = records.count(tx)
    try:
        found = searching.search(services, Question(sort="newest", size=_NEWEST), facets=())
        newest = searching.described(services, found)
    except Unavailable:
        # The front page does not depend on search.
        newest = ()
    return page(services, "home.html", count=count, newest=[presentation.reference(one) for one in newest])


# ---------------------------------------------------------------- search

_SORTS = {
    "bestmatch": "Best match",
    "newest": "Newest",
    "oldest": "Oldest",
    "publication-desc": "Latest publication date",
    "publication-asc": "Earliest publication date",
    "updated-desc": "Changed last",
}
_EXAMPLES = (
    Link("tide gauge", note="records with either word, those with both first"),
    Link('"sea level"', note="the words next to each other"),
    Link("title:harbour AND NOT type:software", note="words in a field, and what shall not be"),
    Link('creators.name:"Marlow, Ida"', note="a person; creators.orcid and creators.affiliation as well"),
    Link("publication_date:[2024-01-01 TO *]", note="a range of dates, open at one end"),
    Link("filetype:csv AND access_right:open", note="records with files of a kind that everybody may read"),
    Link("keywords:plankton*", note="words that begin so"),
)


@router.api_route("/search", methods=READ)
def search(request: Request, services: ServicesHere, viewer: ViewerHere) -> Response:
    """The search page. What cannot be understood is said there, with the question still in its field."""
    try:
        question = searching.parse(request.query_params, largest=searching.largest_page(viewer))
        found = searching.search(services, question)
    except Rejected as error:
        asked = Question(q=request.query_params.get("q", ""))
        return page(
            services, "search.html", 400, **_context(services, asked, None, (), problem=error.message)
        )
    hits = searching.described(services, found)
    meant = searching.meant(services, found)
    return page(services, "search.html", **_context(services, question, found, hits, meant=meant))


def _context(
    services: Services,
    question: Question,
    found: Found | None,
    hits: Sequence[Dissemination],
    *,
    problem: str = "",
    meant: Question | None = None,
) -> JsonObject:
    chosen = [(name, value) for name, values in question.filters.items() for value in values]
    highlights = Highlights(question.q if hits else "")
    begins = partial(highlights.first, field=DESCRIPTION)
    return {
        "question": question,
        "found": found,
        "problem": problem,
        "meant": Link(meant.q, _address(meant)) if meant else None,
        "references": [presentation.reference(one, begins=begins) for one in hits],
        "highlights": highlights,
        "passages": passages(services, hits, highlights) if question.q else {},
        "sorts": [
            Link(
                title,
                _address(replace(question, sort=name, page=1)),
                "chosen" if name == question.order else "",
            )
            for name, title in _SORTS.items()
        ],
        "chosen": chosen,
        "removals": [
            Link(searching.label(name, value), _address(question.toggled(name, value)))
            for name, value in chosen
        ],
        "facets": _facets(found) if found else [],
        "pages": _page_links(found) if found else [],
        "examples": _EXAMPLES,
        "all_versions_url": _address(replace(question, all_versions=True, page=1)),
    }


def _address(question: Question) -> str:
    return f"?{question.query_string()}"


def _facets(found: Found) -> list[JsonObject]:
    question = found.question
    return [
        {
            "label": title,
            "choices": [
                {
                    "label": searching.label(name, value),
                    "count": count,
                    "url": _address(question.toggled(name, value)),
                    "is_chosen": question.has(name, value),
                    "nested": name == "resource_type" and searching.NESTED in value,
                }
                for value, count in _in_order(name, found.facets[name])
            ],
        }
        for name, title in searching.FACETS.items()
        if found.facets.get(name)
    ]


def _in_order(name: str, counts: tuple[tuple[str, int], ...]) -> list[tuple[str, int]]:
    """Values as they are shown: subtypes below their type, years from the newest, else the largest first."""
    if name == "year":
        return sorted(counts, reverse=True)
    if name != "resource_type":
        return list(counts)
    place = {value: index for index, (value, _) in enumerate(counts)}
    return sorted(
        counts, key=lambda one: (place.get(one[0].partition(searching.NESTED)[0], len(place)), one[0])
    )


def _page_links(found: Found) -> list[Link]:
    question = found.question
    return pager(question.page, lambda page: _address(replace(question, page=page)), has_next=found.has_next)


# ---------------------------------------------------------------- errors

_HEADINGS = {
    400: "This request cannot be understood",
    401: "Not signed in",
    403: "No permission",
    404: "Not found",
    405: "Not possible here",
    409: "Not yet available",
    416: "No such part of the file",
    429: "Too many requests",
    503: "Back soon",
}
_REASONS = {"spam": "Spam", "test-record": "Test record", "retracted": "Retracted", "copyright": "Copyright"}


def error_page(request: Request, answer: Answer) -> Response:
    """What a browser is shown of an error; for a withdrawn record its tombstone."""
    services = services_of(request)
    if "tombstone" in answer.extra:
        response = page(
            services, "tombstone.html", answer.status, facts=_last_facts(answer.extra["tombstone"])
        )
    else:
        heading = _HEADINGS.get(answer.status, "Something went wrong")
        response = page(services, "error.html", answer.status, answer=answer, heading=heading)
    response.headers.update(answer.headers)
    return response


def _last_facts(tombstone: JsonObject) -> list[tuple[str, str]]:
    reason = str(tombstone["removal_reason"]["id"])
    told = [
        ("Cited as", str(tombstone["citation_text"])),
        ("Withdrawn on", str(tombstone["removal_date"])[:10]),
        ("Reason", _REASONS.get(reason, reason)),
        ("Note", str(tombstone["note"])),
    ]
    return [(name, value) for name, value in told if value]
