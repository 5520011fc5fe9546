"""JSON of any shape, with the names in it that readers of metadata look for."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

LEGACY_FIELDS = """
    upload_type publication_type publication_date title creators description access_right license embargo_date
    doi keywords subjects notes method related_identifiers contributors references communities grants
    journal_title conference_url imprint_isbn thesis_supervisors version language locations dates custom name
    orcid gnd affiliation type identifier relation resource_type scheme id start end lat lon place term
    metadata
"""
DATACITE_FIELDS = """
    titles title titleType lang creators name nameType givenName nameIdentifiers nameIdentifier affiliation
    nameIdentifierScheme affiliationIdentifier contributors contributorType publisher publicationYear dates
    date dateType types resourceTypeGeneral resourceType subjects subject rightsList rights rightsUri
    descriptions description descriptionType geoLocations geoLocationPoint geoLocationBox geoLocationPolygon
    polygonPoint pointLatitude pointLongitude fundingReferences funderName funderIdentifier awardNumber
    awardUri identifiers identifier identifierType alternateIdentifiers relatedIdentifiers relatedIdentifier
    relationType relatedItems relatedItemIdentifier container volume firstPage version sizes formats language
    doi data attributes
"""
WORDS = [
    *("", "open", "embargoed", "dataset", "publication", "http://[", "10.1234/x", "2020-13", "grid.1.a", "²"),
    *("0000-0002-1694-233X", "eng", "de", "Abstract", "Issued", "cites", "a::b", "\ud800\x00", "<b>"),
]


@cache
def documents(names: str) -> st.SearchStrategy[Any]:
    """JSON of any shape, its keys mostly names that a reader looks for."""
    leaves = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8)
    )
    keys = st.sampled_from(names.split()) | st.text(max_size=4)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=8),
        max_leaves=30,
    )
