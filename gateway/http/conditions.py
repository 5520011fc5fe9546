"""Conditional requests on drafts: the tag that an answer bears, and the revision that a change asks for (Zenodo's REST
API, concurrency)."""

from fastapi import Request

from gateway.http.headers import whole_number
from pipeline.catalogue.drafts import Draft
from pipeline.errors import Rejected


def tag_of(draft: Draft) -> dict[str, str]:
    """The same for each of its forms, since what changes it asks for the revision alone."""
    return {"ETag": f'"{draft.revision}"'}


def expected_revision(request: Request) -> int | None:
    """The revision that `If-Match` asks for. Raises `Rejected`."""
    text = request.headers.get("if-match", "*").strip().strip('"')
    if text == "*":
        return None
    revision = whole_number(text)
    if revision is None:
        raise Rejected("If-Match is not a revision.", field="If-Match")
    return revision
