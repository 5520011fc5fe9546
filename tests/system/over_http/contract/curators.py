"""What people do who found communities, and who ask something of them."""

from typing import Any

from tests.archive import BASE_URL
from tests.system.over_http.contract.depositor import Depositor

Document = dict[str, Any]

COMMUNITIES = "/api/communities"
PUBLIC = {"visibility": "public"}


def founded(who: Depositor, slug: str, *, access: object = PUBLIC, **metadata: object) -> Document:
    """A new community; its title is its slug."""
    body = {"slug": slug, "metadata": {"title": slug.title(), **metadata}, "access": access}
    answer = who.send("POST", COMMUNITIES, body)
    assert answer.status_code == 201, answer.text
    document: Document = answer.json()
    return document


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


def invited(who: Depositor, by: Depositor, community: Document, role: str) -> Document:
    """The invitation, as they see it."""
    body = {"members": [{"type": "user", "id": account_id(who)}], "role": role}
    assert by.send("POST", f"{COMMUNITIES}/{community['id']}/invitations", body).status_code == 204
    [invitation] = [
        dict(one)
        for one in who.send("GET", "/api/user/requests?is_open=true").json()["hits"]["hits"]
        if one["topic"] == {"community": community["id"]}
    ]
    return invitation


def joined(who: Depositor, by: Depositor, community: Document, role: str) -> None:
    """They are invited, and accept."""
    done(who, invited(who, by, community, role), "accept")


def choosing(community: Document) -> Document:
    """What says that a community shall review a draft."""
    return {"type": "community-submission", "receiver": {"community": community["id"]}}


def saying(content: object, form: str = "html") -> Document:
    """A comment."""
    return {"payload": {"content": content, "format": form}}
