"""Communities that deposits name, and those that records are in, by the numbers of the contract: §2.11, 5.3, and what
(d) says of them."""

from dataclasses import replace

from gateway.app import create_app
from pipeline import dispatch
from pipeline.model import Access, FilesAccess
from tests.archive import BASE_URL, Archive
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
    joined,
    offered,
)
from tests.system.over_http.contract.depositor import DEPOSITIONS, Depositor
from tests.system.over_http.only_reading import OnlyRead


def test_2_11_named_communities_are_asked_or_joined_at_once(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """By the review policy, the depositor's role and the submission policy; what comes of nothing is no error; the
    kept list is cleared; who leaves a name out later takes nothing back."""
    founded(ida, "closed-reviews")
    founded(ida, "open-reviews", access={**PUBLIC, "review_policy": "open"})
    among = founded(ida, "member-reviews", access={**PUBLIC, "review_policy": "members"})
    founded(ida, "members-only", access={**PUBLIC, "record_submission_policy": "closed"})
    joined(cy, ida, among, "reader")
    every = ["closed-reviews", "open-reviews", "member-reviews", "members-only", "nowhere"]
    named = [{"identifier": slug} for slug in every]

    def published(who: Depositor) -> Document:
        record = who.published(communities=named)
        assert "communities" not in record["metadata"]
        return record

    by_owner, by_reader, by_other = published(ida), published(cy), published(bo)
    assert communities_of(bo, by_owner["id"]) == ["member-reviews", "open-reviews"]
    assert communities_of(bo, by_reader["id"]) == ["member-reviews"]
    assert communities_of(bo, by_other["id"]) == []
    topics = {
        slug: [one["topic"]["record"] for one in asked_of(ida, slug, "?is_open=1")] for slug in every[:4]
    }
    owners, readers, others = (str(one["id"]) for one in (by_owner, by_reader, by_other))
    assert topics == {
        "closed-reviews": [others, readers, owners],
        "open-reviews": [others, readers],
        "member-reviews": [others],
        "members-only": [owners],
    }
    assert [one["status"] for one in asked_of(ida, "open-reviews", "?is_open=0")] == ["accepted"]
    edit = bo.send("POST", f"{DEPOSITIONS}/{by_other['id']}/actions/edit").json()
    assert "communities" not in edit["metadata"]
    again = bo.send("PUT", edit["links"]["self"], {"metadata": {**edit["metadata"], "communities": named}})
    assert again.status_code == 200
    bo.publish(edit)
    assert len(asked_of(ida, "open-reviews", "?is_open=1")) == 2


def test_2_11_only_who_manages_a_work_names_its_communities(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """They are joined with the owner's word. Whoever may only edit leaves them as they are, and is told so."""
    for slug in ("hers", "not-hers"):
        founded(ida, slug, access={**PUBLIC, "review_policy": "open"})
    draft = ida.create(communities=[{"identifier": "hers"}])
    assert ida.put(draft, "gauge.csv").status_code == 201
    access = f"/api/records/{draft['id']}/access"
    token = ida.send("POST", f"{access}/links", {"permission": "edit"}).json()["token"]
    grant = {"subject": {"type": "user", "id": account_id(cy)}, "permission": "edit"}
    assert ida.send("POST", f"{access}/grants", {"grants": [grant]}).status_code == 201
    path = f"{DEPOSITIONS}/{draft['id']}"

    def said(who: Depositor, url: str, *slugs: str) -> Document:
        named = [{"identifier": slug} for slug in slugs]
        answer = who.send("PUT", url, {"metadata": {**draft["metadata"], "communities": named}})
        assert answer.status_code == 200, answer.text
        document: Document = answer.json()
        return document

    for who, url in ((bo, f"{path}?token={token}"), (cy, path)):
        for slugs in (("not-hers",), ("hers", "not-hers"), ()):
            kept = said(who, url, *slugs)
            assert kept["metadata"]["communities"] == [{"identifier": "hers"}]
            assert [one["field"] for one in kept["errors"]] == ["metadata.communities"]
        assert "errors" not in said(who, url, "hers")
    cy.publish(draft)
    assert communities_of(bo, draft["id"]) == ["hers"]
    edit = cy.send("POST", f"{path}/actions/edit").json()
    said(cy, path, "not-hers")
    cy.publish(edit)
    assert communities_of(bo, draft["id"]) == ["hers"]
    assert ida.send("PATCH", f"{access}/users/{account_id(cy)}", {"permission": "manage"}).status_code == 200
    cy.send("POST", f"{path}/actions/edit")
    assert "errors" not in said(cy, path, "not-hers")
    cy.publish(edit)
    assert communities_of(bo, draft["id"]) == ["hers", "not-hers"]


def test_2_11_an_edit_of_what_was_ingested_asks_for_no_community_again(
    lasting: Archive, ida: Depositor
) -> None:
    """Its description goes on naming those that the ingest put it into."""
    made = founded(ida, "ingested", access={**PUBLIC, "review_policy": "open"})
    record = lasting.publish(files={"gauge.csv": b"1"}, owner=ida.email, named=("ingested",))
    assert communities_of(ida, record.id) == ["ingested"]
    left = ida.send("DELETE", f"/api/records/{record.id}/communities", {"communities": [{"id": made["id"]}]})
    assert left.status_code == 200, left.text
    for action in ("edit", "newversion"):
        draft = ida.send("POST", f"{DEPOSITIONS}/{record.id}/actions/{action}").json()
        assert "communities" not in draft["metadata"]
        assert ida.send("POST", draft["links"]["publish"]).status_code == 202
    assert communities_of(ida, record.id) == []


def test_5_3_inclusion_is_asked_for_and_granted(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor, stranger: Client
) -> None:
    """The work joins with all its versions: it is found and harvested so. Owners and curators take it out."""
    made = founded(ida, "harbours")
    record = bo.published()
    second = bo.send("POST", f"{DEPOSITIONS}/{record['id']}/actions/newversion").json()
    bo.publish(second)
    path = f"/api/records/{record['id']}/communities"
    comment = {"payload": {"content": "<p>Please</p><script>x</script>", "format": "html"}}
    wanted = {"communities": [{"id": "harbours", "comment": comment}, {"id": "nowhere"}]}
    assert cy.send("POST", path, wanted).status_code == 403
    assert stranger.ask("POST", path, content=b"{}").status_code == 401
    answer = bo.send("POST", path, wanted)
    assert answer.status_code == 200
    assert answer.json()["errors"] == [{"community_id": "nowhere", "message": "Community not found."}]
    [processed] = answer.json()["processed"]
    asked = processed["request"]
    assert (processed["community_id"], processed["request_id"]) == (made["id"], asked["id"])
    assert {name: asked[name] for name in ("type", "status", "is_open", "receiver", "topic")} == {
        "type": "community-inclusion",
        "status": "submitted",
        "is_open": True,
        "receiver": {"community": made["id"]},
        "topic": {"record": str(record["id"])},
    }
    for again, text in (
        ([{"id": made["id"]}], "There is already an open inclusion request for this community."),
        ([{"id": "nowhere"}], "Community not found."),
        ([{"id": "a\0b"}], "Community not found."),
    ):
        refused = bo.send("POST", path, {"communities": again})
        assert (refused.status_code, refused.json()["errors"][0]["message"]) == (400, text)
    for wrong in ({}, {"communities": []}, {"communities": [{"id": 5}]}, {"communities": [{"id": "x"}] * 11}):
        assert bo.send("POST", path, wrong).status_code == 400
    assert cy.send("GET", f"/api/requests/{asked['id']}").status_code == 403
    assert (offered(bo, asked), offered(ida, asked)) == ({"cancel"}, {"accept", "decline"})
    for who, action in ((bo, "accept"), (ida, "cancel"), (cy, "accept")):
        done(who, asked, action, 403)
    assert done(ida, asked, "whim", 400)["errors"][0]["field"] == "action"
    done(ida, asked, "submit", 400)
    accepted = done(ida, asked, "accept", body={"payload": {"content": "Welcome", "format": "html"}})
    assert (accepted["status"], accepted["is_closed"], accepted["links"]["actions"]) == ("accepted", True, {})
    done(ida, asked, "accept", 400)
    assert communities_of(bo, second["id"]) == communities_of(bo, record["id"]) == ["harbours"]
    twice = bo.send("POST", path, {"communities": [{"id": "harbours"}]})
    assert twice.json()["errors"][0]["message"] == "The record is already included in this community."
    entries = bo.send("GET", f"/api/requests/{asked['id']}/timeline").json()["hits"]["hits"]
    assert [one["payload"].get("content") or one["payload"]["event"] for one in entries] == [
        "<p>Please</p>x",
        "accepted",
        "Welcome",
    ]

    def listed() -> tuple[int, int]:
        lasting.clock.move(seconds=1)
        dispatch.drain(lasting.services)
        found = stranger.get(f"{COMMUNITIES}/harbours/records?all_versions=1").json()["hits"]["total"]
        harvest = stranger.get("/oai2d?verb=ListIdentifiers&metadataPrefix=oai_dc&set=user-harbours").text
        return found, harvest.count("<header")

    assert listed() == (2, 2)
    gone = {"communities": [{"id": "harbours"}]}
    assert cy.send("DELETE", path, gone).status_code == 403
    assert bo.send("DELETE", path, gone).status_code == 200
    refused = ida.send("DELETE", path, gone)
    assert (refused.status_code, refused.json()["errors"][0]["community"]) == (400, "harbours")
    assert listed() == (0, 0)


def test_5_3_of_several_communities_all_rights_are_asked_before_the_first_is_left(
    lasting: Archive, ida: Depositor, bo: Depositor, cy: Depositor
) -> None:
    """What is told of each is what is wrong with it; that the archive is away is told of the request, and so is that
    there is no such record."""
    access = {**PUBLIC, "review_policy": "open"}
    made = [founded(who, slug, access=access) for who, slug in ((ida, "leaving-a"), (cy, "leaving-b"))]
    record = ida.published()
    path = f"/api/records/{record['id']}/communities"
    named = {"communities": [{"id": one["id"]} for one in made]}
    [asked] = [
        one["request"]
        for one in ida.send("POST", path, named).json()["processed"]
        if one["request"]["is_open"]
    ]
    done(cy, asked, "accept")
    assert communities_of(bo, record["id"]) == ["leaving-a", "leaving-b"]
    reversed_ = {"communities": named["communities"][::-1]}
    assert cy.send("DELETE", path, reversed_).status_code == 403
    assert communities_of(bo, record["id"]) == ["leaving-a", "leaving-b"]
    unknown = "/api/records/999999999/communities"
    for who in (ida, cy):
        assert who.send("DELETE", unknown, named).status_code == 404
        assert who.send("DELETE", "/api/records/x/communities", named).status_code == 404
    app = create_app(lasting.services)
    app.state.services = replace(lasting.services, catalogue=OnlyRead(lasting.services.catalogue))
    away = replace(ida, client=Client(app, lasting.token(ida.email, scopes=("deposit:actions",))))
    for method, address, body in (
        ("POST", path, named),
        ("DELETE", path, named),
        ("DELETE", f"{COMMUNITIES}/leaving-a/records", {"records": [{"id": str(record["id"])}]}),
    ):
        assert away.send(method, address, body).status_code == 503
    told = cy.send("DELETE", path, {"communities": [{"id": "leaving-b"}, {"id": "nowhere"}]})
    assert (told.status_code, told.json()) == (
        200,
        {"errors": [{"community": "nowhere", "message": "Community not found."}]},
    )
    assert communities_of(bo, record["id"]) == ["leaving-a"]


def test_5_3_defaults_and_suggestions(ida: Depositor, bo: Depositor) -> None:
    """One of its communities stands for a work; others are suggested."""
    first, second = (
        founded(ida, f"piers-{name}", access={**PUBLIC, "review_policy": "open"}) for name in "ab"
    )
    record = ida.published()
    path = f"/api/records/{record['id']}/communities"
    body = {"communities": [{"id": first["id"]}, {"id": second["id"]}]}
    processed = ida.send("POST", path, body).json()["processed"]
    assert [one["request"]["status"] for one in processed] == ["accepted", "accepted"]
    assert communities_of(bo, record["id"]) == ["piers-a", "piers-b"]
    assert ida.send("GET", path).json()["links"]["self"].startswith(f"{BASE_URL}/api/communities?")
    assert bo.send("PUT", path, {"default": second["id"]}).status_code == 403
    assert ida.send("PUT", path, {"default": second["id"]}).status_code == 200
    assert communities_of(bo, record["id"]) == ["piers-b", "piers-a"]
    rdm = bo.client.get(f"/api/records/{record['id']}", accept="application/vnd.inveniordm.v1+json").json()
    assert rdm["parent"]["communities"]["default"] == second["id"]
    for wrong in ({}, {"default": 5}, {"default": "0c8f3b52-7d1e-4b0b-bb43-1f2f6a5d9e77"}):
        assert ida.send("PUT", path, wrong).status_code == 400
    assert ida.send("PUT", path, {"default": None}).status_code == 200
    third = founded(ida, "piers-c")
    reviewed = {"communities": [{"id": "piers-c", "require_review": True}]}
    assert ida.send("POST", path, reviewed).json()["processed"][0]["request"]["is_open"] is True
    found = ida.send("GET", f"{path}-suggestions?q=piers&membership=true").json()["hits"]["hits"]
    assert [one["id"] for one in found] == [third["id"]]
    assert bo.send("GET", f"{path}-suggestions").status_code == 403
    hits = ida.send("GET", f"/api/records/{record['id']}/requests?is_open=true").json()["hits"]["hits"]
    assert [one["receiver"]["community"] for one in hits] == [third["id"]]
    assert bo.send("GET", f"/api/records/{record['id']}/requests").status_code == 403
    refused = ida.send("DELETE", f"{COMMUNITIES}/piers-c")
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "There are 1 requests open for this community.",
    )


def test_5_3_communities_of_a_work_are_its_owners_to_choose(
    lasting: Archive, ida: Depositor, cy: Depositor
) -> None:
    """Not of who owns one version of it: members of a community look at the closed files of all."""
    founded(cy, "mine-all-mine", access={**PUBLIC, "review_policy": "open"})
    first = lasting.publish(owner=cy.email)
    second = lasting.publish(
        files={"a.csv": b"1"}, owner=ida.email, version_of=first, access=Access(FilesAccess.RESTRICTED)
    )
    path = f"/api/records/{first.id}/communities"
    wanted = {"communities": [{"id": "mine-all-mine"}]}
    content = f"/api/records/{second.id}/files/a.csv/content"
    for method, body in (("POST", wanted), ("PUT", {"default": None})):
        assert cy.send(method, path, body).status_code == 403
    assert cy.send("GET", f"{path}-suggestions").status_code == 403
    assert cy.send("GET", content).status_code == 403
    # The owner of the work, who has no part in that version, may.
    assert ida.send("POST", path, wanted).status_code == 200
    founded(ida, "idas-own", access={**PUBLIC, "review_policy": "open"})
    assert ida.send("POST", path, {"communities": [{"id": "idas-own"}]}).status_code == 200
    assert cy.send("DELETE", path, {"communities": [{"id": "idas-own"}]}).status_code == 403
    assert ida.send("DELETE", path, {"communities": [{"id": "idas-own"}]}).status_code == 200
