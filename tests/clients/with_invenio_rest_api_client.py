"""invenio-rest-api-client, typed, generated from InvenioRDM's OpenAPI document: its base URL is a parameter. Where
its document names another status than Zenodo answers with it gives the answer as it came."""

import json
from typing import Any

import given
from invenio_rest_api_client import AuthenticatedClient
from invenio_rest_api_client.api.communities import (
    create_a_community,
    delete_community,
    get_a_community,
    get_community_records,
    rename_a_community,
    search_communities,
    update_a_community,
)
from invenio_rest_api_client.api.communities_invitations import invite_user_members, search_invitations
from invenio_rest_api_client.api.communities_members import search_members, update_members
from invenio_rest_api_client.api.drafts import (
    createupdate_a_review_request,
    get_a_review_request,
    submit_a_record_for_review,
)
from invenio_rest_api_client.api.drafts_files_upload import (
    step_1_start_draft_file_uploads,
    step_2_upload_a_draft_files_content,
    step_3_complete_a_draft_file_upload,
)
from invenio_rest_api_client.api.records import create_a_draft_record, get_a_record_by_id
from invenio_rest_api_client.api.request_actions import accept_a_request, decline_a_request
from invenio_rest_api_client.api.requests import (
    get_a_request,
    get_a_requests_timeline,
    submit_a_comment_on_a_request,
)
from invenio_rest_api_client.api.users import search_user_communities
from invenio_rest_api_client.models import CreateADraftRecordBody, FileTransferItem, RDMRecord
from invenio_rest_api_client.types import File

RDM_JSON = {"Accept": "application/vnd.inveniordm.v1+json"}
ida = AuthenticatedClient(base_url=given.URL, token=given.TOKEN, headers=RDM_JSON)
jo = AuthenticatedClient(base_url=given.URL, token=given.OTHER_TOKEN, headers=RDM_JSON)


def answered(answer: Any, status: int = 200) -> Any:
    """The body of an answer, which has that status."""
    if answer.status_code != status:
        raise AssertionError(f"{answer.status_code}, expected {status}: {answer.content!r}")
    return json.loads(answer.content or b"null")


def drafted(client: AuthenticatedClient, title: str) -> RDMRecord:
    """A draft with a file."""
    metadata = {**given.RDM_METADATA, "title": title}
    body = CreateADraftRecordBody.model_validate(
        {"metadata": metadata, "access": {"record": "public", "files": "public"}}
    )
    draft = create_a_draft_record.sync(client=client, body=body)
    assert isinstance(draft, RDMRecord)
    item = FileTransferItem(key="moorings.csv")
    answered(step_1_start_draft_file_uploads.sync_detailed(draft.id, client=client, body=[item]), 201)
    with given.file(item.key).open("rb") as content:
        answered(
            step_2_upload_a_draft_files_content.sync_detailed(
                draft.id, item.key, client=client, body=File(content)
            )
        )
    committed = step_3_complete_a_draft_file_upload.sync_detailed(draft.id, item.key, client=client)
    given.same(answered(committed)["status"], "completed")
    return draft


# ------------------------------------------------------------ communities

charter = {
    "slug": "moorings-by-openapi",
    "metadata": {"title": "Moorings", "type": {"id": "topic"}},
    "access": {"visibility": "public", "review_policy": "closed"},
}
made = create_a_community.sync(client=ida, body=charter)
assert made is not None
community = made["id"]
given.same(get_a_community.sync(charter["slug"], client=jo)["id"], community)
charter["metadata"] = {**charter["metadata"], "description": "Temperatures at moorings"}
given.same(
    update_a_community.sync(community, client=ida, body=charter)["metadata"]["description"],
    "Temperatures at moorings",
)
for found in (
    search_communities.sync(client=jo, q="moorings"),
    search_user_communities.sync(client=ida),
):
    given.same(community in [one["id"] for one in found["hits"]["hits"]], True)
answered(rename_a_community.sync_detailed(community, client=jo, body={"slug": "mine"}), 403)
given.done("create, change and find communities")

# ------------------------------------------------------------ review

draft = drafted(jo, "Moorings, reviewed")
asked = {"receiver": {"community": community}, "type": "community-submission"}
review = createupdate_a_review_request.sync(draft.id, client=jo, body=asked)
assert review is not None
word = {"payload": {"content": "Please have a look.", "format": "html"}}
answered(submit_a_record_for_review.sync_detailed(draft.id, client=jo, body=word), 202)
given.same(get_a_review_request.sync(draft.id, client=jo)["status"], "submitted")
seen = get_a_request.sync(review["id"], client=ida)
given.same(("accept" in seen["links"]["actions"], seen["topic"]), (True, {"record": draft.id}))
submit_a_comment_on_a_request.sync(review["id"], client=ida, body=word)
accepted = answered(accept_a_request.sync_detailed(review["id"], client=ida, body=word))
given.same((accepted["status"], accepted["is_open"]), ("accepted", False))
said = get_a_requests_timeline.sync(review["id"], client=jo)["hits"]["hits"]
given.same([one["payload"].get("event") for one in said if one["type"] == "L"], ["accepted"])
given.same(sum(one["type"] == "C" for one in said), 3)
record = get_a_record_by_id.sync(draft.id, client=jo)
assert isinstance(record, RDMRecord)
given.same((record.is_published, record.parent["communities"]["ids"]), (True, [community]))
given.soon(lambda: get_community_records.sync(community, client=jo)["hits"]["total"], 1)
given.done("submit for review, comment, accept")

refused = drafted(jo, "Moorings, declined")
review = createupdate_a_review_request.sync(refused.id, client=jo, body=asked)
answered(submit_a_record_for_review.sync_detailed(refused.id, client=jo, body=word), 202)
given.same(
    answered(decline_a_request.sync_detailed(review["id"], client=ida, body=word))["status"], "declined"
)
answered(get_a_record_by_id.sync_detailed(refused.id, client=jo), 404)
given.done("decline")

# ------------------------------------------------------------ members

person = record.parent["access"]["owned_by"]["user"]
invited = {"members": [{"type": "user", "id": str(person)}], "role": "reader", "message": "Join us"}
answered(invite_user_members.sync_detailed(community, client=ida, body=invited), 204)
[invitation] = search_invitations.sync(community, client=ida)["hits"]["hits"]
answered(accept_a_request.sync_detailed(invitation["request"]["id"], client=jo, body=word))
answered(
    update_members.sync_detailed(
        community, client=ida, body={"members": invited["members"], "role": "curator"}
    ),
    204,
)
members = search_members.sync(community, client=jo)["hits"]["hits"]
given.same({(one["member"]["id"], one["role"]) for one in members} >= {(str(person), "curator")}, True)
given.same(len(members), 2)
given.same([one["id"] for one in search_user_communities.sync(client=jo)["hits"]["hits"]], [community])
given.done("invite, accept, change a role")

answered(delete_community.sync_detailed(community, client=jo), 403)
answered(delete_community.sync_detailed(community, client=ida), 204)
answered(get_a_community.sync_detailed(community, client=jo), 410)
given.done("delete a community")
