"""Drafts that are submitted, published, reviewed and given up at once (Zenodo's REST API, reviews)."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import httpx

from tests.at_once import at_once, statuses
from tests.system.over_http.contract.curators import Document, choosing, communities_of, founded
from tests.system.over_http.contract.depositor import Depositor

Act: TypeAlias = Callable[[], httpx.Response]


def chosen(who: Depositor, community: Document) -> tuple[Document, str]:
    """A draft for which the community was chosen, and its address."""
    deposition = who.create()
    assert who.put(deposition, "gauge.csv").status_code == 201
    draft = f"/api/records/{deposition['id']}/draft"
    assert who.send("PUT", f"{draft}/review", choosing(community)).status_code == 200
    return deposition, draft


def is_published(who: Depositor, deposition: Document) -> bool:
    return who.client.get(f"/api/records/{deposition['id']}").status_code == 200


def test_4_6_of_answers_to_a_review_at_once_one_counts(ida: Depositor, bo: Depositor) -> None:
    """The draft is published once, into the community, or open again."""
    made = founded(ida, "races")
    for _ in range(3):
        deposition, draft = chosen(bo, made)
        asked = bo.send("POST", f"{draft}/actions/submit-review").json()
        action = f"/api/requests/{asked['id']}/actions"
        answers = at_once(
            *[partial(ida.send, "POST", f"{action}/accept")] * 2,
            partial(ida.send, "POST", f"{action}/decline"),
            partial(bo.send, "POST", f"{action}/cancel"),
        )
        # A draft that was just published is not there any more.
        assert statuses(answers)[0] == 200
        assert set(statuses(answers)[1:]) <= {400, 404}
        state = bo.send("GET", f"/api/requests/{asked['id']}").json()["status"]
        assert (state == "accepted") == (200 in [one.status_code for one in answers[:2]])
        assert is_published(bo, deposition) == (state == "accepted")
        if state == "accepted":
            assert communities_of(bo, deposition["id"]) == ["races"]


def test_4_6_a_draft_is_submitted_once_or_given_up_or_published(ida: Depositor, bo: Depositor) -> None:
    """Whoever comes first; the others are told what it is by then."""
    made, other = founded(ida, "firsts"), founded(ida, "seconds")
    for way in ("published", "discarded", "chosen", "dropped", "forgotten"):
        deposition, draft = chosen(bo, made)
        request = bo.send("GET", f"{draft}/review").json()
        acts = {
            "published": partial(bo.send, "POST", deposition["links"]["publish"]),
            "discarded": partial(bo.send, "DELETE", deposition["links"]["self"]),
            "chosen": partial(bo.send, "PUT", f"{draft}/review", choosing(other)),
            "dropped": partial(bo.send, "DELETE", f"{draft}/review"),
            "forgotten": partial(bo.send, "DELETE", f"/api/requests/{request['id']}"),
        }
        submit = partial(bo.send, "POST", f"{draft}/actions/submit-review")
        *submitted, rival = at_once(submit, submit, acts[way])
        was_first = rival.status_code < 300
        assert statuses(submitted).count(202) == (0 if was_first and way != "chosen" else 1), way
        found = bo.send("GET", f"{draft}/review")
        if was_first and way != "chosen":
            assert found.status_code == 404
            assert is_published(bo, deposition) == (way == "published")
        else:
            assert found.json()["status"] == "submitted"
            assert found.json()["receiver"] == {"community": (other if was_first else made)["id"]}
            assert not is_published(bo, deposition)


def test_4_6_a_review_is_accepted_or_its_draft_is_given_up(ida: Depositor, bo: Depositor) -> None:
    """While it is open nobody gives the draft up; the owner cancels first. What was accepted is published, all of
    it."""
    made = founded(ida, "either")
    for _ in range(3):
        deposition, draft = chosen(bo, made)
        asked = bo.send("POST", f"{draft}/actions/submit-review").json()
        action = f"/api/requests/{asked['id']}/actions"
        discard = partial(bo.send, "DELETE", deposition["links"]["self"])

        def cancel_and_discard(action: str = action, discard: Act = discard) -> httpx.Response:
            bo.send("POST", f"{action}/cancel")
            return discard()

        accepted, *discarded = at_once(
            partial(ida.send, "POST", f"{action}/accept"), cancel_and_discard, discard
        )
        was_accepted = accepted.status_code == 200
        assert is_published(bo, deposition) == was_accepted
        assert statuses(discarded).count(204) == (0 if was_accepted else 1)
        state = bo.send("GET", f"/api/requests/{asked['id']}").json()["status"]
        assert state == ("accepted" if was_accepted else "cancelled")
