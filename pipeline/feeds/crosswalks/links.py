"""The links of a record in both of its JSON forms (Zenodo's REST API, records)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts

if TYPE_CHECKING:
    from pipeline.model import Dissemination, JsonObject


def record_links(d: Dissemination) -> JsonObject:
    """Absolute addresses by name: clients call them verbatim."""
    base, api = d.repository.base_url, facts.record_api(d)
    concept = d.record.concept_id
    links = {
        "self": api,
        "self_html": d.url,
        "preview_html": f"{d.url}?preview=1",
        "doi": facts.doi_url(d.doi),
        "self_doi": facts.doi_url(d.doi),
        "self_doi_html": f"{base}/doi/{facts.doi_path(d.doi)}",
        "reserve_doi": f"{api}/draft/pids/doi",
        "parent": f"{base}/api/records/{concept}",
        "parent_html": f"{base}/records/{concept}",
        "files": f"{api}/files",
        "archive": facts.archive_url(d),
        "latest": f"{api}/versions/latest",
        "latest_html": f"{d.url}/latest",
        "versions": f"{api}/versions",
        "draft": f"{api}/draft",
        "access": f"{api}/access",
        "access_links": f"{api}/access/links",
        "access_grants": f"{api}/access/grants",
        "access_users": f"{api}/access/users",
        "access_request": f"{api}/access/request",
        "communities": f"{api}/communities",
        "communities-suggestions": f"{api}/communities-suggestions",
        "requests": f"{api}/requests",
        "request_deletion": f"{api}/request-deletion",
        "file_modification": f"{api}/file-modification",
        "quota_increase": f"{api}/quota-increase",
    }
    if d.concept_doi is not None:
        links |= {
            "parent_doi": facts.doi_url(d.concept_doi),
            "parent_doi_html": f"{base}/doi/{facts.doi_path(d.concept_doi)}",
        }
    return links
