"""Requests and their timelines as JSON, and what is said in bodies about them (Zenodo's REST API, requests)."""

from collections.abc import Collection, Mapping

from pipeline.catalogue.requests import TimelineEntry
from pipeline.communities.requests import OPEN, Entity, EntityKind, Request, RequestAction, RequestState
from pipeline.dissemination import Repository
from pipeline.errors import Rejected
from pipeline.feeds.crosswalks.facts import timestamp
from pipeline.metadata import text
from pipeline.model import JsonObject

_LONGEST = 25_000
"""Characters of a comment."""


def request_json(repository: Repository, one: Request, actions: Collection[RequestAction]) -> JsonObject:
    """`actions` are those that the asker may do now."""
    api = f"{repository.base_url}/api/requests/{one.id}"
    shown = {"payload": one.payload} if one.payload else {}
    return {
        "id": one.id,
        "number": str(one.number),
        "type": one.type,
        "title": one.title,
        "description": one.description,
        "created": timestamp(one.created),
        "updated": timestamp(one.updated),
        "revision_id": one.revision,
        "status": one.state.value,
        "is_open": one.is_open,
        "is_closed": one.state not in OPEN,
        "is_expired": one.state is RequestState.EXPIRED,
        "is_locked": one.locked,
        "expires_at": None if one.expires is None else timestamp(one.expires),
        "created_by": one.creator.to_json(),
        "receiver": _asked(one.receiver),
        "topic": one.topic.to_json(),
        **shown,
        "links": {
            "self": api,
            "self_html": f"{repository.base_url}/me/requests/{one.id}",
            "comments": f"{api}/comments",
            "timeline": f"{api}/timeline",
            "actions": {action.value: f"{api}/actions/{action}" for action in actions},
        },
    }


def _asked(receiver: Entity) -> JsonObject | None:
    return None if receiver.kind is EntityKind.ADMINISTRATORS else receiver.to_json()


def entry_json(repository: Repository, one: TimelineEntry) -> JsonObject:
    """A comment (`C`), or what was done (`L`)."""
    said = {"content": one.content, "format": "html"} if one.content else {"event": one.event}
    author = "system" if one.author_id is None else str(one.author_id)
    return {
        "id": one.id,
        "type": "C" if one.content else "L",
        "created": timestamp(one.created),
        "updated": timestamp(one.updated),
        "revision_id": one.revision,
        "created_by": {"user": author},
        "parent_id": one.parent_id,
        "payload": said,
        "links": {"self": f"{repository.base_url}/api/requests/{one.request_id}/comments/{one.id}"},
    }


def comment_in(body: object, *, required: bool = True, within: str = "payload") -> str:
    """What a body says, as sanitised HTML; '' where it says nothing and need not. Raises `Rejected`."""
    given = body.get(within) if isinstance(body, Mapping) else None
    if given is None and not required:
        return ""
    content = given.get("content") if isinstance(given, Mapping) else None
    field = f"{within}.content"
    if content is None and not required:
        return ""
    if not isinstance(content, str):
        raise Rejected("Missing data for required field.", field=field)
    if len(content) > _LONGEST:
        raise Rejected(f"Longer than maximum length {_LONGEST}.", field=field)
    form = given.get("format", "html") if isinstance(given, Mapping) else "html"
    if form != "html":
        raise Rejected("Must be one of: html.", field=f"{within}.format")
    kept = text.sanitise(content).strip()
    if not kept and required:
        raise Rejected("Missing data for required field.", field=field)
    return kept
