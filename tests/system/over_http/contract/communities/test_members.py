"""Members and invitations, by the numbers of the contract: §5.2, and what (d) says of it."""

from email import message_from_bytes, policy

from pipeline import dispatch
from tests.archive import Archive
from tests.asking import Client
from tests.system.over_http.contract.curators import (
    COMMUNITIES,
    PUBLIC,
    account_id,
    done,
    founded,
    joined,
    offered,
)
from tests.system.over_http.contract.depositor import Depositor, depositor


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
    [mail] = [one for one in mails if f"/me/requests/{asked['id']}" in one.get_content()]
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
