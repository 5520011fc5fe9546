"""With whom a work is shared (Zenodo's REST API, share links, access)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from pipeline import dispatch
from pipeline.access import Viewer
from pipeline.catalogue import accounts
from pipeline.errors import Denied
from pipeline.model import Access, AccessGrant, FilesAccess, Record, Right
from pipeline.people import sharing
from tests.archive import Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import CSV, DEPOSITIONS, Depositor, depositor, path_of

RDM = "application/vnd.inveniordm.v1+json"


@pytest.fixture
def ida(archive: Archive) -> Depositor:
    return depositor(archive, "ida@pier.example")


@pytest.fixture
def jo(archive: Archive) -> Depositor:
    return depositor(archive, "jo@quay.example")


@pytest.fixture
def stranger(archive: Archive) -> Client:
    return Client(create_app(archive.services))


def number_of(who: Depositor) -> str:
    with who.archive.services.catalogue.read() as tx:
        account = accounts.find_account(tx, who.email)
    assert account is not None
    return str(account.id)


def access(record_id: object, *below: object) -> str:
    return "/".join(["/api/records", str(record_id), "access", *map(str, below)])


def link(who: Depositor, record_id: object, permission: str = "view", **more: object) -> dict[str, Any]:
    answer = who.send("POST", access(record_id, "links"), {"permission": permission, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def give(who: Depositor, record_id: object, whom: Depositor, permission: str) -> None:
    given = {"subject": {"type": "user", "id": number_of(whom)}, "permission": permission}
    answer = who.send("POST", access(record_id, "grants"), {"grants": [given]})
    assert answer.status_code == 201, answer.text


def restricted(who: Depositor) -> dict[str, Any]:
    return who.published(access_right="restricted")


def field_of(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    found: str = answer.json()["errors"][0]["field"]
    return found


# ---------------------------------------------------------------- links


def test_4_7_a_link_is_made_shown_changed_and_deleted(archive: Archive, ida: Depositor) -> None:
    """With the fields of Zenodo's; whoever manages the work is shown the token each time, and PUT is 405."""
    record_id = restricted(ida)["id"]
    links = access(record_id, "links")
    assert ida.send("GET", links).json() == {"hits": {"hits": [], "total": 0}}
    made = link(ida, record_id, "preview", description="For the reviewers", expires_at="2026-12-31")
    assert made["created_at"] == "2026-03-09T14:10:00.000000+00:00"
    assert made["expires_at"] == "2026-12-31T00:00:00.000000+00:00"
    assert (made["permission"], made["description"]) == ("preview", "For the reviewers")
    assert made.keys() == {
        "id", "created_at", "expires_at", "permission", "description", "origin", "token",
    }  # fmt: skip
    own = f"{links}/{made['id']}"
    assert ida.send("GET", own).json() == made
    assert ida.send("GET", links).json() == {"hits": {"hits": [made], "total": 1}}
    assert ida.send("GET", links).headers["cache-control"] == "no-store"
    changed = ida.send("PATCH", own, {"permission": "view", "expires_at": "2026-06-01"})
    assert changed.status_code == 200
    assert changed.json() == {
        **made,
        "permission": "view",
        "expires_at": "2026-06-01T00:00:00.000000+00:00",
    }
    assert ida.send("PATCH", own, {}).json() == changed.json()
    assert ida.send("PUT", own, {"permission": "edit"}).status_code == 405
    assert ida.send("DELETE", own).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert ida.send(method, own, {}).status_code == 404
    assert archive.record(record_id).change == 1


def test_4_7_what_is_wrong_with_a_link_is_named(ida: Depositor) -> None:
    """Its field; an expiry is to come, and is brought forward only."""
    record_id = restricted(ida)["id"]
    links = access(record_id, "links")
    for body, field in (
        ({}, "permission"),
        ({"permission": "manage"}, "permission"),
        ({"permission": "none"}, "permission"),
        ({"permission": ["view"]}, "permission"),
        ({"permission": "view", "expires_at": "2026-03-09"}, "expires_at"),
        ({"permission": "view", "expires_at": "tomorrow"}, "expires_at"),
        ({"permission": "view", "expires_at": 20270101}, "expires_at"),
        ({"permission": "view", "description": 1}, "description"),
        ({"permission": "view", "description": "x" * 1001}, "description"),
        ([], "_schema"),
    ):
        assert field_of(ida.send("POST", links, body)) == field
    own = f"{links}/{link(ida, record_id, expires_at='2026-06-01')['id']}"
    for later in ("2026-06-02", None, "2026-03-01"):
        assert field_of(ida.send("PATCH", own, {"expires_at": later})) == "expires_at"
    lasting = f"{links}/{link(ida, record_id)['id']}"
    assert ida.send("PATCH", lasting, {"expires_at": "2026-06-01"}).status_code == 200


DOORS = (
    "/api/records/{id}/files",
    "/api/records/{id}/files/gauge.csv",
    "/api/records/{id}/files/gauge.csv/content",
    "/api/records/{id}/files-archive",
    "/records/{id}/files/gauge.csv",
    "/api/deposit/depositions/{id}/files",
)


def test_1_6_a_link_opens_the_files_at_every_door(archive: Archive, ida: Depositor, stranger: Client) -> None:
    """As long as it is there and has not expired; what is not exactly its token opens nothing, nor does it open another
    work. Whoever comes by it is told the files in each view, and nothing else of the sharing."""
    record_id, other = restricted(ida)["id"], restricted(ida)["id"]
    made = link(ida, record_id, expires_at="2026-03-11")
    token = made["token"]
    for door in DOORS:
        path = door.format(id=record_id)
        # A page leads strangers to sign in.
        refused = 302 if path.startswith("/records") else 403
        assert stranger.get(path).status_code == refused
        assert stranger.get(f"{path}?token={token}").status_code == 200
        for bad in (token[:-1], f"{token}x", made["id"], token.upper(), "", "a.b", "%C3%A9"):
            assert stranger.get(f"{path}?token={bad}").status_code == refused
        assert stranger.get(f"{door.format(id=other)}?token={token}").status_code == refused
    for path in (f"/api/records/{record_id}", f"/records/{record_id}"):
        assert "gauge.csv" not in stranger.get(path).text
        assert "gauge.csv" in stranger.get(f"{path}?token={token}").text
    page = stranger.get(f"/records/{record_id}?token={token}").text
    assert f'href="/records/{record_id}/files/gauge.csv?token={token}"' in page
    content = stranger.get(f"/records/{record_id}/files/gauge.csv?token={token}")
    assert content.headers["cache-control"] == "private, no-cache"
    shown = stranger.get(f"/api/records/{record_id}?token={token}", Accept=RDM).json()
    assert shown["files"]["entries"].keys() == {"gauge.csv"}
    assert shown["parent"]["access"].keys() == {"owned_by", "settings"}
    assert stranger.get(f"{access(record_id, 'links')}?token={token}").status_code == 401
    archive.clock.move(days=2)
    assert stranger.get(f"{DOORS[0].format(id=record_id)}?token={token}").status_code == 403
    lasting = link(ida, record_id)
    address = f"{DOORS[0].format(id=record_id)}?token={lasting['token']}"
    assert stranger.get(address).status_code == 200
    assert ida.send("DELETE", access(record_id, "links", lasting["id"])).status_code == 204
    assert stranger.get(address).status_code == 403


def test_4_7_a_link_is_of_the_work(ida: Depositor, stranger: Client) -> None:
    """Of versions before and after, and of the draft of the next one where it lets see drafts."""
    first = restricted(ida)
    view, preview = (link(ida, first["id"], kind)["token"] for kind in ("view", "preview"))
    answer = ida.send("POST", first["links"]["newversion"])
    draft = answer.json()
    seen = [
        stranger.get(f"{path}?token={token}").status_code
        for token in (view, preview)
        for path in (
            f"{DEPOSITIONS}/{draft['id']}",
            f"/api/records/{draft['id']}/draft/files",
            f"/api/records/{draft['id']}/draft/files/gauge.csv/content",
            f"{path_of(draft['links']['bucket'])}/gauge.csv",
        )
    ]
    assert seen == [403] * 4 + [200] * 4
    assert ida.put(draft, "more.csv").status_code == 201
    second = ida.publish(draft)
    for record_id in (first["id"], second["id"]):
        assert stranger.get(f"/api/records/{record_id}/files?token={view}").status_code == 200
    assert ida.send("GET", access(second["id"], "links")).json()["hits"]["total"] == 2


def test_4_7_who_may_edit_by_a_link_has_an_account(ida: Depositor, jo: Depositor, stranger: Client) -> None:
    """And a token that may write. A link to look changes nothing, and one to change things shares nothing."""
    deposition = ida.create()
    draft = f"{DEPOSITIONS}/{deposition['id']}"
    tokens = {kind: link(ida, deposition["id"], kind)["token"] for kind in ("view", "preview", "edit")}
    body = {"metadata": {"title": "Changed by another"}}
    statuses = {
        kind: [
            jo.send("GET", f"{draft}?token={token}").status_code,
            jo.send("PUT", f"{draft}?token={token}", body).status_code,
            stranger.ask("PUT", f"{draft}?token={token}", content=b"{}").status_code,
            jo.send("GET", f"{access(deposition['id'], 'links')}?token={token}").status_code,
        ]
        for kind, token in tokens.items()
    }
    assert statuses == {
        "view": [403, 403, 401, 403],
        "preview": [200, 403, 401, 403],
        "edit": [200, 200, 401, 403],
    }
    assert ida.send("GET", draft).json()["owner"] == deposition["owner"]


# ---------------------------------------------------------------- grants


def test_v16_rights_that_are_given_are_logged(
    archive: Archive, ida: Depositor, jo: Depositor, caplog: pytest.LogCaptureFixture
) -> None:
    """And those that are taken back: whose doing, of which work, to whom; the token of a link is not."""
    caplog.set_level(logging.INFO, "headrace.security")
    record_id = restricted(ida)["id"]
    give(ida, record_id, jo, "view")
    ida.send("PATCH", f"{access(record_id, 'grants')}/0", {"permission": "edit"})
    ida.send("DELETE", f"{access(record_id, 'grants')}/0")
    link = ida.send("POST", access(record_id, "links"), {"permission": "view"}).json()
    ida.send("DELETE", f"{access(record_id, 'links')}/{link['id']}")
    events = [one.facts for one in caplog.records if one.name == "headrace.security"]  # type: ignore[attr-defined]
    given = [one for one in events if one["event"].startswith("access-")]
    assert [(one["event"], one.get("right"), str(one.get("to", ""))) for one in given] == [
        ("access-given", "view", number_of(jo)),
        ("access-given", "edit", number_of(jo)),
        ("access-taken", None, number_of(jo)),
        ("access-given", "view", ""),
        ("access-taken", None, ""),
    ]
    assert {str(one["account"]) for one in given} == {number_of(ida)}
    assert link["token"] not in str(events)


def test_4_7_grants_are_given_shown_changed_and_revoked(
    archive: Archive, ida: Depositor, jo: Depositor
) -> None:
    """By their place, or by their user; the second time the same user is refused, and PUT and PATCH are told apart."""
    record_id = restricted(ida)["id"]
    bo = depositor(archive, "bo@quay.example")
    give(ida, record_id, jo, "view")
    give(ida, record_id, bo, "preview")
    grants, users = access(record_id, "grants"), access(record_id, "users")
    shown = ida.send("GET", grants).json()
    assert ida.send("GET", users).json() == shown
    assert shown["hits"]["total"] == 2
    first, second = shown["hits"]["hits"]
    assert first == {"subject": {"type": "user", "id": number_of(jo)}, "permission": "view", "origin": ""}
    assert ida.send("GET", f"{grants}/1").json() == second
    assert ida.send("GET", f"{users}/{number_of(bo)}").json() == second
    again = ida.send("POST", grants, {"grants": [{**first, "permission": "edit"}]})
    assert again.status_code == 400
    assert ida.send("PATCH", f"{grants}/0", {"permission": "edit"}).json()["permission"] == "edit"
    assert ida.send("PUT", f"{grants}/0", {"permission": "view"}).status_code == 400
    assert ida.send("PUT", f"{grants}/0", {**first, "permission": "manage"}).json()["permission"] == "manage"
    assert field_of(ida.send("PATCH", f"{grants}/0", {"subject": second["subject"]})) == "subject.id"
    assert ida.send("PATCH", f"{users}/{number_of(bo)}", {"permission": "edit"}).status_code == 200
    assert ida.send("DELETE", f"{grants}/0").status_code == 204
    assert ida.send("DELETE", f"{users}/{number_of(bo)}").status_code == 204
    for gone in (f"{grants}/0", f"{users}/{number_of(bo)}", f"{grants}/x", f"{users}/x", f"{grants}/-1"):
        for method in ("GET", "PATCH", "DELETE"):
            assert ida.send(method, gone, {}).status_code == 404


def test_4_7_what_is_wrong_with_a_grant_is_named(ida: Depositor, jo: Depositor) -> None:
    """And none of a request is kept, where one of it is wrong."""
    record_id = restricted(ida)["id"]
    good = {"subject": {"type": "user", "id": number_of(jo)}, "permission": "view"}
    for bad, field in (
        ({**good, "permission": "all"}, "grants.1.permission"),
        ({"subject": good["subject"]}, "grants.1.permission"),
        ({"permission": "view"}, "grants.1.subject"),
        ({**good, "subject": {"type": "role", "id": "x"}}, "grants.1.subject.type"),
        ({**good, "subject": {"type": "user", "id": 7}}, "grants.1.subject.id"),
        ({**good, "subject": {"type": "user", "id": "999"}}, "grants.1.subject.id"),
        ({**good, "subject": {"type": "user", "id": "9" * 30}}, "grants.1.subject.id"),
        ({**good, "subject": {"type": "user", "id": "jo@quay.example"}}, "grants.1.subject.id"),
        (good, "grants.1.subject.id"),
        ("view", "grants.1._schema"),
    ):
        assert field_of(ida.send("POST", access(record_id, "grants"), {"grants": [good, bad]})) == field
    for body in ({}, {"grants": []}, {"grants": [good] * 101}, {"grants": "x"}):
        assert field_of(ida.send("POST", access(record_id, "grants"), body)) == "grants"
    assert ida.send("GET", access(record_id, "grants")).json()["hits"]["total"] == 0


def test_4_7_who_is_to_be_notified_of_a_grant_gets_a_mail(
    archive: Archive, ida: Depositor, jo: Depositor
) -> None:
    """With the message; nobody else does, nor anybody of grants that are refused."""
    record_id = ida.create()["id"]
    grants = access(record_id, "grants")
    subject = {"subject": {"type": "user", "id": number_of(jo)}, "permission": "edit"}
    told = {**subject, "message": "Please mend the units.", "notify": True}
    wrong = {"subject": {"type": "user", "id": "999"}, "permission": "view"}
    assert ida.send("POST", grants, {"grants": [told, wrong]}).status_code == 400
    own = {**subject, "subject": {"type": "user", "id": number_of(ida)}, "message": "Not sent."}
    assert ida.send("POST", grants, {"grants": [told, own]}).status_code == 201
    dispatch.drain(archive.services)
    [file] = (archive.services.settings.home / "mail").iterdir()
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (mail["To"], "edit" in mail["Subject"]) == (jo.email, True)
    for part in ("Please mend the units.", f"/uploads/{record_id}"):
        assert part in mail.get_content()


@dataclass(frozen=True)
class Deeds:
    """What each right adds, as requests of a user about a restricted record with an open new version; in this order, so
    that what is last ends nothing that another needs."""

    record: Record
    draft: dict[str, Any]

    def each(self, who: Depositor) -> dict[str, Callable[[], httpx.Response]]:
        record_id, draft = self.record.id, self.draft
        files = f"/api/records/{draft['id']}/draft/files"
        return {
            "view": lambda: who.client.get(f"/api/records/{record_id}/files/gauge.csv/content"),
            "preview": lambda: who.client.get(files),
            "edit": lambda: who.send("PUT", f"{DEPOSITIONS}/{draft['id']}", {"metadata": {}}),
            "manage": lambda: who.send("GET", access(record_id, "grants")),
        }


def test_4_7_each_permission_lets_do_what_those_before_it_do(
    archive: Archive, ida: Depositor, jo: Depositor
) -> None:
    """Of a published version and of a draft; and from the next request on no more, once it is revoked."""
    published = restricted(ida)
    draft = ida.send("POST", published["links"]["newversion"]).json()
    deeds = Deeds(archive.record(published["id"]), draft).each(jo)
    assert [deed().status_code for deed in deeds.values()] == [403] * 4
    give(ida, published["id"], jo, "view")
    own = access(published["id"], "users", number_of(jo))
    for allowed, permission in enumerate(deeds, 1):
        assert ida.send("PATCH", own, {"permission": permission}).status_code == 200
        assert [deed().status_code for deed in deeds.values()] == [200] * allowed + [403] * (4 - allowed)
    assert ida.send("DELETE", own).status_code == 204
    assert [deed().status_code for deed in deeds.values()] == [403] * 4


def test_4_7_who_may_edit_publishes_and_begins_versions_that_stay_the_owners(
    ida: Depositor, jo: Depositor
) -> None:
    """A draft that somebody begins with whom the work is shared is its owner's, and so is what becomes of it."""
    published = restricted(ida)
    give(ida, published["id"], jo, "edit")
    edit = jo.send("POST", published["links"]["edit"])
    assert (edit.status_code, edit.json()["owner"]) == (201, published["owner"])
    assert jo.publish(edit.json())["owner"] == published["owner"]
    draft = jo.send("POST", published["links"]["newversion"]).json()
    assert draft["owner"] == published["owner"]
    assert jo.put(draft, "more.csv").status_code == 201
    second = jo.publish(draft)
    assert ida.send("GET", second["links"]["self"]).status_code == 200
    assert [one["id"] for one in jo.send("GET", DEPOSITIONS).json()] == []
    assert jo.client.get(f"/api/records/{second['id']}/files/more.csv/content").content == CSV


def test_signed_urls_of_parts_are_for_who_may_write(ida: Depositor, jo: Depositor) -> None:
    """A URL that asks for no token is not told to somebody who may see the draft only."""
    deposition = ida.create()
    files = f"/api/records/{deposition['id']}/draft/files"
    size = 6 << 20
    transfer = {"type": "M", "parts": 2, "part_size": 5 << 20}
    announced = ida.send("POST", files, [{"key": "a.bin", "size": size, "transfer": transfer}])
    assert announced.status_code == 201, announced.text
    give(ida, deposition["id"], jo, "preview")
    for path in (files, f"{files}/a.bin"):
        shown = jo.send("GET", path)
        assert shown.status_code == 200
        entry = shown.json().get("entries", [shown.json()])[0]
        urls = [one["url"] for one in entry["links"]["parts"]]
        assert urls == [f"{entry['links']['self']}/content/{number}" for number in (1, 2)]
        assert jo.client.ask("PUT", path_of(urls[0]), content=b"x").status_code == 403


def test_4_7_who_shared_a_work_shares_nothing_that_a_later_owner_adds(
    archive: Archive, ida: Depositor, jo: Depositor, stranger: Client
) -> None:
    """Links and grants go on to open the versions of who made them. Those of the new owner are for the new owner to
    share: a grant that they change is theirs, a link stays whose it was."""
    closed = Access(FilesAccess.RESTRICTED)
    first = archive.publish(files={"a.csv": CSV}, owner=jo.email, access=closed)
    made = link(jo, first.id, "edit")
    give(jo, first.id, ida, "view")
    guest = depositor(archive, "guest@quay.example")
    give(jo, first.id, guest, "manage")
    second = archive.publish(files={"a.csv": CSV}, owner=ida.email, version_of=first, access=closed)
    content = [f"/api/records/{one.id}/files/a.csv/content" for one in (first, second)]
    token = f"?token={made['token']}"

    def seen(client: Client, query: str = "") -> list[int]:
        return [client.get(path + query).status_code for path in content]

    assert seen(stranger, token) == [200, 403]
    assert seen(jo.client, token) == [200, 403]
    assert seen(guest.client) == [200, 403]
    assert seen(ida.client) == [200, 200]
    assert jo.send("POST", f"/api/records/{second.id}/draft{token}").status_code == 403
    for who in (jo, guest):
        assert who.send("GET", access(first.id, "links")).status_code == 403
    changed = ida.send("PATCH", access(second.id, "links", made["id"]), {"description": "Known"})
    assert (changed.status_code, seen(stranger, token)) == (200, [200, 403])
    assert seen(stranger, f"?token={link(ida, second.id)['token']}") == [403, 200]
    user = access(second.id, "users", number_of(guest))
    assert ida.send("PATCH", user, {"permission": "view"}).status_code == 200
    assert seen(guest.client) == [403, 200]


def test_v14_what_is_shown_for_a_token_is_kept_by_no_cache(archive: Archive, ida: Depositor) -> None:
    """Nor what is shown for one in the address, by which a cache finds it again. Drafts tell the tokens of links."""
    draft = ida.create()
    token = link(ida, draft["id"], "preview")["token"]
    stranger = Client(create_app(archive.services))
    path = f"/api/records/{draft['id']}/draft"
    for answer in (ida.client.get(path, Accept=RDM), stranger.get(f"{path}?token={token}", Accept=RDM)):
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    mine = archive.token(ida.email)
    for path in (DEPOSITIONS, "/api/requests/"):
        answer = stranger.get(f"{path}?access_token={mine}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache")
    assert ida.client.get("/api/user/records").headers["cache-control"] == "no-store"
    record = restricted(ida)
    token = link(ida, record["id"])["token"]
    content = stranger.get(f"/api/records/{record['id']}/files/gauge.csv/content?token={token}")
    assert (content.status_code, content.headers["cache-control"]) == (200, "private, no-cache")


def test_4_7_who_manages_no_more_shares_no_more(archive: Archive, ida: Depositor, jo: Depositor) -> None:
    """It is asked for in the transaction that shares, whatever was answered before."""
    record = archive.record(restricted(ida)["id"])
    viewer = Viewer(jo.email, account_id=int(number_of(jo)))
    give(ida, record.id, jo, "manage")
    given = sharing.LinkChange(Right.EDIT)
    sharing.create_link(archive.services, record.concept_id, viewer, given, origin="")
    assert ida.send("DELETE", access(record.id, "users", number_of(jo))).status_code == 204
    with pytest.raises(Denied):
        sharing.create_link(archive.services, record.concept_id, viewer, given, origin="")
    with pytest.raises(Denied):
        sharing.grant(
            archive.services,
            record.concept_id,
            viewer,
            [AccessGrant(1, Right.EDIT)],
            record_id=record.id,
            messages={},
        )


# ---------------------------------------------------------------- settings, and who is told


def test_4_7_settings_of_a_work_are_told_to_all_and_its_shares_to_managers(
    archive: Archive, ida: Depositor, jo: Depositor, stranger: Client
) -> None:
    """In the record's `parent.access`; with a token that may write, since what it tells lets others write. The answer
    has another entity tag when it is another."""
    record_id = restricted(ida)["id"]
    path = f"/api/records/{record_id}"
    before = stranger.get(path, Accept=RDM)
    assert before.json()["parent"]["access"]["settings"] == {
        "allow_user_requests": False,
        "allow_guest_requests": False,
        "accept_conditions_text": None,
        "secret_link_expiration": 0,
    }
    conditions = "<p>Cite us<script>x</script></p>"
    changes = {"allow_user_requests": True, "accept_conditions_text": conditions}
    answer = ida.send("PUT", access(record_id), changes)
    assert answer.status_code == 200
    made = link(ida, record_id)
    give(ida, record_id, jo, "view")
    assert ida.send("PUT", access(record_id), {"secret_link_expiration": 30}).json()["parent"]["access"] == {
        "owned_by": {"user": number_of(ida)},
        "settings": {
            "allow_user_requests": True,
            "allow_guest_requests": False,
            "accept_conditions_text": "<p>Cite usx</p>",
            "secret_link_expiration": 30,
        },
        "links": [made],
        "grants": [{"subject": {"type": "user", "id": number_of(jo)}, "permission": "view", "origin": ""}],
    }
    after = stranger.get(path, Accept=RDM)
    assert after.json()["parent"]["access"]["settings"]["secret_link_expiration"] == 30
    reader = Client(create_app(archive.services), archive.token(ida.email))
    for client in (stranger, jo.client, reader):
        assert client.get(path, Accept=RDM).json()["parent"]["access"].keys() == {"owned_by", "settings"}
    managed = ida.client.get(path, Accept=RDM)
    assert managed.json()["parent"]["access"]["links"] == [made]
    assert len({one.headers["etag"] for one in (before, after, managed)}) == 3
    for bad, field in (
        ({"allow_user_requests": "yes"}, "allow_user_requests"),
        ({"secret_link_expiration": 366}, "secret_link_expiration"),
        ({"secret_link_expiration": True}, "secret_link_expiration"),
        ({"accept_conditions_text": 1}, "accept_conditions_text"),
    ):
        assert field_of(ida.send("PUT", access(record_id), bad)) == field


def test_4_7_only_who_manages_a_work_shares_it(
    archive: Archive, ida: Depositor, jo: Depositor, stranger: Client
) -> None:
    """Strangers get 401, others 403, also with a token of the owner that may not write; an administrator may. A manager
    who was made one may share as the owner does. What is no record is 404, a withdrawn one 410."""
    record_id = restricted(ida)["id"]
    reader = Client(create_app(archive.services), archive.token(ida.email))
    admin = depositor(archive, "root@archive.example", admin=True)
    asked = [
        ("PUT", access(record_id)),
        *(("GET", access(record_id, name)) for name in ("links", "grants", "users")),
        *(("POST", access(record_id, name)) for name in ("links", "grants")),
    ]
    for method, path in asked:
        assert stranger.ask(method, path, content=b"{}").status_code == 401
        for client in (jo.client, reader):
            assert client.ask(method, path, content=b"{}").status_code == 403
    assert admin.send("GET", access(record_id, "links")).status_code == 200
    give(admin, record_id, jo, "manage")
    link(jo, record_id)
    for unknown in ("999999", "x", "0"):
        assert ida.send("GET", access(unknown, "links")).status_code == 404
    archive.withdraw(archive.record(record_id))
    assert ida.send("GET", access(record_id, "links")).status_code == 410
