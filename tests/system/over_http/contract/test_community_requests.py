"""What is asked of communities and their members, by the numbers of the contract: §5.2, 5.3, 5.4, 4.6, 2.11, and what
(d) says of them."""

from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from typing import Any

import pytest

from gateway.app import create_app
from pipeline import dispatch
from pipeline.model import Access, FilesAccess
from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.contract.curators import COMMUNITIES, PUBLIC, founded
from tests.system.over_http.contract.depositor import DEPOSITIONS, Depositor, depositor


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> None:
    """Those of the archive that these tests share go on from test to test."""


@pytest.fixture(scope="module")
def ida(lasting: Archive) -> Depositor:
    """Who founds communities."""
    return depositor(lasting, "ida@pier.example")


@pytest.fixture(scope="module")
def bo(lasting: Archive) -> Depositor:
    """Who deposits."""
    return depositor(lasting, "bo@pier.example")


@pytest.fixture(scope="module")
def cy(lasting: Archive) -> Depositor:
    """Who becomes a member."""
    return depositor(lasting, "cy@pier.example")


@pytest.fixture(scope="module")
def root(lasting: Archive) -> Depositor:
    return depositor(lasting, "root@pier.example", admin=True)


@pytest.fixture(scope="module")
def stranger(lasting: Archive) -> Client:
    return Client(create_app(lasting.services))


Document = dict[str, Any]


def done(who: Depositor, request: Document, action: str, status: int = 200, body: object = None) -> Document:
    answer = who.send("POST", f"/api/requests/{request['id']}/actions/{action}", body)
    assert answer.status_code == status, answer.text
    document: Document = answer.json()
    return document


def offered(who: Depositor, request: Document) -> set[str]:
    """The actions that somebody is offered; each link leads to the action."""
    answer = who.send("GET", f"/api/requests/{request['id']}")
    assert answer.status_code == 200, answer.text
    actions = answer.json()["links"]["actions"]
    for name, link in actions.items():
        assert link == f"{BASE_URL}/api/requests/{request['id']}/actions/{name}"
    return set(actions)


def asked_of(who: Depositor, slug: str, query: str = "") -> list[Document]:
    answer = who.send("GET", f"{COMMUNITIES}/{slug}/requests{query}")
    assert answer.status_code == 200, answer.text
    hits: list[Document] = answer.json()["hits"]["hits"]
    return hits


def communities_of(who: Depositor, record_id: int) -> list[str]:
    body = who.send("GET", f"/api/records/{record_id}/communities").json()
    return [one["slug"] for one in body["hits"]["hits"]]


def account_id(who: Depositor) -> str:
    return str(who.create()["owner"])


def joined(who: Depositor, by: Depositor, community: Document, role: str) -> None:
    """They are invited, and accept."""
    body = {"members": [{"type": "user", "id": account_id(who)}], "role": role}
    assert by.send("POST", f"{COMMUNITIES}/{community['id']}/invitations", body).status_code == 204
    [invitation] = [
        one
        for one in who.send("GET", "/api/user/requests?is_open=true").json()["hits"]["hits"]
        if one["topic"] == {"community": community["id"]}
    ]
    done(who, invitation, "accept")


# ------------------------------------------------------------ 2.11 communities in a deposit


def test_2_11_named_communities_are_asked_or_joined_at_once(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """By the review policy, the depositor's role and the submission policy; what comes of nothing is no error; the
    kept list is cleared; who leaves a name out later takes nothing back."""
    founded(ida, "closed-reviews")
    founded(ida, "open-reviews", access={**PUBLIC, "review_policy": "open"})
    among = founded(ida, "member-reviews", access={**PUBLIC, "review_policy": "members"})
    founded(ida, "members-only", access={**PUBLIC, "record_submission_policy": "closed"})
    joined(cy, ida, among, "reader")
    every = ["closed-reviews", "open-reviews", "member-reviews", "members-only", "nowhere"]
    named = [{"identifier": slug} for slug in every]

    def published(who: Depositor) -> Document:
        record = who.published(communities=named)
        assert "communities" not in record["metadata"]
        return record

    by_owner, by_reader, by_other = published(ida), published(cy), published(bo)
    assert communities_of(bo, by_owner["id"]) == ["member-reviews", "open-reviews"]
    assert communities_of(bo, by_reader["id"]) == ["member-reviews"]
    assert communities_of(bo, by_other["id"]) == []
    topics = {
        slug: [one["topic"]["record"] for one in asked_of(ida, slug, "?is_open=1")] for slug in every[:4]
    }
    owners, readers, others = (str(one["id"]) for one in (by_owner, by_reader, by_other))
    assert topics == {
        "closed-reviews": [others, readers, owners],
        "open-reviews": [others, readers],
        "member-reviews": [others],
        "members-only": [owners],
    }
    assert [one["status"] for one in asked_of(ida, "open-reviews", "?is_open=0")] == ["accepted"]
    edit = bo.send("POST", f"{DEPOSITIONS}/{by_other['id']}/actions/edit").json()
    assert "communities" not in edit["metadata"]
    again = bo.send("PUT", edit["links"]["self"], {"metadata": {**edit["metadata"], "communities": named}})
    assert again.status_code == 200
    bo.publish(edit)
    assert len(asked_of(ida, "open-reviews", "?is_open=1")) == 2


def test_2_11_only_who_manages_a_work_names_its_communities(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """They are joined with the owner's word. Whoever may only edit leaves them as they are, and is told so."""
    for slug in ("hers", "not-hers"):
        founded(ida, slug, access={**PUBLIC, "review_policy": "open"})
    draft = ida.create(communities=[{"identifier": "hers"}])
    assert ida.put(draft, "gauge.csv").status_code == 201
    access = f"/api/records/{draft['id']}/access"
    token = ida.send("POST", f"{access}/links", {"permission": "edit"}).json()["token"]
    grant = {"subject": {"type": "user", "id": account_id(cy)}, "permission": "edit"}
    assert ida.send("POST", f"{access}/grants", {"grants": [grant]}).status_code == 201
    path = f"{DEPOSITIONS}/{draft['id']}"

    def said(who: Depositor, url: str, *slugs: str) -> Document:
        named = [{"identifier": slug} for slug in slugs]
        answer = who.send("PUT", url, {"metadata": {**draft["metadata"], "communities": named}})
        assert answer.status_code == 200, answer.text
        document: Document = answer.json()
        return document

    for who, url in ((bo, f"{path}?token={token}"), (cy, path)):
        for slugs in (("not-hers",), ("hers", "not-hers"), ()):
            kept = said(who, url, *slugs)
            assert kept["metadata"]["communities"] == [{"identifier": "hers"}]
            assert [one["field"] for one in kept["errors"]] == ["metadata.communities"]
        assert "errors" not in said(who, url, "hers")
    cy.publish(draft)
    assert communities_of(bo, draft["id"]) == ["hers"]
    edit = cy.send("POST", f"{path}/actions/edit").json()
    said(cy, path, "not-hers")
    cy.publish(edit)
    assert communities_of(bo, draft["id"]) == ["hers"]
    assert ida.send("PATCH", f"{access}/users/{account_id(cy)}", {"permission": "manage"}).status_code == 200
    cy.send("POST", f"{path}/actions/edit")
    assert "errors" not in said(cy, path, "not-hers")
    cy.publish(edit)
    assert communities_of(bo, draft["id"]) == ["hers", "not-hers"]


def test_2_11_an_edit_of_what_was_ingested_asks_for_no_community_again(
    lasting: Archive, ida: Depositor
) -> None:
    """Its description goes on naming those that the ingest put it into."""
    made = founded(ida, "ingested", access={**PUBLIC, "review_policy": "open"})
    record = lasting.publish(files={"gauge.csv": b"1"}, owner=ida.email, named=("ingested",))
    assert communities_of(ida, record.id) == ["ingested"]
    left = ida.send("DELETE", f"/api/records/{record.id}/communities", {"communities": [{"id": made["id"]}]})
    assert left.status_code == 200, left.text
    for action in ("edit", "newversion"):
        draft = ida.send("POST", f"{DEPOSITIONS}/{record.id}/actions/{action}").json()
        assert "communities" not in draft["metadata"]
        assert ida.send("POST", draft["links"]["publish"]).status_code == 202
    assert communities_of(ida, record.id) == []


# ------------------------------------------------------------ 5.3 records and communities


def test_5_3_inclusion_is_asked_for_and_granted(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor, stranger: Client
) -> None:
    """The work joins with all its versions: it is found and harvested so. Owners and curators take it out."""
    made = founded(ida, "harbours")
    record = bo.published()
    second = bo.send("POST", f"{DEPOSITIONS}/{record['id']}/actions/newversion").json()
    bo.publish(second)
    path = f"/api/records/{record['id']}/communities"
    comment = {"payload": {"content": "<p>Please</p><script>x</script>", "format": "html"}}
    wanted = {"communities": [{"id": "harbours", "comment": comment}, {"id": "nowhere"}]}
    assert cy.send("POST", path, wanted).status_code == 403
    assert stranger.ask("POST", path, content=b"{}").status_code == 401
    answer = bo.send("POST", path, wanted)
    assert answer.status_code == 200
    assert answer.json()["errors"] == [{"community_id": "nowhere", "message": "Community not found."}]
    [processed] = answer.json()["processed"]
    asked = processed["request"]
    assert (processed["community_id"], processed["request_id"]) == (made["id"], asked["id"])
    assert {name: asked[name] for name in ("type", "status", "is_open", "receiver", "topic")} == {
        "type": "community-inclusion",
        "status": "submitted",
        "is_open": True,
        "receiver": {"community": made["id"]},
        "topic": {"record": str(record["id"])},
    }
    for again, text in (
        ([{"id": made["id"]}], "There is already an open inclusion request for this community."),
        ([{"id": "nowhere"}], "Community not found."),
        ([{"id": "a\0b"}], "Community not found."),
    ):
        refused = bo.send("POST", path, {"communities": again})
        assert (refused.status_code, refused.json()["errors"][0]["message"]) == (400, text)
    for wrong in ({}, {"communities": []}, {"communities": [{"id": 5}]}, {"communities": [{"id": "x"}] * 11}):
        assert bo.send("POST", path, wrong).status_code == 400
    assert cy.send("GET", f"/api/requests/{asked['id']}").status_code == 403
    assert (offered(bo, asked), offered(ida, asked)) == ({"cancel"}, {"accept", "decline"})
    for who, action in ((bo, "accept"), (ida, "cancel"), (cy, "accept")):
        done(who, asked, action, 403)
    assert done(ida, asked, "whim", 400)["errors"][0]["field"] == "action"
    done(ida, asked, "submit", 400)
    accepted = done(ida, asked, "accept", body={"payload": {"content": "Welcome", "format": "html"}})
    assert (accepted["status"], accepted["is_closed"], accepted["links"]["actions"]) == ("accepted", True, {})
    done(ida, asked, "accept", 400)
    assert communities_of(bo, second["id"]) == communities_of(bo, record["id"]) == ["harbours"]
    twice = bo.send("POST", path, {"communities": [{"id": "harbours"}]})
    assert twice.json()["errors"][0]["message"] == "The record is already included in this community."
    entries = bo.send("GET", f"/api/requests/{asked['id']}/timeline").json()["hits"]["hits"]
    assert [one["payload"].get("content") or one["payload"]["event"] for one in entries] == [
        "<p>Please</p>x",
        "accepted",
        "Welcome",
    ]

    def listed() -> tuple[int, int]:
        lasting.clock.move(seconds=1)
        dispatch.drain(lasting.services)
        found = stranger.get(f"{COMMUNITIES}/harbours/records?all_versions=1").json()["hits"]["total"]
        harvest = stranger.get("/oai2d?verb=ListIdentifiers&metadataPrefix=oai_dc&set=user-harbours").text
        return found, harvest.count("<header")

    assert listed() == (2, 2)
    gone = {"communities": [{"id": "harbours"}]}
    assert cy.send("DELETE", path, gone).status_code == 403
    assert bo.send("DELETE", path, gone).status_code == 200
    refused = ida.send("DELETE", path, gone)
    assert (refused.status_code, refused.json()["errors"][0]["community"]) == (400, "harbours")
    assert listed() == (0, 0)


def test_5_3_defaults_and_suggestions(ida: Depositor, bo: Depositor) -> None:
    """One of its communities stands for a work; others are suggested."""
    first, second = (
        founded(ida, f"piers-{name}", access={**PUBLIC, "review_policy": "open"}) for name in "ab"
    )
    record = ida.published()
    path = f"/api/records/{record['id']}/communities"
    body = {"communities": [{"id": first["id"]}, {"id": second["id"]}]}
    processed = ida.send("POST", path, body).json()["processed"]
    assert [one["request"]["status"] for one in processed] == ["accepted", "accepted"]
    assert communities_of(bo, record["id"]) == ["piers-a", "piers-b"]
    assert ida.send("GET", path).json()["links"]["self"].startswith(f"{BASE_URL}/api/communities?")
    assert bo.send("PUT", path, {"default": second["id"]}).status_code == 403
    assert ida.send("PUT", path, {"default": second["id"]}).status_code == 200
    assert communities_of(bo, record["id"]) == ["piers-b", "piers-a"]
    rdm = bo.client.get(f"/api/records/{record['id']}", accept="application/vnd.inveniordm.v1+json").json()
    assert rdm["parent"]["communities"]["default"] == second["id"]
    for wrong in ({}, {"default": 5}, {"default": "0c8f3b52-7d1e-4b0b-bb43-1f2f6a5d9e77"}):
        assert ida.send("PUT", path, wrong).status_code == 400
    assert ida.send("PUT", path, {"default": None}).status_code == 200
    third = founded(ida, "piers-c")
    reviewed = {"communities": [{"id": "piers-c", "require_review": True}]}
    assert ida.send("POST", path, reviewed).json()["processed"][0]["request"]["is_open"] is True
    found = ida.send("GET", f"{path}-suggestions?q=piers&membership=true").json()["hits"]["hits"]
    assert [one["id"] for one in found] == [third["id"]]
    assert bo.send("GET", f"{path}-suggestions").status_code == 403
    hits = ida.send("GET", f"/api/records/{record['id']}/requests?is_open=true").json()["hits"]["hits"]
    assert [one["receiver"]["community"] for one in hits] == [third["id"]]
    assert bo.send("GET", f"/api/records/{record['id']}/requests").status_code == 403
    refused = ida.send("DELETE", f"{COMMUNITIES}/piers-c")
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "There are 1 requests open for this community.",
    )


# ------------------------------------------------------------ 4.6 reviews


def test_5_4_what_somebody_asked_for_is_not_done_who_has_lost_the_right(
    ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """A link was deleted, a grant revoked since they asked: neither is the draft submitted or published, nor does the
    work join the community. As long as the link is there both are done."""
    community = founded(cy, "cys-own")["id"]
    draft = bo.create()
    assert bo.put(draft, "gauge.csv").status_code == 201
    path = f"/api/records/{draft['id']}"
    wanted = {"type": "community-submission", "receiver": {"community": community}}

    def link() -> Document:
        made: Document = bo.send("POST", f"{path}/access/links", {"permission": "edit"}).json()
        return made

    first = link()
    asked = cy.send("PUT", f"{path}/draft/review?token={first['token']}", wanted).json()
    assert bo.send("DELETE", f"{path}/access/links/{first['id']}").status_code == 204
    lost = "Whoever asked for this has lost the right to the record meanwhile."
    assert done(cy, asked, "submit", 400)["message"] == lost
    assert cy.send("GET", f"{path}/draft").status_code == 403
    second = link()
    done(cy, asked, "submit")
    assert bo.send("DELETE", f"{path}/access/links/{second['id']}").status_code == 204
    assert done(cy, asked, "accept", 400)["message"] == lost
    link()
    done(cy, asked, "accept")
    record = ida.published()
    path = f"/api/records/{record['id']}"
    number = cy.send("GET", f"/api/requests/{asked['id']}").json()["created_by"]["user"]
    grant = {"subject": {"type": "user", "id": number}, "permission": "manage"}
    assert ida.send("POST", f"{path}/access/grants", {"grants": [grant]}).status_code == 201
    answer = cy.send(
        "POST", f"{path}/communities", {"communities": [{"id": "cys-own", "require_review": True}]}
    )
    assert answer.status_code == 200, answer.text
    included = answer.json()["processed"][0]["request"]
    assert ida.send("DELETE", f"{path}/access/users/{number}").status_code == 204
    assert done(cy, included, "accept", 400)["message"] == lost
    assert communities_of(ida, record["id"]) == []


def test_5_3_communities_of_a_work_are_its_owners_to_choose(
    lasting: Archive, ida: Depositor, cy: Depositor
) -> None:
    """Not of who owns one version of it: members of a community look at the closed files of all."""
    founded(cy, "mine-all-mine", access={**PUBLIC, "review_policy": "open"})
    first = lasting.publish(owner=cy.email)
    second = lasting.publish(
        files={"a.csv": b"1"}, owner=ida.email, version_of=first, access=Access(FilesAccess.RESTRICTED)
    )
    path = f"/api/records/{first.id}/communities"
    wanted = {"communities": [{"id": "mine-all-mine"}]}
    content = f"/api/records/{second.id}/files/a.csv/content"
    for method, body in (("POST", wanted), ("PUT", {"default": None})):
        assert cy.send(method, path, body).status_code == 403
    assert cy.send("GET", f"{path}-suggestions").status_code == 403
    assert cy.send("GET", content).status_code == 403
    # The owner of the work, who has no part in that version, may.
    assert ida.send("POST", path, wanted).status_code == 200
    founded(ida, "idas-own", access={**PUBLIC, "review_policy": "open"})
    assert ida.send("POST", path, {"communities": [{"id": "idas-own"}]}).status_code == 200
    assert cy.send("DELETE", path, {"communities": [{"id": "idas-own"}]}).status_code == 403
    assert ida.send("DELETE", path, {"communities": [{"id": "idas-own"}]}).status_code == 200


def test_4_6_a_draft_is_published_by_its_review(
    ida: Depositor, bo: Depositor, cy: Depositor, stranger: Client
) -> None:
    """Until that has come to an end it is neither published nor deleted, by either API; curators may read it."""
    made = founded(ida, "reviews")
    deposition = bo.create(title="Under review")
    draft = f"/api/records/{deposition['id']}/draft"
    choice = {"receiver": {"community": made["id"]}, "type": "community-submission"}
    assert bo.send("GET", f"{draft}/review").status_code == 404
    assert bo.send("POST", f"{draft}/actions/submit-review").status_code == 404
    assert bo.send("DELETE", f"{draft}/review").status_code == 404
    assert cy.send("PUT", f"{draft}/review", choice).status_code == 403
    for wrong, status in (
        ({**choice, "type": "x"}, 400),
        ({**choice, "receiver": {}}, 400),
        ({**choice, "receiver": {"community": "reviews"}}, 404),
    ):
        assert bo.send("PUT", f"{draft}/review", wrong).status_code == status
    chosen = bo.send("PUT", f"{draft}/review", choice)
    assert (chosen.status_code, chosen.json()["status"], chosen.json()["is_open"]) == (200, "created", False)
    assert set(chosen.json()["links"]["actions"]) == {"submit"}
    assert ida.send("GET", f"/api/requests/{chosen.json()['id']}").status_code == 403
    assert asked_of(ida, "reviews") == []
    assert bo.send("DELETE", f"{draft}/review").status_code == 204
    assert bo.send("PUT", f"{draft}/review", choice).status_code == 200
    # Without a file it cannot be published, so nobody is asked to review it.
    assert bo.send("POST", f"{draft}/actions/submit-review").status_code == 400
    assert bo.put(deposition, "gauge.csv").status_code == 201
    assert ida.send("GET", deposition["links"]["self"]).status_code == 403
    submitted = bo.send("POST", f"{draft}/actions/submit-review", {"payload": {"content": "Please"}})
    assert (submitted.status_code, submitted.json()["status"]) == (202, "submitted")
    assert bo.client.get(draft, accept="application/vnd.inveniordm.v1+json").json()["status"] == "in_review"
    assert bo.send("PUT", f"{draft}/review", choice).status_code == 400
    assert bo.send("DELETE", f"{draft}/review").status_code == 400
    for method, url in (("POST", deposition["links"]["publish"]), ("DELETE", deposition["links"]["self"])):
        refused = bo.send(method, url)
        assert (refused.status_code, "open review request" in refused.json()["message"]) == (400, True)
    assert bo.send("POST", deposition["links"]["discard"]).status_code == 400
    assert ida.send("GET", f"{draft}/review").json()["id"] == submitted.json()["id"]
    read = ida.send("GET", deposition["links"]["self"])
    assert (read.status_code, read.json()["title"]) == (200, "Under review")
    for who in (cy.client, stranger):
        assert who.get(f"/api/deposit/depositions/{deposition['id']}").status_code in (401, 403)
    done(ida, submitted.json(), "decline")
    assert ida.send("GET", deposition["links"]["self"]).status_code == 403
    again = bo.send("POST", f"{draft}/actions/submit-review").json()
    assert (again["status"], again["id"] != submitted.json()["id"]) == ("submitted", True)
    done(bo, again, "accept", 403)
    assert done(ida, again, "accept")["status"] == "accepted"
    assert communities_of(stranger_as(bo), deposition["id"]) == ["reviews"]
    record = stranger.get(f"/api/records/{deposition['id']}").json()
    assert record["metadata"]["communities"] == [{"id": "reviews"}]
    assert bo.send("GET", f"{draft}/review").status_code == 404


def stranger_as(who: Depositor) -> Depositor:
    """Somebody without a token who asks as a depositor does."""
    return Depositor(who.archive, Client(create_app(who.archive.services)), "")


def test_4_6_members_need_no_review_where_the_policy_says_so(ida: Depositor, bo: Depositor) -> None:
    """Unless they want one; a draft that cannot be published is not; a published record is not reviewed."""
    made = founded(ida, "unreviewed", access={**PUBLIC, "review_policy": "open"})
    choice = {"receiver": {"community": made["id"]}, "type": "community-submission"}
    first, second = ida.create(), ida.create()
    for deposition in (first, second):
        ida.put(deposition, "gauge.csv")
        assert ida.send("PUT", f"/api/records/{deposition['id']}/draft/review", choice).status_code == 200
    at_once = ida.send("POST", f"/api/records/{first['id']}/draft/actions/submit-review", {})
    assert (at_once.status_code, at_once.json()["status"]) == (202, "accepted")
    assert communities_of(bo, first["id"]) == ["unreviewed"]
    wanted = {"require_review": True}
    asked = ida.send("POST", f"/api/records/{second['id']}/draft/actions/submit-review", wanted)
    assert (asked.status_code, asked.json()["status"]) == (202, "submitted")
    done(ida, asked.json(), "cancel")
    assert ida.send("POST", second["links"]["publish"]).status_code == 202
    assert communities_of(bo, second["id"]) == []
    edit = ida.send("POST", f"{DEPOSITIONS}/{second['id']}/actions/edit").json()
    refused = ida.send("PUT", f"/api/records/{edit['id']}/draft/review", choice)
    assert (refused.status_code, "published" in refused.json()["message"]) == (400, True)


def test_4_6_a_community_that_was_deleted_reviews_nothing(
    ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """Nobody was asked yet, so it could be; nor does it gain members whom it had invited."""
    made = founded(ida, "short-lived")
    deposition = bo.create()
    bo.put(deposition, "gauge.csv")
    draft = f"/api/records/{deposition['id']}/draft"
    choice = {"receiver": {"community": made["id"]}, "type": "community-submission"}
    chosen = bo.send("PUT", f"{draft}/review", choice).json()
    body = {"members": [{"type": "user", "id": account_id(cy)}], "role": "reader"}
    assert ida.send("POST", f"{COMMUNITIES}/{made['id']}/invitations", body).status_code == 204
    [invitation] = [
        one["request"]
        for one in ida.send("GET", f"{COMMUNITIES}/{made['id']}/invitations").json()["hits"]["hits"]
    ]
    assert ida.send("DELETE", f"{COMMUNITIES}/short-lived").status_code == 204
    done(bo, chosen, "submit", 404)
    assert bo.send("POST", f"{draft}/actions/submit-review").status_code == 404
    assert bo.send("GET", f"{draft}/review").json()["status"] == "created"
    done(cy, invitation, "accept", 404)
    assert cy.send("GET", f"/api/requests/{invitation['id']}").json()["status"] == "submitted"
    done(cy, invitation, "decline")
    other = founded(ida, "longer-lived")
    again = {"receiver": {"community": other["id"]}, "type": "community-submission"}
    assert bo.send("PUT", f"{draft}/review", again).status_code == 200


# ------------------------------------------------------------ 5.2 members and invitations


def test_5_2_people_are_invited(ida: Depositor, bo: Depositor, cy: Depositor, stranger: Client) -> None:
    """All or none; by who may give the role; they become members when they accept."""
    made = founded(ida, "members-a")
    path = f"{COMMUNITIES}/{made['id']}"
    bos, cys = account_id(bo), account_id(cy)

    def body(*ids: str, **more: object) -> dict[str, object]:
        return {"members": [{"type": "user", "id": one} for one in ids], "role": "manager", **more}

    by_slug = ida.send("GET", f"{COMMUNITIES}/members-a/members")
    assert by_slug.status_code == 400
    assert by_slug.json()["errors"] == [{"field": "pid_value", "messages": ["Not a valid UUID."]}]
    assert bo.send("GET", f"{path}/members").status_code == 403
    assert bo.send("POST", f"{path}/invitations", body(cys)).status_code == 403
    for wrong, told in (
        (body(bos, visible=True), "Must be false"),
        (body(bos, "999999"), "Invalid member specified."),
        (body("x"), "Invalid member specified."),
        (body(bos, account_id(ida)), "A member was already added or invited."),
        (body(bos, role="king"), "Must be one of: reader, curator, manager, owner."),
        ({"members": []}, "A list of 1 to 100 members."),
    ):
        answer = ida.send("POST", f"{path}/invitations", wrong)
        assert (answer.status_code, told in answer.text) == (400, True), answer.text
    assert ida.send("GET", f"{path}/invitations").json()["hits"]["total"] == 0
    sent = ida.send("POST", f"{path}/invitations", body(bos, message="<p>Join us</p>"))
    assert (sent.status_code, sent.content) == (204, b"")
    assert ida.send("POST", f"{path}/invitations", body(cys, bos)).status_code == 400
    [invitation] = ida.send("GET", f"{path}/invitations").json()["hits"]["hits"]
    assert (invitation["member"], invitation["role"]) == ({"type": "user", "id": bos}, "manager")
    assert ida.send("PUT", f"{path}/invitations", body(bos, role="curator")).status_code == 204
    asked = invitation["request"]
    assert (offered(bo, asked), offered(ida, asked)) == ({"accept", "decline"}, {"cancel"})
    done(ida, asked, "accept", 403)
    done(bo, asked, "accept")
    dispatch.drain(ida.archive.services)
    folder = ida.archive.services.settings.home / "mail"
    mails = [message_from_bytes(one.read_bytes(), policy=policy.default) for one in folder.iterdir()]
    [mail] = [one for one in mails if f"/api/requests/{asked['id']}" in one.get_content()]
    assert (mail["To"], mail["Subject"]) == ("bo@pier.example", 'You are invited to "Members-A"')
    assert "as manager" in mail.get_content()
    listed = bo.send("GET", f"{path}/members").json()["hits"]["hits"]
    assert [(one["member"]["id"], one["role"], one["visible"]) for one in listed] == [
        (account_id(ida), "owner", True),
        (bos, "curator", False),
    ]
    seen = stranger.get(f"{path}/members/public").json()["hits"]["hits"]
    assert [one["member"]["id"] for one in seen] == [account_id(ida)]
    assert "pier.example" not in str(listed)
    assert bo.send("POST", f"{path}/invitations", body(cys)).status_code == 403
    assert ida.send("POST", f"{path}/members", {}).status_code == 403
    assert stranger.get(f"{path}/membership-requests").status_code in (401, 403)


def test_5_2_roles_are_changed_and_people_leave(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor, root: Depositor
) -> None:
    """By managers, up to their own role; a community keeps an owner; everybody may leave."""
    made = founded(ida, "members-b", access={**PUBLIC, "members_visibility": "restricted"})
    path = f"{COMMUNITIES}/{made['id']}"
    joined(bo, ida, made, "manager")
    joined(cy, bo, made, "reader")
    idas, bos, cys = (account_id(who) for who in (ida, bo, cy))

    def changed(who: Depositor, one: str, **values: object) -> int:
        body = {"members": [{"type": "user", "id": one}], **values}
        return who.send("PUT", f"{path}/members", body).status_code

    def dismissed(who: Depositor, one: str) -> int:
        body = {"members": [{"type": "user", "id": one}]}
        return who.send("DELETE", f"{path}/members", body).status_code

    assert changed(bo, cys, role="curator") == 204
    assert changed(bo, cys, role="owner") == 403
    assert changed(bo, idas, role="reader") == 403
    assert changed(cy, bos, role="reader") == 403
    assert (changed(bo, bos, role="reader"), changed(ida, idas, role="reader")) == (400, 400)
    assert (changed(cy, cys, visible=True), changed(bo, bos, visible=True)) == (204, 204)
    assert (changed(cy, bos, visible=False), changed(bo, cys, visible=False)) == (403, 204)
    assert changed(bo, cys, visible=True) == 403
    assert (changed(bo, cys), changed(bo, "999999", role="reader")) == (400, 400)
    assert lasting.services.catalogue is not None
    assert root.send("GET", f"{path}/members").status_code == 200
    assert depositor(lasting, "eve@pier.example").send("GET", f"{path}/members/public").status_code == 403
    assert cy.send("GET", f"{path}/members/public").json()["hits"]["total"] == 2
    assert (dismissed(bo, idas), dismissed(cy, bos)) == (403, 403)
    assert dismissed(ida, idas) == 400
    assert dismissed(cy, cys) == 204
    assert changed(ida, bos, role="owner") == 204
    assert dismissed(ida, idas) == 204
    assert dismissed(bo, bos) == 400
    assert cy.send("GET", f"{path}/members").status_code == 403


def test_5_2_an_invitation_expires(lasting: Archive, ida: Depositor, cy: Depositor) -> None:
    """After thirty days; then there may be another."""
    made = founded(ida, "members-c")
    path = f"{COMMUNITIES}/{made['id']}/invitations"
    body = {"members": [{"type": "user", "id": account_id(cy)}], "role": "reader"}
    assert ida.send("POST", path, body).status_code == 204
    [asked] = [one["request"] for one in ida.send("GET", path).json()["hits"]["hits"]]
    lasting.clock.move(days=31)
    shown = cy.send("GET", f"/api/requests/{asked['id']}").json()
    assert (shown["status"], shown["is_expired"], shown["links"]["actions"]) == ("expired", True, {})
    done(cy, asked, "accept", 400)
    assert ida.send("GET", path).json()["hits"]["total"] == 0
    found = cy.send("GET", "/api/user/requests?status=expired").json()["hits"]["hits"]
    assert asked["id"] in [one["id"] for one in found]
    assert ida.send("POST", path, body).status_code == 204


# ------------------------------------------------------------ 5.4 requests


def test_5_4_requests_are_found_by_who_takes_part(
    ida: Depositor, bo: Depositor, cy: Depositor, root: Depositor, stranger: Client
) -> None:
    """By state, type and words; one's own, and those of communities that one curates."""
    made = founded(ida, "finders")
    record = bo.published(title="Findable anemones")
    path = f"/api/records/{record['id']}/communities"
    [asked] = [
        one["request"]
        for one in bo.send("POST", path, {"communities": [{"id": made["id"]}]}).json()["processed"]
    ]

    def found(who: Depositor, address: str) -> list[str]:
        answer = who.send("GET", address)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["hits"]["hits"]]

    words = "q=anemones"
    for who in (bo, ida, root):
        assert found(who, f"/api/requests/?{words}") == [asked["id"]]
    assert found(cy, f"/api/requests/?{words}") == []
    assert found(bo, f"/api/user/requests?{words}") == [asked["id"]]
    assert found(ida, f"/api/user/requests?{words}") == []
    assert found(ida, f"/api/user/requests?{words}&shared_with_me=true") == [asked["id"]]
    assert asked["id"] in found(bo, f"/api/requests/?q={asked['number']}")
    for query, is_found in (
        ("type=community-inclusion&status=submitted&is_open=true", True),
        ("type=community-submission", False),
        ("status=accepted&status=declined", False),
        ("is_open=false", False),
    ):
        assert bool(found(bo, f"/api/requests/?{words}&{query}")) == is_found, query
    assert bo.send("GET", "/api/requests/?sort=worst").status_code == 400
    assert bo.send("GET", f"{COMMUNITIES}/finders/requests").status_code == 403
    assert stranger.get("/api/requests/").status_code == 401
    moved = stranger.get("/api/requests?q=x")
    assert (moved.status_code, moved.headers["location"]) == (308, f"{BASE_URL}/api/requests/?q=x")
    assert bo.send("GET", "/api/requests/nothing").status_code == 404


def test_5_4_of_many_answers_at_once_one_counts(ida: Depositor, bo: Depositor) -> None:
    """Whoever accepts, declines or takes back a request at once: one of them does, the others are told that it is
    over, and what follows is what the one said."""
    made = founded(ida, "races")
    choice = {"receiver": {"community": made["id"]}, "type": "community-submission"}
    for _ in range(2):
        deposition = bo.create()
        bo.put(deposition, "gauge.csv")
        draft = f"/api/records/{deposition['id']}/draft"
        assert bo.send("PUT", f"{draft}/review", choice).status_code == 200
        asked = bo.send("POST", f"{draft}/actions/submit-review").json()
        ways = [(ida, "accept"), (ida, "decline"), (bo, "cancel"), (ida, "accept")]

        def take(way: tuple[Depositor, str], request: str = asked["id"]) -> int:
            return way[0].send("POST", f"/api/requests/{request}/actions/{way[1]}").status_code

        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(take, ways))
        # A draft that was just published is not there any more.
        assert sorted(statuses)[0] == 200
        assert set(sorted(statuses)[1:]) <= {400, 404}
        state = bo.send("GET", f"/api/requests/{asked['id']}").json()["status"]
        assert (state == "accepted") == (200 in (statuses[0], statuses[3]))
        is_published = bo.client.get(f"/api/records/{deposition['id']}").status_code == 200
        assert is_published == (state == "accepted")


def test_5_4_what_is_done_to_one_request_at_once_is_done_in_turn(ida: Depositor, bo: Depositor) -> None:
    """A comment that is changed and taken back is gone, or was never changed; a review that nobody was asked for yet is
    asked for, or taken back."""
    made = founded(ida, "turns")
    record = bo.published()
    wanted = {"communities": [{"id": made["id"]}]}
    processed = bo.send("POST", f"/api/records/{record['id']}/communities", wanted).json()["processed"]
    comments = f"/api/requests/{processed[0]['request_id']}/comments"
    words = {"payload": {"content": "Hello", "format": "html"}}

    def at_once(*asked: tuple[str, str, object]) -> list[int]:
        with ThreadPoolExecutor(len(asked)) as pool:
            return list(pool.map(lambda one: bo.send(*one).status_code, asked))

    for _ in range(5):
        comment = bo.send("POST", comments, words).json()["links"]["self"]
        edited, erased, _ = at_once(
            ("PUT", comment, words), ("DELETE", comment, None), ("PUT", comment, words)
        )
        assert (edited in (200, 404), erased) == (True, 204)
        assert bo.send("GET", comment).status_code == 404
    choice = {"receiver": {"community": made["id"]}, "type": "community-submission"}
    deposition = bo.create()
    bo.put(deposition, "gauge.csv")
    draft = f"/api/records/{deposition['id']}/draft"
    for _ in range(5):
        chosen = bo.send("PUT", f"{draft}/review", choice).json()
        path = f"/api/requests/{chosen['id']}"
        submitted, forgotten = at_once(("POST", f"{path}/actions/submit", None), ("DELETE", path, None))
        assert (submitted, forgotten) in ((200, 403), (404, 204))
        if submitted == 200:
            done(bo, chosen, "cancel")


def test_5_4_requests_are_talked_about(ida: Depositor, bo: Depositor, cy: Depositor, root: Depositor) -> None:
    """By who takes part: comments, answers, changes, and none while it is locked."""
    made = founded(ida, "talkers")
    record = bo.published()
    wanted = {"communities": [{"id": made["id"]}]}
    asked = bo.send("POST", f"/api/records/{record['id']}/communities", wanted).json()["processed"][0][
        "request"
    ]
    path = f"/api/requests/{asked['id']}"

    def saying(content: object, form: str = "html") -> dict[str, object]:
        return {"payload": {"content": content, "format": form}}

    said = bo.send("POST", f"{path}/comments", saying("<p>Hello<script>x</script></p>"))
    assert (said.status_code, said.json()["payload"]["content"]) == (201, "<p>Hellox</p>")
    comment = said.json()["links"]["self"]
    assert cy.send("POST", f"{path}/comments", saying("x")).status_code == 403
    for wrong in ({}, saying(""), saying(5), saying("x" * 25_001), saying("x", "text"), []):
        assert bo.send("POST", f"{path}/comments", wrong).status_code == 400
    answer = ida.send("POST", f"{comment}/reply", saying("And you"))
    assert (answer.status_code, answer.json()["parent_id"]) == (201, said.json()["id"])
    assert ida.send("POST", f"{path}/comments/nothing/reply", saying("x")).status_code == 404
    edited = bo.send("PUT", comment, saying("Bye"))
    assert (edited.status_code, edited.json()["revision_id"]) == (200, 2)
    assert ida.send("PUT", comment, saying("x")).status_code == 403
    assert bo.send("GET", comment).json()["payload"]["content"] == "Bye"
    assert bo.send("POST", f"{path}/lock").status_code == 403
    locked = ida.send("POST", f"{path}/lock")
    assert (locked.status_code, locked.json()["is_locked"]) == (200, True)
    assert ida.send("POST", f"{path}/lock").status_code == 400
    for who in (bo, ida):
        assert who.send("POST", f"{path}/comments", saying("x")).status_code == 403
    assert bo.send("PUT", comment, saying("x")).status_code == 403
    assert ida.send("POST", f"{path}/unlock").json()["is_locked"] is False
    assert bo.send("DELETE", answer.json()["links"]["self"]).status_code == 403
    assert ida.send("DELETE", comment).status_code == 204
    assert bo.send("GET", comment).status_code == 404
    entries = bo.send("GET", f"{path}/timeline?size=10").json()["hits"]["hits"]
    assert [one["payload"].get("content") or one["payload"]["event"] for one in entries] == [
        "comment_deleted", "And you", "locked", "unlocked",
    ]  # fmt: skip
    first = bo.send("GET", f"{path}/timeline?size=1").json()
    assert (len(first["hits"]["hits"]), first["hits"]["total"], "next" in first["links"]) == (1, 4, True)
    changed = bo.send("PUT", path, {"title": "Another", "description": "<p>Why</p>"})
    assert (changed.status_code, changed.json()["title"]) == (200, "Another")
    assert ida.send("PUT", path, {"title": "x"}).status_code == 403
    assert bo.send("PUT", path, {"title": 5}).status_code == 400
    assert bo.send("DELETE", path).status_code == 403
    assert root.send("POST", f"{path}/actions/expire").json()["status"] == "expired"
    assert bo.send("PUT", path, {"title": "x"}).status_code == 403
