"""With whom a work is shared, as InvenioRDM's API shows it to those who manage the work."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts

if TYPE_CHECKING:
    from pipeline.model import AccessGrant, AccessSettings, JsonObject, ShareLink, Shares


def parent_access(owner_id: int | None, settings: AccessSettings, shares: Shares | None) -> JsonObject:
    """Without `shares` as everybody sees it."""
    shown: JsonObject = {
        "owned_by": None if owner_id is None else {"user": str(owner_id)},
        "settings": _settings_json(settings),
    }
    if shares is not None:
        shown["links"] = [link_json(one) for one in shares.links]
        shown["grants"] = [grant_json(one) for one in shares.grants]
    return shown


def _settings_json(settings: AccessSettings) -> JsonObject:
    """What nobody has said is shown as false, as on Zenodo, where it stands in nobody's way either."""
    said = {
        "allow_user_requests": bool(settings.allow_user_requests),
        "allow_guest_requests": bool(settings.allow_guest_requests),
    }
    return {**asdict(settings), **said}


def link_json(link: ShareLink) -> JsonObject:
    return {
        "id": link.id,
        "created_at": facts.timestamp(link.created),
        "expires_at": None if link.expires is None else facts.timestamp(link.expires),
        "permission": link.right.word,
        "description": link.description,
        "origin": link.origin,
        "token": link.token,
    }


def grant_json(grant: AccessGrant) -> JsonObject:
    return {
        "subject": {"type": "user", "id": str(grant.account_id)},
        "permission": grant.right.word,
        "origin": grant.origin,
    }
