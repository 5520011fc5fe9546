"""Communities as JSON (Zenodo's REST API, communities)."""

from pipeline.catalogue.communities import ManagedCommunity
from pipeline.dissemination import Repository
from pipeline.feeds.crosswalks.facts import timestamp
from pipeline.metadata import community_form
from pipeline.model import JsonObject


def community_json(repository: Repository, one: ManagedCommunity) -> JsonObject:
    metadata, access = community_form.to_json(one.charter)
    return {
        "id": one.id,
        "slug": one.slug,
        "created": timestamp(one.created),
        "updated": timestamp(one.updated),
        "revision_id": one.revision,
        "metadata": metadata,
        "access": access,
        "custom_fields": {},
        "deletion_status": {"is_deleted": False, "status": "P"},
        "children": {"allow": False},
        "links": _links(repository, one),
    }


def _links(repository: Repository, one: ManagedCommunity) -> JsonObject:
    api = f"{repository.base_url}/api/communities/{one.id}"
    page = f"{repository.base_url}/communities/{one.slug}"
    below = {
        "records": "records",
        "requests": "requests",
        "members": "members",
        "public_members": "members/public",
        "invitations": "invitations",
        "membership_requests": "membership-requests",
        "logo": "logo",
        "rename": "rename",
    }
    return {
        "self": api,
        "self_html": f"{page}/",
        "settings_html": f"{page}/settings",
        **{name: f"{api}/{path}" for name, path in below.items()},
    }
