"""The links of a record in both of its JSON forms (Zenodo's REST API, records)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.feeds.crosswalks import facts

if TYPE_CHECKING:
    from pipeline.dissemination import Dissemination, DraftView
    from pipeline.model import JsonObject


def record_links(d: Dissemination) -> JsonObject:
    """Absolute addresses by name: clients call them verbatim."""
    base, api = d.repository.base_url, facts.record_api(d)
    return {
        "self": api,
        "self_html": d.url,
        "doi": facts.doi_url(d.doi),
        "self_doi": facts.doi_url(d.doi),
        "self_doi_html": f"{base}/doi/{facts.doi_path(d.doi)}",
        "files": f"{api}/files",
        "archive": facts.archive_url(d),
        **_of_any(d),
        **_of_work(d),
        "communities-suggestions": f"{api}/communities-suggestions",
        "request_deletion": f"{api}/request-deletion",
        "file_modification": f"{api}/file-modification",
        "quota_increase": f"{api}/quota-increase",
    }


def draft_links(draft: DraftView) -> JsonObject:
    """Those of a draft: of a published record, or a work with other versions, also what leads there."""
    d = draft.foreseen
    own = f"{facts.record_api(d)}/draft"
    links = {
        "self": own,
        "self_html": f"{d.repository.base_url}/uploads/{d.record.id}",
        "files": f"{own}/files",
        "publish": f"{own}/actions/publish",
        "review": f"{own}/review",
        "submit-review": f"{own}/actions/submit-review",
        **_of_any(d),
    }
    if d.doi:
        links |= {"doi": facts.doi_url(d.doi), "self_doi": facts.doi_url(d.doi)}
    if draft.is_edit:
        links |= {"record": facts.record_api(d), "record_html": d.url}
    return links | (_of_work(d) if draft.is_edit or draft.is_version else {})


def _of_any(d: Dissemination) -> JsonObject:
    """What drafts and records have alike."""
    api = facts.record_api(d)
    return {
        "preview_html": f"{d.url}?preview=1",
        "reserve_doi": f"{api}/draft/pids/doi",
        "draft": f"{api}/draft",
        "access": f"{api}/access",
        "access_links": f"{api}/access/links",
        "access_grants": f"{api}/access/grants",
        "access_users": f"{api}/access/users",
        "access_request": f"{api}/access/request",
        "communities": f"{api}/communities",
        "requests": f"{api}/requests",
    }


def _of_work(d: Dissemination) -> JsonObject:
    """What leads to the work and its versions, once one is published."""
    base, api, concept = d.repository.base_url, facts.record_api(d), d.record.concept_id
    links = {
        "parent": f"{base}/api/records/{concept}",
        "parent_html": f"{base}/records/{concept}",
        "latest": f"{api}/versions/latest",
        "latest_html": f"{d.url}/latest",
        "versions": f"{api}/versions",
    }
    if d.concept_doi is not None:
        links |= {
            "parent_doi": facts.doi_url(d.concept_doi),
            "parent_doi_html": f"{base}/doi/{facts.doi_path(d.concept_doi)}",
        }
    return links
