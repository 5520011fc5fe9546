"""What people do who found communities."""

from typing import Any

from tests.system.over_http.contract.depositor import Depositor

COMMUNITIES = "/api/communities"
PUBLIC = {"visibility": "public"}


def founded(who: Depositor, slug: str, *, access: object = PUBLIC, **metadata: object) -> dict[str, Any]:
    """A new community; its title is its slug."""
    body = {"slug": slug, "metadata": {"title": slug.title(), **metadata}, "access": access}
    answer = who.send("POST", COMMUNITIES, body)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document
