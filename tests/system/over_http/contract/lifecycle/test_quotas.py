"""How much works may hold, and who raises it: §0.7 and §4.9 of the contract, and what was seen on Zenodo's own code."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from gateway.app import create_app
from pipeline.ingest.quotas import GIGABYTE
from tests.archive import Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import Depositor


@pytest.fixture
def bounded(archive: Archive) -> Archive:
    """Its records have a gigabyte each; who owns some may add two in all."""
    settings = archive.services.settings.model_copy(
        update={"record_bytes": GIGABYTE, "extra_bytes": 2 * GIGABYTE, "min_free": 1}
    )
    return Archive(replace(archive.services, settings=settings), archive.clock)


def somebody(archive: Archive, name: str, *, admin: bool = False) -> Depositor:
    email = f"{name}@quotas.example"
    token = archive.token(email, admin=admin, scopes=("deposit:write", "deposit:actions"))
    return Depositor(archive, Client(create_app(archive.services), token), email)


def raised(who: Depositor, record_id: object, total: object) -> httpx.Response:
    return who.send("POST", f"/api/records/{record_id}/quota-increase", {"quota_size": total})


def takes(who: Depositor, record_id: object, size: int) -> bool:
    """Whether a draft would take a file of that size; it is not sent."""
    files = f"/api/records/{record_id}/draft/files"
    answer = who.send("POST", files, [{"key": "large.bin", "size": size}])
    if answer.status_code == 201:
        assert who.send("DELETE", f"{files}/large.bin").status_code == 204
        return True
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"] in ("Maximum file size exceeded.", "Bucket quota exceeded.")
    assert answer.json()["remedy"].startswith("This record may have ")
    return False


def test_4_9_an_owner_raises_what_a_draft_may_hold(bounded: Archive) -> None:
    """At once, out of what is left of their own; it stands in the books as a request. What is too much is 403, what is
    no number 400, and without an open draft there is nothing to raise it of."""
    ida, other = somebody(bounded, "ida"), somebody(bounded, "other")
    first, second = ida.create(), ida.create()
    assert (takes(ida, first["id"], GIGABYTE), takes(ida, first["id"], GIGABYTE + 1)) == (True, False)
    for bad in (None, "", "many", "0", "-1", 1.5, True, "9" * 30, ["2"]):
        refused = raised(ida, first["id"], bad)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "quota_size"), bad
    assert raised(other, first["id"], "2").status_code == 403
    assert (raised(ida, first["id"], "4").status_code, raised(ida, 999_999, "2").status_code) == (403, 404)
    answer = raised(ida, first["id"], "2")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["type"], found["status"], found["payload"]) == (
        "quota-increase",
        "accepted",
        {"quota_size": "2"},
    )
    assert (found["topic"], found["receiver"]) == ({"record": str(first["id"])}, None)
    assert ida.client.get(f"/api/requests/{found['id']}").json() == found
    assert (takes(ida, first["id"], 2 * GIGABYTE), takes(ida, first["id"], 2 * GIGABYTE + 1)) == (True, False)
    bucket = ida.send("GET", first["links"]["bucket"]).json()
    assert (bucket["quota_size"], bucket["max_file_size"]) == (2 * GIGABYTE, 2 * GIGABYTE)
    refused = raised(ida, second["id"], 3)
    assert (refused.status_code, refused.json()["message"]) == (403, "Permission denied.")
    assert refused.json()["remedy"].startswith("This record may be given 1 to 2 GB in all")
    assert raised(ida, second["id"], 2).status_code == 200
    assert raised(ida, first["id"], 1).status_code == 200
    assert not takes(ida, first["id"], GIGABYTE + 1)
    assert raised(ida, second["id"], 3).status_code == 200


def test_4_9_what_was_raised_holds_for_all_versions(bounded: Archive) -> None:
    """It is the work's; a published record has an edit or a new version open before it is asked for again."""
    ida = somebody(bounded, "ila")
    record_id = ida.published()["id"]
    assert raised(ida, record_id, "2").status_code == 404
    assert ida.send("POST", f"/api/deposit/depositions/{record_id}/actions/edit").status_code == 201
    assert raised(ida, record_id, "3").status_code == 200
    made = ida.send("POST", f"/api/records/{record_id}/versions")
    assert made.status_code == 201
    assert takes(ida, made.json()["id"], 3 * GIGABYTE)


def test_0_7_administrators_say_what_works_may_hold(bounded: Archive) -> None:
    """One work, or each of an account, by bytes in all and of one file; what they give a work comes out of nobody's
    allowance, and by themselves they raise it as far as they like. Nobody else does, and what is wrong is named."""
    ida, admin = somebody(bounded, "ira"), somebody(bounded, "root", admin=True)
    made = ida.create()
    account = f"/api/users/{made['owner']}/quota"
    work = f"/api/records/{made['id']}/quota"
    body = {"quota_size": 5 * GIGABYTE, "max_file_size": 3 * GIGABYTE, "notes": "As agreed."}
    for path in (account, work):
        assert ida.send("POST", path, body).status_code == 403
        for field, wrong in (("quota_size", {"quota_size": 0}), ("max_file_size", {"max_file_size": "3"})):
            refused = admin.send("POST", path, {**body, **wrong})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)
    for path in ("/api/users/999999/quota", "/api/records/999999/quota"):
        assert admin.send("POST", path, body).status_code == 404
    done = admin.send("POST", account, {**body, "quota_size": 2 * GIGABYTE, "max_file_size": 10})
    assert (done.status_code, done.json()) == (200, {})
    assert (takes(ida, made["id"], 10), takes(ida, made["id"], 11)) == (True, False)
    assert admin.send("POST", work, body).status_code == 200
    assert (takes(ida, made["id"], 3 * GIGABYTE), takes(ida, made["id"], 3 * GIGABYTE + 1)) == (True, False)
    assert not takes(ida, ida.create()["id"], 11)
    assert raised(ida, made["id"], "3").status_code == 200
    assert takes(ida, made["id"], 3 * GIGABYTE)
    assert raised(ida, ida.create()["id"], "4").status_code == 200
    assert raised(admin, made["id"], "90").status_code == 200
    assert admin.send("POST", work, {**body, "quota_size": 10**12, "max_file_size": 5}).status_code == 200

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * 6

    assert ida.put(made, "a", chunks()).status_code == 201
    refused = ida.send("POST", made["links"]["publish"])
    assert refused.json()["errors"][0]["messages"] == ["Maximum file size exceeded."]


def test_0_7_what_administrators_said_is_not_the_owners_to_undo(bounded: Archive) -> None:
    """Who gives back what they took is left with what administrators gave, and the bound of one file stands whoever
    raises the whole; what is less than usual is raised by nobody else. What they say anew takes the place of all."""
    ida, admin = somebody(bounded, "isa"), somebody(bounded, "warden", admin=True)
    made, other = ida.create(), ida.create()

    def says(path: str, size: int, file_size: int) -> None:
        done = admin.send("POST", f"/api/{path}/quota", {"quota_size": size, "max_file_size": file_size})
        assert done.status_code == 200, done.text

    def bounds() -> tuple[int, int]:
        bucket = ida.send("GET", made["links"]["bucket"]).json()
        return bucket["quota_size"], bucket["max_file_size"]

    work = f"records/{made['id']}"
    says(work, GIGABYTE - 1, GIGABYTE - 1)
    refused = raised(ida, made["id"], "1")
    assert (refused.status_code, refused.json()["remedy"][:14]) == (403, "Administrators")
    assert (raised(ida, made["id"], "3").status_code, bounds()) == (403, (GIGABYTE - 1, GIGABYTE - 1))
    says(work, 3 * GIGABYTE, 5)
    assert (raised(ida, made["id"], "4").status_code, bounds()) == (200, (4 * GIGABYTE, 5))
    assert (raised(ida, other["id"], "3").status_code, raised(ida, other["id"], "2").status_code) == (
        403,
        200,
    )
    assert (raised(ida, made["id"], "5").status_code, bounds()) == (403, (4 * GIGABYTE, 5))
    assert (raised(ida, made["id"], "1").status_code, bounds()) == (200, (3 * GIGABYTE, 5))
    assert raised(ida, other["id"], "3").status_code == 200
    assert raised(ida, other["id"], "1").status_code == 200
    assert raised(ida, made["id"], "5").status_code == 200
    assert (raised(admin, made["id"], "6").status_code, bounds()) == (200, (6 * GIGABYTE, 5))
    assert raised(ida, other["id"], "3").status_code == 200
    assert raised(ida, other["id"], "1").status_code == 200
    made, account = other, f"users/{made['owner']}"
    says(account, 2 * GIGABYTE, 7)
    assert (raised(ida, made["id"], "3").status_code, bounds()) == (200, (3 * GIGABYTE, 7))
    assert (raised(ida, made["id"], "1").status_code, bounds()) == (200, (2 * GIGABYTE, 7))
    says(account, 10, 10)
    assert (raised(ida, made["id"], "1").status_code, bounds()) == (403, (10, 10))
    says(f"records/{made['id']}", 20, 20)
    assert (raised(ida, made["id"], "1").status_code, bounds()) == (403, (20, 20))


def test_0_7_what_is_less_than_no_bound_is_not_raised(archive: Archive) -> None:
    """By whom it was not said; where works have a bound because of their owner alone as well."""
    ida, admin = somebody(archive, "ina"), somebody(archive, "marshal", admin=True)
    made = ida.create()
    body = {"quota_size": GIGABYTE, "max_file_size": GIGABYTE}
    for path in (f"records/{made['id']}", f"users/{made['owner']}"):
        assert admin.send("POST", f"/api/{path}/quota", body).status_code == 200
        assert [raised(ida, made["id"], total).status_code for total in (1, 2)] == [200, 403]
    assert ida.send("GET", made["links"]["bucket"]).json()["quota_size"] == GIGABYTE


def test_4_9_without_a_bound_there_is_nothing_to_raise(archive: Archive) -> None:
    """Whoever asks is told yes."""
    ida = somebody(archive, "iva")
    made = ida.create()
    assert raised(ida, made["id"], "100").status_code == 200
    assert ida.send("GET", made["links"]["bucket"]).json()["quota_size"] is None
