"""Communities, by the numbers of the contract: §5.1, and what (d) says of it."""

from typing import Any

from gateway.app import create_app
from pipeline import dispatch
from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.contract.curators import COMMUNITIES, PUBLIC, founded
from tests.system.over_http.contract.depositor import Depositor

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def slugs(body: dict[str, Any]) -> list[str]:
    assert body["hits"]["total"] >= len(body["hits"]["hits"])
    return [one["slug"] for one in body["hits"]["hits"]]


def test_5_1_no_community_takes_others(ida: Depositor, stranger: Client) -> None:
    """Which each says of itself (`children`); the list of them is empty, and who asks to join is told so."""
    made = founded(ida, "tide-gauges")
    listed = stranger.get(f"{COMMUNITIES}/{made['slug']}/subcommunities")
    assert (listed.status_code, listed.json()["hits"]) == (200, {"hits": [], "total": 0})
    joining = f"{COMMUNITIES}/{made['id']}/actions/join-request"
    refused = ida.send("POST", joining, {"community_id": made["id"]})
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "Parent community does not accept subcommunities.",
    )
    assert stranger.ask("POST", joining).status_code == 401
    assert stranger.get(f"{COMMUNITIES}/no-such/subcommunities").status_code == 404


def test_5_1_whoever_founds_a_community_owns_it(ida: Depositor, bo: Depositor, stranger: Client) -> None:
    made = founded(ida, "Tide-Tables", description="Gauge data", type={"id": "topic"})
    address = f"{BASE_URL}{COMMUNITIES}/{made['id']}"
    page = f"{BASE_URL}/communities/tide-tables"
    assert {**made, "id": "", "created": "", "updated": ""} == {
        "id": "",
        "slug": "tide-tables",
        "created": "",
        "updated": "",
        "revision_id": 1,
        "metadata": {
            "title": "Tide-Tables",
            "description": "Gauge data",
            "type": {"id": "topic", "title": {"en": "Topic"}},
        },
        "access": {
            "visibility": "public",
            "members_visibility": "public",
            "member_policy": "closed",
            "record_submission_policy": "open",
            "review_policy": "closed",
        },
        "custom_fields": {},
        "deletion_status": {"is_deleted": False, "status": "P"},
        "children": {"allow": False},
        "links": {
            "self": address,
            "self_html": f"{page}/",
            "settings_html": f"{page}/settings",
            "records": f"{address}/records",
            "requests": f"{address}/requests",
            "members": f"{address}/members",
            "public_members": f"{address}/members/public",
            "invitations": f"{address}/invitations",
            "membership_requests": f"{address}/membership-requests",
            "logo": f"{address}/logo",
            "rename": f"{address}/rename",
        },
    }
    for name in ("tide-tables", "TIDE-tables", made["id"]):
        answer = stranger.get(f"{COMMUNITIES}/{name}")
        assert (answer.status_code, answer.json(), answer.headers["etag"]) == (200, made, '"1"')
    assert slugs(ida.send("GET", "/api/user/communities?q=tide-tables").json()) == ["tide-tables"]
    assert slugs(bo.send("GET", "/api/user/communities").json()) == []
    assert stranger.get("/api/user/communities").status_code == 401
    assert stranger.get(f"{COMMUNITIES}/nowhere").status_code == 404


def test_5_1_what_is_wrong_is_refused(lasting: Archive, ida: Depositor, stranger: Client) -> None:
    """Unknown people, tokens for less, what has no title or a slug that is taken."""
    founded(ida, "taken")
    body = {"slug": "TAKEN", "metadata": {"title": "x"}, "access": PUBLIC}
    answer = ida.send("POST", COMMUNITIES, body)
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (400, ["slug"])
    assert ida.send("POST", COMMUNITIES, []).status_code == 400
    assert ida.send("POST", COMMUNITIES, {**body, "slug": "a b"}).status_code == 400
    assert stranger.ask("POST", COMMUNITIES, content=b"{}").status_code == 401
    weak = Client(create_app(lasting.services), lasting.token("ida@pier.example"))
    assert weak.ask("POST", COMMUNITIES, content=b"{}").status_code == 403


def test_5_1_managers_change_it(ida: Depositor, bo: Depositor, root: Depositor) -> None:
    """All of it is replaced, the slug by renaming only, which administrators do."""
    made = founded(ida, "currents", description="old")
    path = f"{COMMUNITIES}/currents"
    body = {
        "slug": "currents",
        "metadata": {"title": "Currents"},
        "access": {**PUBLIC, "review_policy": "open"},
    }
    changed = ida.send("PUT", path, body)
    assert changed.status_code == 200
    assert (changed.json()["metadata"], changed.json()["revision_id"]) == ({"title": "Currents"}, 2)
    assert changed.json()["access"]["review_policy"] == "open"
    assert bo.send("PUT", path, body).status_code == 403
    assert root.send("PUT", path, body).status_code == 200
    moved = ida.send("PUT", path, {**body, "slug": "rips"})
    assert (moved.status_code, moved.json()["errors"][0]["field"]) == (400, "slug")
    assert ida.send("POST", f"{path}/rename", {"slug": "rips"}).status_code == 403
    assert root.send("POST", f"{path}/rename", {"slug": "a/b"}).status_code == 400
    assert root.send("POST", f"{path}/rename", {}).status_code == 400
    renamed = root.send("POST", f"{path}/rename", {"slug": "Rips"})
    assert (renamed.status_code, renamed.json()["slug"], renamed.json()["id"]) == (200, "rips", made["id"])
    assert ida.send("GET", path).status_code == 404


def test_5_1_communities_are_searched(
    lasting: Archive, ida: Depositor, root: Depositor, stranger: Client
) -> None:
    """By words and type; in pages; some are featured."""
    for number in range(3):
        lasting.clock.move(seconds=1)
        founded(ida, f"drifters-{number}", type={"id": "project"}, organizations=[{"name": "Drift Lab"}])
    first = stranger.get(f"{COMMUNITIES}?q=drifters&size=2&sort=oldest").json()
    assert (slugs(first), first["hits"]["total"]) == (["drifters-0", "drifters-1"], 3)
    assert first["links"]["next"] == f"{BASE_URL}{COMMUNITIES}?page=2&q=drifters&size=2&sort=oldest"
    assert slugs(stranger.get(f"{COMMUNITIES}?q=drifters&size=2&sort=oldest&page=2").json()) == ["drifters-2"]
    assert len(slugs(stranger.get(f"{COMMUNITIES}?type=project&organization=drift%20lab").json())) == 3
    assert slugs(stranger.get(f"{COMMUNITIES}?type=event").json()) == []
    assert stranger.get(f"{COMMUNITIES}?sort=worst").status_code == 400
    assert stranger.get(f"{COMMUNITIES}?size=26").status_code == 400
    assert slugs(stranger.get(f"{COMMUNITIES}/featured").json()) == []
    assert ida.send("POST", f"{COMMUNITIES}/drifters-1/featured").status_code == 403
    assert root.send("POST", f"{COMMUNITIES}/drifters-1/featured", {}).status_code == 201
    assert slugs(stranger.get(f"{COMMUNITIES}/featured").json()) == ["drifters-1"]
    assert root.send("DELETE", f"{COMMUNITIES}/drifters-1/featured").status_code == 204
    assert slugs(stranger.get(f"{COMMUNITIES}/featured").json()) == []


def test_5_1_a_logo_is_a_picture(ida: Depositor, bo: Depositor, stranger: Client) -> None:
    """Of a kind that holds no scripts, of 1 MB at most; a browser gives it no origin."""
    made = founded(ida, "logos")
    path = f"{COMMUNITIES}/{made['id']}/logo"
    assert stranger.get(path).status_code == 404
    for wrong in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", b"GIF89"):
        assert ida.client.ask("PUT", path, content=wrong).status_code == 400
    assert ida.client.ask("PUT", path, content=PNG + b"x" * 1_000_000).status_code == 400
    assert bo.client.ask("PUT", path, content=PNG).status_code == 403
    assert stranger.get(path).status_code == 404
    put = ida.client.ask("PUT", path, content=PNG, content_type="application/octet-stream")
    assert (put.status_code, put.json()["size"], put.json()["mimetype"]) == (200, len(PNG), "image/png")
    shown = stranger.get(f"{COMMUNITIES}/logos/logo")
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-security-policy"].startswith("sandbox")
    again = stranger.get(path, if_none_match=shown.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert bo.send("DELETE", path).status_code == 403
    assert ida.send("DELETE", path).status_code == 204
    assert (ida.send("DELETE", path).status_code, stranger.get(path).status_code) == (404, 404)


def test_5_1_records_of_a_community(lasting: Archive, ida: Depositor, bo: Depositor, root: Depositor) -> None:
    """Are searched as all are; curators take them out, with all their versions, of search, feeds and records."""
    made = founded(ida, "shores")
    first = lasting.publish(files={"a.txt": b"1"}, community="shores", title="First shore")
    second = lasting.publish(files={"a.txt": b"2"}, version_of=first, title="Second shore")
    other = lasting.publish(files={"a.txt": b"3"}, community="shores", title="Third coast")
    records = f"{COMMUNITIES}/shores/records"

    def found(query: str = "") -> list[int]:
        body = bo.send("GET", f"{records}?sort=oldest{query}").json()
        return [one["id"] for one in body["hits"]["hits"]]

    def in_set() -> str:
        return bo.client.get("/oai2d?verb=ListIdentifiers&metadataPrefix=oai_dc&set=user-shores").text

    assert found() == [second.id, other.id]
    assert found("&all_versions=1") == [first.id, second.id, other.id]
    assert found("&q=coast") == [other.id]
    body = bo.send("GET", f"{COMMUNITIES}/{made['id']}/records?size=1").json()
    assert body["links"]["next"].startswith(f"{BASE_URL}{COMMUNITIES}/{made['id']}/records?")
    assert bo.send("GET", f"/api/records?communities={made['id']}").json()["hits"]["total"] == 2
    shown = bo.client.get(f"/api/records/{second.id}", accept="application/vnd.inveniordm.v1+json").json()
    assert shown["parent"]["communities"]["ids"] == [made["id"]]
    gone = {"records": [{"id": str(first.id)}, {"id": "999999"}]}
    assert bo.send("DELETE", records, gone).status_code == 403
    answer = ida.send("DELETE", records, gone)
    assert (answer.status_code, [one["record"] for one in answer.json()["errors"]]) == (200, ["999999"])
    again = ida.send("DELETE", records, {"records": [{"id": str(second.id)}]}).json()
    assert again["errors"][0]["message"] == "The record is not included in this community."
    for wrong in ({}, {"records": []}, {"records": [{}] * 3}, {"records": [{"id": "1"}] * 11}):
        assert ida.send("DELETE", records, wrong).status_code == 400
    lasting.clock.move(seconds=1)
    dispatch.drain(lasting.services)
    assert found("&all_versions=1") == [other.id]
    assert f":{other.id}<" in in_set()
    assert f":{second.id}<" not in in_set()
    assert bo.send("GET", f"/api/records/{second.id}").json()["metadata"].get("communities", []) == []
    renamed = root.send("POST", f"{COMMUNITIES}/shores/rename", {"slug": "beaches"})
    assert renamed.status_code == 200
    lasting.clock.move(seconds=1)
    dispatch.drain(lasting.services)
    assert [
        one["id"] for one in bo.send("GET", "/api/records?communities=beaches").json()["hits"]["hits"]
    ] == [other.id]
    record = bo.send("GET", f"/api/records/{other.id}").json()
    assert record["metadata"]["communities"] == [{"id": "beaches"}]


def test_3_13_pages_of_communities(lasting: Archive, ida: Depositor, stranger: Client) -> None:
    """All of them, and one with its newest records; what people wrote is shown as text, or as HTML within bounds."""
    page = "<p>Gauges <b>only</b><script>alert(1)</script></p>"
    made = founded(
        ida, "pages", description="<b>1 < 2</b>", curation_policy=page, website="https://pier.example.org"
    )
    ida.client.ask("PUT", f"{COMMUNITIES}/{made['id']}/logo", content=PNG)
    record = lasting.publish(files={"a.txt": b"1"}, community="pages", title="On a page")
    shown = stranger.get("/communities/pages")
    assert shown.status_code == stranger.get("/communities/pages/").status_code == 200
    for text in (
        "&lt;b&gt;1 &lt; 2&lt;/b&gt;",
        "<p>Gauges <b>only</b>alert(1)</p>",
        f'href="/records/{record.id}"',
        f'src="/api/communities/{made["id"]}/logo"',
        'href="https://pier.example.org"',
    ):
        assert text in shown.text, text
    assert 'href="/communities/pages"' in stranger.get("/communities?q=pages").text
    assert "/communities/pages" not in stranger.get("/communities?q=nothing").text
    assert stranger.get("/communities?page=0").status_code == 400
    assert stranger.get("/communities/nowhere").status_code == 404
    assert stranger.get("/communities/nowhere/records").status_code == 404


def test_5_1_of_a_deleted_community_a_tombstone_is_left(
    lasting: Archive, ida: Depositor, bo: Depositor, stranger: Client
) -> None:
    """Its works go on without it; its name is not given again."""
    made = founded(ida, "ebb")
    record = lasting.publish(files={"a.txt": b"1"}, community="ebb")
    path = f"{COMMUNITIES}/ebb"
    assert bo.send("DELETE", path).status_code == 403
    for wrong in ({"removal_reason": {"id": "whim"}}, {"note": 5}, {"is_visible": "no"}):
        assert ida.send("DELETE", path, wrong).status_code == 400
    body = {"removal_reason": {"id": "out-of-scope"}, "note": "Merged with others."}
    assert ida.send("DELETE", path, body).status_code == 204
    for name in ("ebb", made["id"]):
        answer = stranger.get(f"{COMMUNITIES}/{name}")
        assert (answer.status_code, answer.json()["message"]) == (410, "Community deleted")
        tombstone = answer.json()["tombstone"]
        assert (tombstone["note"], tombstone["removal_reason"]) == (body["note"], body["removal_reason"])
    assert stranger.get(f"{path}/records").status_code == 410
    assert stranger.get("/communities/ebb").status_code == 410
    assert slugs(stranger.get(f"{COMMUNITIES}?q=ebb").json()) == []
    assert slugs(ida.send("GET", "/api/user/communities?q=ebb").json()) == []
    again = ida.send("POST", COMMUNITIES, {"slug": "ebb", "metadata": {"title": "x"}, "access": PUBLIC})
    assert again.status_code == 400
    lasting.clock.move(seconds=1)
    dispatch.drain(lasting.services)
    shown = stranger.get(f"/api/records/{record.id}").json()
    assert shown["metadata"].get("communities", []) == []
    founded(ida, "flood")
    assert ida.client.ask("DELETE", f"{COMMUNITIES}/flood").status_code == 204
