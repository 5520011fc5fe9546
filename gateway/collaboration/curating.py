"""From a name in an address to the community, and whether the asker may do there what they ask for."""

from gateway.http.problems import Deleted
from pipeline import refusals
from pipeline.access import Viewer
from pipeline.catalogue import Transaction, communities, rights
from pipeline.catalogue.communities import ManagedCommunity
from pipeline.communities.roles import Power
from pipeline.errors import Conflict, Missing, Rejected
from pipeline.metadata.community_form import is_uuid

REFUSED = (Missing, Deleted, Rejected, Conflict)
"""What answers tell of one of several things that were to be done; with all else none of the others is."""


def community_in(tx: Transaction, name: str) -> ManagedCommunity:
    """The community of that slug or id. Raises `Missing`, `Deleted`."""
    found = communities.get(tx, name)
    if found.tombstone is not None:
        if not found.tombstone["is_visible"]:
            raise Missing("There is no such community.")
        raise Deleted("Community deleted", found.tombstone)
    return found


def community_by_id(tx: Transaction, name: str) -> ManagedCommunity:
    """As `community_in`, by id only. Raises `Rejected` for what is no UUID (Zenodo's REST API, members)."""
    if not is_uuid(name):
        raise Rejected("Not a valid UUID.", field="pid_value")
    return community_in(tx, name)


def require(tx: Transaction, one: ManagedCommunity, viewer: Viewer, power: Power) -> None:
    """Raises `Denied`."""
    if not rights.has_power(tx, one.id, viewer, power):
        raise refusals.not_permitted()
