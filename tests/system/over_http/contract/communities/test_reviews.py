"""Drafts that communities review, by the numbers of the contract: §4.6, and what (d) says of it."""

from gateway.app import create_app
from tests.asking import Client
from tests.system.over_http.contract.curators import (
    COMMUNITIES,
    PUBLIC,
    Document,
    account_id,
    asked_of,
    communities_of,
    done,
    founded,
)
from tests.system.over_http.contract.depositor import DEPOSITIONS, Depositor


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
