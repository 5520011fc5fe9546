"""Drafts that communities review, by the numbers of the contract: §4.6, and what (d) says of it."""

from gateway.app import create_app
from pipeline import dispatch
from pipeline.catalogue import accounts
from pipeline.people import signing_in
from tests.archive import Archive
from tests.asking import Client
from tests.eicar import EICAR
from tests.system.over_http.contract.curators import (
    COMMUNITIES,
    PUBLIC,
    account_id,
    asked_of,
    choosing,
    communities_of,
    done,
    founded,
    invited,
    offered,
    saying,
)
from tests.system.over_http.contract.depositor import DEPOSITIONS, Depositor, depositor


def granted(who: Depositor, record_id: int, to: Depositor, permission: str) -> None:
    body = {"grants": [{"subject": {"type": "user", "id": account_id(to)}, "permission": permission}]}
    assert who.send("POST", f"/api/records/{record_id}/access/grants", body).status_code == 201


def test_4_6_a_review_is_the_depositors_whoever_has_a_hand_in_it(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """All four routes go by the right to the draft: naming a community takes managing it, submitting editing it,
    looking seeing it. What is seen of it is one thing at both addresses, and the depositor's all along."""
    eve, lu = (depositor(lasting, f"{name}@pier.example") for name in ("eve", "lu"))
    made = founded(ida, "hands")
    draft = bo.create()
    assert bo.put(draft, "gauge.csv").status_code == 201
    for who, permission in ((cy, "manage"), (eve, "edit"), (lu, "preview")):
        granted(bo, draft["id"], who, permission)
    token = bo.send("POST", f"/api/records/{draft['id']}/access/links", {"permission": "edit"}).json()[
        "token"
    ]
    path = f"/api/records/{draft['id']}/draft"
    for who, query in ((eve, ""), (lu, ""), (lu, f"?token={token}")):
        assert who.send("PUT", f"{path}/review{query}", choosing(made)).status_code == 403
        assert who.send("DELETE", f"{path}/review{query}").status_code == 403
    chosen = cy.send("PUT", f"{path}/review", choosing(made))
    assert (chosen.status_code, chosen.json()["created_by"]) == (200, {"user": account_id(bo)})
    request = chosen.json()

    def seen(who: Depositor) -> set[str]:
        """The actions that are offered, the same at the draft and at the request itself."""
        at_draft = who.send("GET", f"{path}/review")
        assert at_draft.status_code == 200, at_draft.text
        offers = offered(who, request)
        assert set(at_draft.json()["links"]["actions"]) == offers
        return offers

    assert [seen(who) for who in (bo, cy, eve, lu)] == [{"submit"}, {"submit"}, {"submit"}, set()]
    assert ida.send("GET", f"{path}/review").status_code == 403
    assert ida.send("GET", f"/api/requests/{request['id']}").status_code == 403
    assert lu.send("POST", f"/api/requests/{request['id']}/comments", saying("x")).status_code == 403
    assert lu.send("POST", f"{path}/actions/submit-review").status_code == 403
    done(lu, request, "submit", 403)
    assert lu.send("PUT", f"/api/requests/{request['id']}", {"title": "x"}).status_code == 403
    for who, status in ((lu, 403), (eve, 403), (cy, 204)):
        assert who.send("DELETE", f"/api/requests/{request['id']}").status_code == status
    request = cy.send("PUT", f"{path}/review", choosing(made)).json()
    submitted = eve.send("POST", f"{path}/actions/submit-review")
    assert (submitted.status_code, submitted.json()["created_by"]) == (202, {"user": account_id(bo)})
    wanted = [{"cancel"}, {"cancel"}, {"cancel"}, set(), {"accept", "decline"}]
    assert [seen(who) for who in (bo, cy, eve, lu, ida)] == wanted
    listed = bo.send("GET", "/api/user/requests?is_open=true&q=Tide").json()["hits"]["hits"]
    assert request["id"] in [one["id"] for one in listed]
    done(eve, request, "cancel")
    assert bo.send("GET", f"{path}/review").json()["status"] == "cancelled"


def test_4_6_no_curator_puts_the_draft_of_another_into_their_community(
    ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """With leave to edit it they do not name the community; with leave to manage they do, and where they lose that,
    neither is the draft submitted or published, nor does a work join."""
    made = founded(cy, "cys-own")
    draft = bo.create()
    assert bo.put(draft, "gauge.csv").status_code == 201
    path, users = f"/api/records/{draft['id']}/draft", f"/api/records/{draft['id']}/access/users"
    granted(bo, draft["id"], cy, "edit")
    assert cy.send("PUT", f"{path}/review", choosing(made)).status_code == 403
    number = account_id(cy)
    lost = "Whoever asked for this has lost the right to the record meanwhile."

    def permitted(permission: str) -> None:
        assert bo.send("PATCH", f"{users}/{number}", {"permission": permission}).status_code == 200

    permitted("manage")
    asked = cy.send("PUT", f"{path}/review", choosing(made)).json()
    permitted("edit")
    assert done(cy, asked, "submit", 400)["message"] == lost
    assert cy.send("POST", f"{path}/actions/submit-review").json()["message"] == lost
    permitted("manage")
    done(cy, asked, "submit")
    permitted("edit")
    assert done(cy, asked, "accept", 400)["message"] == lost
    permitted("manage")
    done(cy, asked, "accept")
    assert communities_of(bo, draft["id"]) == ["cys-own"]
    record = ida.published()
    path = f"/api/records/{record['id']}"
    granted(ida, record["id"], cy, "manage")
    answer = cy.send(
        "POST", f"{path}/communities", {"communities": [{"id": "cys-own", "require_review": True}]}
    )
    assert answer.status_code == 200, answer.text
    included = answer.json()["processed"][0]["request"]
    assert ida.send("DELETE", f"{path}/access/users/{number}").status_code == 204
    assert done(cy, included, "accept", 400)["message"] == lost
    assert communities_of(ida, record["id"]) == []


def test_4_6_what_a_disabled_account_asked_for_is_not_accepted(
    lasting: Archive, ida: Depositor, bo: Depositor
) -> None:
    """A review, a work, a member: declined it can be, and accepted once the account is enabled again."""
    eve = depositor(lasting, "evelyn@pier.example")
    made, hers = founded(ida, "wakeful"), founded(eve, "sleeping")
    draft = eve.create()
    assert eve.put(draft, "gauge.csv").status_code == 201
    path = f"/api/records/{draft['id']}/draft"
    review = eve.send("PUT", f"{path}/review", choosing(made)).json()
    assert eve.send("POST", f"{path}/actions/submit-review").status_code == 202
    record = f"/api/records/{eve.published()['id']}/communities"
    wanted = {"communities": [{"id": "wakeful", "require_review": True}]}
    [inclusion] = [one["request"] for one in eve.send("POST", record, wanted).json()["processed"]]
    invitation = invited(bo, eve, hers, "reader")
    with lasting.services.catalogue.read() as tx:
        account = accounts.by_ids(tx, [int(account_id(eve))])[int(account_id(eve))]
    signing_in.disable(lasting.services, account)
    for who, request in ((ida, review), (ida, inclusion), (bo, invitation)):
        assert "disabled" in done(who, request, "accept", 400)["message"]
    done(bo, invitation, "decline")
    signing_in.enable(lasting.services, account)
    for request in (review, inclusion):
        done(ida, request, "accept")


def test_4_6_the_submission_policy_is_asked_whenever_a_draft_is_submitted(
    ida: Depositor, bo: Depositor
) -> None:
    """It may have changed since the community was chosen, and since it declined."""
    made = founded(ida, "closing")
    draft = bo.create()
    assert bo.put(draft, "gauge.csv").status_code == 201
    path = f"/api/records/{draft['id']}/draft"
    asked = bo.send("PUT", f"{path}/review", choosing(made)).json()

    def policy(word: str) -> None:
        body = {
            "slug": "closing",
            "metadata": made["metadata"],
            "access": {**made["access"], "record_submission_policy": word},
        }
        assert ida.send("PUT", f"{COMMUNITIES}/closing", body).status_code == 200

    policy("closed")
    refused = "Submission to this community is only allowed to community members."
    assert done(bo, asked, "submit", 400)["message"] == refused
    assert bo.send("POST", f"{path}/actions/submit-review").json()["message"] == refused
    assert bo.send("GET", f"{path}/review").json()["status"] == "created"
    policy("open")
    done(bo, asked, "submit")
    done(ida, asked, "decline")
    policy("closed")
    again = bo.send("POST", f"{path}/actions/submit-review")
    assert (again.status_code, again.json()["message"]) == (400, refused)
    assert bo.send("GET", f"{path}/review").json()["status"] == "declined"


def test_4_6_a_draft_that_needs_no_review_is_published_or_nothing_is_done(
    lasting: Archive, ida: Depositor
) -> None:
    """Of one that is found infected as it is published, the review is not submitted either."""
    made = founded(ida, "unasked", access={**PUBLIC, "review_policy": "open"})
    draft = ida.create()
    assert ida.put(draft, "bad.com", EICAR).status_code == 201
    path = f"/api/records/{draft['id']}/draft"
    assert ida.send("PUT", f"{path}/review", choosing(made)).status_code == 200
    dispatch.drain(lasting.services)
    refused = ida.send("POST", f"{path}/actions/submit-review")
    assert (refused.status_code, "infected" in refused.text) == (400, True), refused.text
    assert ida.send("GET", f"{path}/review").json()["status"] == "created"
    assert ida.send("DELETE", draft["links"]["self"]).status_code == 204


def test_4_6_a_draft_is_published_by_its_review(
    ida: Depositor, bo: Depositor, cy: Depositor, stranger: Client
) -> None:
    """Until that has come to an end it is neither published nor deleted, by either API; curators may read it."""
    made = founded(ida, "reviews")
    deposition = bo.create(title="Under review")
    draft = f"/api/records/{deposition['id']}/draft"
    choice = choosing(made)
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
    choice = choosing(made)
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
    choice = choosing(made)
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
    again = choosing(other)
    assert bo.send("PUT", f"{draft}/review", again).status_code == 200
