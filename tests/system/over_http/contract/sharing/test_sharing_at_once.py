"""Works that are shared, and no longer shared, at once, and while what was shared is used (Zenodo's REST API,
sharing)."""

from functools import partial

import pytest

from gateway.app import create_app
from tests.archive import Archive
from tests.asking import Client
from tests.at_once import at_once, statuses
from tests.system.over_http.contract.curators import account_id, communities_of, founded
from tests.system.over_http.contract.depositor import METADATA, Depositor, depositor


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> None:
    """Those of the archive that these tests share go on from test to test."""


@pytest.fixture(scope="module")
def ida(lasting: Archive) -> Depositor:
    return depositor(lasting, "ida@pier.example")


@pytest.fixture(scope="module")
def jo(lasting: Archive) -> Depositor:
    return depositor(lasting, "jo@quay.example")


def granting(who: Depositor, permission: str) -> dict[str, object]:
    return {"grants": [{"subject": {"type": "user", "id": account_id(who)}, "permission": permission}]}


def test_4_7_an_account_has_one_grant_of_a_work_however_it_comes_by_it(ida: Depositor, jo: Depositor) -> None:
    """Given twice at once, and by a request for the files that is accepted meanwhile."""
    grant = granting(jo, "view")
    consent = {"email": jo.email, "full_name": "Jo", "consent_to_share_personal_data": "true"}
    for _ in range(3):
        record_id = ida.published(access_right="restricted")["id"]
        access = f"/api/records/{record_id}/access"
        asked = jo.send("POST", f"{access}/request", consent).json()
        give = partial(ida.send, "POST", f"{access}/grants", grant)
        accept = partial(ida.send, "POST", f"/api/requests/{asked['id']}/actions/accept")
        *given, first, second = at_once(give, give, accept, accept)
        assert statuses([first, second]) == [200, 400]
        assert set(statuses(given)) <= {201, 400}
        assert statuses(given).count(201) <= 1
        assert ida.send("GET", f"{access}/grants").json()["hits"]["total"] == 1


def test_4_7_who_loses_the_right_at_once_has_used_it_or_not(ida: Depositor, jo: Depositor) -> None:
    """A change of the draft came before, or is refused; behind it nothing is changed any more. Who may manage no more
    shares no more."""
    number = account_id(jo)
    for _ in range(3):
        draft = ida.create()
        access = f"/api/records/{draft['id']}/access"
        assert ida.send("POST", f"{access}/grants", granting(jo, "manage")).status_code == 201
        link = {"permission": "view", "description": "Theirs"}
        body = {"metadata": {**METADATA, "title": "Theirs"}}
        changed, shared, gone = at_once(
            partial(jo.send, "PUT", draft["links"]["self"], body),
            partial(jo.send, "POST", f"{access}/links", link),
            partial(ida.send, "DELETE", f"{access}/users/{number}"),
        )
        assert gone.status_code == 204
        assert {changed.status_code, shared.status_code} <= {200, 201, 403}
        title = ida.send("GET", draft["links"]["self"]).json()["title"]
        assert (title == "Theirs") == (changed.status_code == 200)
        assert ida.send("GET", f"{access}/links").json()["hits"]["total"] == (shared.status_code == 201)
        assert jo.send("PUT", draft["links"]["self"], body).status_code == 403


def test_4_7_a_link_is_changed_or_deleted(lasting: Archive, ida: Depositor) -> None:
    """Of those that delete it one does; what is changed behind that is told not to be there."""
    record_id = ida.published(access_right="restricted")["id"]
    links = f"/api/records/{record_id}/access/links"
    stranger = Client(create_app(lasting.services))
    for _ in range(3):
        made = ida.send("POST", links, {"permission": "view"}).json()
        path = f"{links}/{made['id']}"
        change = partial(ida.send, "PATCH", path, {"permission": "preview"})
        delete = partial(ida.send, "DELETE", path)
        *changed, first, second = at_once(change, change, delete, delete)
        assert statuses([first, second]) == [204, 404]
        assert set(statuses(changed)) <= {200, 404}
        assert stranger.get(f"/api/records/{record_id}/files?token={made['token']}").status_code == 403
        assert ida.send("GET", links).json()["hits"]["total"] == 0


def test_5_3_a_work_joins_a_community_in_the_name_of_who_still_manages_it(
    ida: Depositor, jo: Depositor
) -> None:
    """Or not at all: the right was lost before."""
    made = founded(jo, "jos")
    number = account_id(jo)
    for _ in range(3):
        record_id = ida.published()["id"]
        path = f"/api/records/{record_id}"
        assert ida.send("POST", f"{path}/access/grants", granting(jo, "manage")).status_code == 201
        body = {"communities": [{"id": made["id"], "require_review": True}]}
        [asked] = jo.send("POST", f"{path}/communities", body).json()["processed"]
        accepted, gone = at_once(
            partial(jo.send, "POST", f"/api/requests/{asked['request_id']}/actions/accept"),
            partial(ida.send, "DELETE", f"{path}/access/users/{number}"),
        )
        assert gone.status_code == 204
        assert (accepted.status_code, communities_of(ida, record_id)) in ((200, ["jos"]), (400, []))
