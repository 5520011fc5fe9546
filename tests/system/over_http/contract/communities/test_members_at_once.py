"""Members of a community who come, go and change at once (Zenodo's REST API, members)."""

from functools import partial

import httpx
import pytest

from tests.archive import Archive
from tests.at_once import at_once, statuses
from tests.system.over_http.contract.curators import COMMUNITIES, Document, account_id, founded, joined
from tests.system.over_http.contract.depositor import Depositor


@pytest.fixture(scope="module")
def ids(ida: Depositor, bo: Depositor, cy: Depositor) -> dict[str, str]:
    """Whose account has which number."""
    return {who.email: account_id(who) for who in (ida, bo, cy)}


def roles(who: Depositor, community: Document) -> dict[str, str]:
    hits = who.send("GET", f"{COMMUNITIES}/{community['id']}/members").json()["hits"]["hits"]
    return {one["member"]["id"]: one["role"] for one in hits}


def naming(*ids: str, **more: object) -> Document:
    return {"members": [{"type": "user", "id": one} for one in ids], **more}


def test_5_2_of_two_last_owners_who_leave_at_once_one_stays(
    ida: Depositor, bo: Depositor, root: Depositor, ids: dict[str, str]
) -> None:
    """Also where each takes the other's role, or dismisses the other."""
    for number, way in enumerate(("leave", "dismiss", "lower")):
        made = founded(ida, f"owners-{number}")
        joined(bo, ida, made, "owner")
        path = f"{COMMUNITIES}/{made['id']}/members"

        def act(who: Depositor, other: Depositor, path: str = path, way: str = way) -> httpx.Response:
            if way == "lower":
                return who.send("PUT", path, naming(ids[other.email], role="reader"))
            gone = who if way == "leave" else other
            return who.send("DELETE", path, naming(ids[gone.email]))

        answers = at_once(partial(act, ida, bo), partial(act, bo, ida))
        assert statuses(answers)[0] == 204
        assert statuses(answers)[1] in (400, 403)
        assert list(roles(root, made).values()).count("owner") == 1


def test_5_2_an_invitation_is_accepted_or_taken_back(
    ida: Depositor, cy: Depositor, root: Depositor, ids: dict[str, str]
) -> None:
    """Who accepted is a member, with the role that the invitation had then, and nobody else is."""
    for number in range(3):
        made = founded(ida, f"invitations-{number}")
        path = f"{COMMUNITIES}/{made['id']}/invitations"
        assert ida.send("POST", path, naming(ids[cy.email], role="reader")).status_code == 204
        [asked] = [one["request"] for one in ida.send("GET", path).json()["hits"]["hits"]]
        action = f"/api/requests/{asked['id']}/actions"
        accepted, cancelled, changed, again = at_once(
            partial(cy.send, "POST", f"{action}/accept"),
            partial(ida.send, "POST", f"{action}/cancel"),
            partial(ida.send, "PUT", path, naming(ids[cy.email], role="curator")),
            partial(cy.send, "POST", f"{action}/accept"),
        )
        assert statuses([accepted, cancelled, again]) == [200, 400, 400]
        found = roles(root, made)
        assert (ids[cy.email] in found) == (cancelled.status_code != 200)
        if changed.status_code != 204:
            assert found.get(ids[cy.email], "reader") == "reader"
        role = cy.send("GET", f"/api/requests/{asked['id']}").json()["payload"]["role"]
        assert found.get(ids[cy.email], role) == role


def test_5_2_somebody_is_invited_once(ida: Depositor, cy: Depositor, ids: dict[str, str]) -> None:
    made = founded(ida, "once")
    path = f"{COMMUNITIES}/{made['id']}/invitations"
    invite = partial(ida.send, "POST", path, naming(ids[cy.email], role="reader"))
    assert statuses(at_once(*[invite] * 3)) == [204, 400, 400]
    assert ida.send("GET", path).json()["hits"]["total"] == 1


def test_5_1_who_is_dismissed_changes_nothing_afterwards(
    lasting: Archive, ida: Depositor, bo: Depositor, ids: dict[str, str]
) -> None:
    """Their change of the community came before, or is refused: once they are gone it stays as it is."""
    for number in range(3):
        made = founded(ida, f"dismissals-{number}")
        joined(bo, ida, made, "manager")
        path = f"{COMMUNITIES}/{made['id']}"
        body = {"slug": made["slug"], "metadata": {"title": "Theirs"}, "access": made["access"]}
        changed, gone = at_once(
            partial(bo.send, "PUT", path, body),
            partial(ida.send, "DELETE", f"{path}/members", naming(ids[bo.email])),
        )
        assert gone.status_code == 204
        title = ida.send("GET", path).json()["metadata"]["title"]
        assert (changed.status_code, title == "Theirs") in ((200, True), (403, False))
        assert bo.send("PUT", path, body).status_code == 403
