"""What is asked of communities, by the numbers of the contract: §5.4, and what (d) says of it."""

from tests.archive import BASE_URL
from tests.asking import Client
from tests.statements import counted_statements
from tests.system.over_http.contract.curators import (
    COMMUNITIES,
    asked_of,
    done,
    founded,
    saying,
)
from tests.system.over_http.contract.depositor import Depositor


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


def test_5_4_a_page_of_requests_costs_the_same_however_many_it_has(ida: Depositor, bo: Depositor) -> None:
    """What their reader may do with each is asked for all of them together."""
    made = founded(ida, "paged")
    wanted = {"communities": [{"id": made["id"]}]}
    counts = []
    for _ in range(3):
        record = bo.published()
        assert bo.send("POST", f"/api/records/{record['id']}/communities", wanted).status_code == 200
        with counted_statements() as asked:
            hits = asked_of(ida, "paged")
        assert all(set(one["links"]["actions"]) == {"accept", "decline"} for one in hits)
        counts.append((len(hits), len(asked)))
    assert [hits for hits, _ in counts] == [1, 2, 3]
    assert len({asked for _, asked in counts}) == 1, counts


def test_5_4_requests_are_talked_about(ida: Depositor, bo: Depositor, cy: Depositor, root: Depositor) -> None:
    """By who takes part: comments, answers, changes, and none while it is locked."""
    made = founded(ida, "talkers")
    record = bo.published()
    wanted = {"communities": [{"id": made["id"]}]}
    asked = bo.send("POST", f"/api/records/{record['id']}/communities", wanted).json()["processed"][0][
        "request"
    ]
    path = f"/api/requests/{asked['id']}"

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
    for who in (bo, ida):
        assert who.send("DELETE", comment).status_code == 403
    done(bo, asked, "cancel", 403, saying("Never mind"))
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
