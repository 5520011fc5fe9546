"""Use case: what is said about requests."""

from __future__ import annotations

from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import requests
from pipeline.catalogue.requests import TimelineEntry
from pipeline.communities.participation import held
from pipeline.communities.requests import Party, Request, require_unlocked
from pipeline.errors import Rejected
from pipeline.services import Services


def say(
    services: Services, request_id: str, viewer: Viewer, content: str, *, parent_id: str | None = None
) -> TimelineEntry:
    """Comment on a request, or answer a comment. Raises `Missing`, `Denied` for those who take no part, and where it is
    locked."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, _ = held(tx, request_id, viewer, now=now)
        require_unlocked(one)
        return requests.comment(tx, one, content, by=viewer.known_id, parent_id=parent_id, now=now)


def edit(services: Services, request_id: str, entry_id: str, viewer: Viewer, content: str) -> TimelineEntry:
    """Its author has a comment say something else. Raises as `say`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, _ = held(tx, request_id, viewer, now=now)
        require_unlocked(one)
        if requests.entry(tx, one, entry_id).author_id != viewer.account_id:
            raise refusals.not_permitted()
        return requests.edit(tx, one, entry_id, content, now=now)


def erase(services: Services, request_id: str, entry_id: str, viewer: Viewer) -> None:
    """Its author, or who receives the request, takes a comment back. Raises as `say`."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = held(tx, request_id, viewer, now=now)
        require_unlocked(one)
        is_author = requests.entry(tx, one, entry_id).author_id == viewer.account_id
        if not is_author and Party.RECEIVER not in mine and not viewer.admin:
            raise refusals.not_permitted()
        requests.erase(tx, entry_id, now=now)


def lock(services: Services, request_id: str, viewer: Viewer, *, locked: bool) -> Request:
    """Who receives a request, and administrators, let nobody comment on it, or let them again. Raises `Missing`,
    `Denied`, `Rejected` where it is so already."""
    now = services.now()
    with services.catalogue.write() as tx:
        one, mine = held(tx, request_id, viewer, now=now)
        if Party.RECEIVER not in mine and not viewer.admin:
            raise refusals.not_permitted()
        if one.locked == locked:
            raise Rejected("The request is locked already." if locked else "The request is not locked.")
        requests.lock(tx, one, locked=locked, by=viewer.known_id, now=now)
        return requests.get(tx, request_id, now=now)
