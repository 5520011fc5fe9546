"""Who may do what, and how often (Zenodo's REST API: authentication; what clients depend on, number 1)."""

import re
from urllib.parse import urlsplit

import jwt
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.http.auth import ActorHere, GrantHere, KnownHere, ViewerHere, WriterHere, file_reader
from pipeline.catalogue import accounts
from pipeline.model import Access, FilesAccess, JsonObject
from tests.archive import Archive
from tests.asking import Client


@pytest.fixture
def app(archive: Archive) -> FastAPI:
    """The gateway with a route for each kind of right that a deposit needs."""
    made = create_app(archive.services)

    @made.get("/api/test/known")
    def known(viewer: KnownHere) -> JsonObject:
        return {"owner": viewer.account_id}

    @made.post("/api/test/write")
    def write(viewer: WriterHere) -> JsonObject:
        return {"owner": viewer.account_id}

    @made.post("/api/test/act")
    def act(viewer: ActorHere) -> JsonObject:
        return {"owner": viewer.account_id}

    return made


def test_a01_a_token_works_in_the_header_and_in_the_query(archive: Archive, app: FastAPI) -> None:
    """Both forms are the same, on JSON and on bytes; the header wins, also where it is the bad one."""
    record = archive.publish(files={"a.txt": b"the bytes"}, access=Access(FilesAccess.RESTRICTED))
    client, good = Client(app), archive.token("ida@pier.example", scopes=["deposit:write"])
    bearer = {"Authorization": f"Bearer {good}"}
    path = f"/api/records/{record.id}/files/a.txt/content"
    for answer in (client.get(path, **bearer), client.get(f"{path}?access_token={good}")):
        assert (answer.status_code, answer.content) == (200, b"the bytes")
    for answer in (
        client.ask("POST", "/api/test/write", **bearer),
        client.ask("POST", f"/api/test/write?access_token={good}"),
        client.ask("POST", "/api/test/write?access_token=bad", **bearer),
    ):
        assert answer.status_code == 200
    mixed = client.ask("POST", f"/api/test/write?access_token={good}", Authorization="Bearer bad")
    assert mixed.status_code == 401


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/test/known"), ("POST", "/api/test/write"), ("POST", "/api/test/act")]
)
def test_1_4_strangers_get_401_where_somebody_must_be_known(app: FastAPI, method: str, path: str) -> None:
    """With the body of that status, and the challenge of RFC 6750."""
    answer = Client(app).ask(method, path)
    assert answer.status_code == 401
    assert answer.json().keys() == {"status", "message"}
    assert answer.json()["status"] == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ([], []),
        (["user:email", "tokens:generate"], []),
        (["deposit:write"], ["write"]),
        (["deposit:actions"], ["act"]),
        (["deposit:write", "deposit:actions"], ["write", "act"]),
    ],
)
def test_1_3_scopes_are_enforced(
    archive: Archive, app: FastAPI, scopes: list[str], allowed: list[str]
) -> None:
    """A sound token gets 403 where it lacks the scope, with its name; knowing who asks needs none. The owner is the
    number of the account, the same for all of its tokens."""
    with archive.services.catalogue.write() as tx:
        owner = accounts.create_account(tx, "ida@pier.example", admin=False, now=archive.clock()).id
    client = Client(app, archive.token("ida@pier.example", scopes=scopes))
    assert client.get("/api/test/known").json() == {"owner": owner}
    for name, scope in (("write", "deposit:write"), ("act", "deposit:actions")):
        answer = client.ask("POST", f"/api/test/{name}")
        if name in allowed:
            assert (answer.status_code, answer.json()) == (200, {"owner": owner})
        else:
            assert answer.status_code == 403
            assert scope in answer.json()["message"]
            assert f'scope="{scope}"' in answer.headers["www-authenticate"]


def test_1_1_a_revoked_token_is_a_bad_one_at_once(archive: Archive, client: Client) -> None:
    """The next request with it gets 401, even where no token is needed."""
    text = archive.token("ida@pier.example")
    path = f"/api/records?access_token={text}"
    assert client.get(path).status_code == 200
    with archive.services.catalogue.write() as tx:
        [token] = accounts.list_tokens(tx)
        accounts.revoke_token(tx, token.id, now=archive.clock())
    assert client.get(path).status_code == 401


def test_the_use_of_a_token_is_seen(archive: Archive, client: Client) -> None:
    """Whatever the answer was, and not more often than once a minute."""
    text = archive.token("ida@pier.example")
    begun = archive.clock()
    for _ in range(3):
        client.get(f"/api/records/77?access_token={text}")
        archive.clock.move(seconds=29)
    with archive.services.catalogue.read() as tx:
        assert accounts.list_tokens(tx)[0].last_used == begun
    client.get("/api/records", Authorization=f"Bearer {text}")
    with archive.services.catalogue.read() as tx:
        assert accounts.list_tokens(tx)[0].last_used == archive.clock()


def test_1_5_resource_tokens_grant_one_file(archive: Archive, app: FastAPI) -> None:
    """Its signer's number and address stand for who reads; any defect is 400 in a line, another file 403, a token that
    may not sign 400, and a revoked one from then on."""
    texts = [
        archive.token("ida@pier.example", scopes=scopes)
        for scopes in (["tokens:generate"], ["deposit:write"])
    ]
    with archive.services.catalogue.read() as tx:
        signing, plain = (one.id for one in accounts.list_tokens(tx))

    @app.get("/api/test/drafts/{draft_id}/{key:path}")
    def read(draft_id: int, key: str, viewer: ViewerHere, grant: GrantHere) -> JsonObject:
        reader = file_reader(viewer, grant, deposit_id=draft_id, key=key)
        return {"email": reader.email, "owner": reader.account_id, "scopes": list(reader.scopes)}

    def address(token_id: int, key: str, file: str = "a.csv") -> str:
        claims = {
            "iat": int(archive.clock().timestamp()),
            "sub": {"deposit_id": "12", "file": "a.csv", "access": "read"},
        }
        signed = jwt.encode(claims, key, "HS256", headers={"kid": str(token_id)})
        return f"/api/test/drafts/12/{file}?resource-token={signed}"

    client = Client(app)
    good = address(signing, texts[0])
    assert client.get(good).json() == {"email": "ida@pier.example", "owner": 1, "scopes": []}
    other = client.get(address(signing, texts[0], "b.csv"))
    assert (other.status_code, other.json()["status"]) == (403, 403)
    for bad in (
        address(plain, texts[1]),
        address(signing, texts[1] * 2),
        good[:-3],
        f"{good}&resource-token=",
    ):
        answer = client.get(bad)
        assert answer.status_code == 400
        assert answer.json().keys() == {"status", "message"}
        assert "\n" not in answer.json()["message"]
    assert client.get("/api/test/drafts/12/a.csv").json()["email"] is None
    with archive.services.catalogue.write() as tx:
        accounts.revoke_token(tx, signing, now=archive.clock())
    assert client.get(good).status_code == 400


def test_a01_a_token_works_on_uploads(archive: Archive, client: Client) -> None:
    """A draft is made, filled and read with the token in the query, and with the one in the header."""
    token = archive.token("ida@pier.example", scopes=["deposit:write"])
    for query, headers in ((f"?access_token={token}", {}), ("", {"Authorization": f"Bearer {token}"})):
        made = client.ask("POST", f"/api/deposit/depositions{query}", content=b"{}", **headers)
        assert made.status_code == 201
        file = urlsplit(made.json()["links"]["bucket"]).path + "/a.txt"
        assert client.ask("PUT", file + query, content=b"the bytes", **headers).status_code == 201
        assert client.get(file + query, **headers).content == b"the bytes"
        assert client.ask("PUT", file, content=b"others").status_code == 401
        assert client.get(file + query, **headers).content == b"the bytes"


def test_1_4_strangers_get_401_at_every_address_that_says_so(archive: Archive, client: Client) -> None:
    """Before anything is looked at that they ask for or bring. A token without a scope gets 403 wherever more than
    being known is needed."""
    unscoped = Client(create_app(archive.services), archive.token("ida@pier.example", scopes=["user:email"]))
    asked = []
    for path, operations in client.get("/api/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if {} in operation.get("security", [{}]):  # nobody need be known
                continue
            address = re.sub(r"{\w+}", "1", path)
            asked.append((method, path))
            assert (client.ask(method.upper(), address).status_code, path) == (401, path)
            if method in ("post", "put", "delete"):
                assert (unscoped.ask(method.upper(), address).status_code, path) == (403, path)
    assert {("post", "/api/deposit/depositions"), ("get", "/api/deposit/depositions")} <= set(asked)
