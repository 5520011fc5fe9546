"""Who may do what: every route of the application, for everybody who may come, in every state of a record; and that no
answer tells anything of what its reader may not see.

The states are made once. The catalogue takes no writes while they are asked about: who may change something gets 503,
and nothing of it happens.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from gateway.app import create_app
from gateway.http import sessions
from pipeline import dispatch
from pipeline.catalogue import accounts, communities, members
from pipeline.communities.roles import Power, Role, allows
from pipeline.model import Right
from pipeline.people.signing_in import begin_session
from pipeline.pid.doi import version_doi
from tests.archive import Archive, open_archive
from tests.asking import OTHER_NAME
from tests.system.over_http.contract.curators import founded
from tests.system.over_http.contract.depositor import Depositor, depositor, path_of
from tests.system.over_http.only_reading import OnlyRead
from tests.system.over_http.rights_rules import Answer, Asker, State
from tests.system.over_http.rights_table import ROWS, Row

pytestmark = pytest.mark.timeout(600)  # thousands of requests, which wait where others use the machine

PERMISSIONS = ("view", "preview", "edit", "manage")
KEY = "gauge.csv"
SESSION = "__Host-session"
_LOCKED = "Bucket is locked for modifications."


@dataclass(frozen=True)
class Sample:
    """A record in a state: what addresses are filled with, and the tokens of its links by their permission. Its title
    and one of its files are named after it, in no address."""

    state: State
    filling: dict[str, str]
    links: Mapping[str, str]

    @property
    def title(self) -> str:
        return f"Title {self.state.name.lower()}x"

    @property
    def file(self) -> str:
        return f"hidden-{self.state.name.lower()}x.csv"


@dataclass(frozen=True)
class Visitor:
    """`token` of their account, where they have one, and `session` the secret of one of theirs; `link` is the kind of
    link that they bring; `right` what they have to all samples by their account; `role` what they are in the community
    that has all published ones and reviews a draft."""

    name: str
    token: str = ""
    may_write: bool = True
    link: str = ""
    right: Right = Right.NONE
    admin: bool = False
    owner: bool = False
    role: Role | None = None
    session: str = ""

    def right_to(self, state: State) -> Right:
        """Without a link."""
        by_role = Right.NONE
        if allows(self.role, Power.CURATE) and state is State.REVIEW:
            by_role = Right.PREVIEW
        elif self.role is not None and not state.is_new:
            by_role = Right.VIEW
        return max(self.right, by_role)

    def asker(self, state: State) -> Asker:
        linked = Right.of(self.link) if self.link else Right.NONE
        return Asker(
            max(self.right_to(state), linked),
            known=bool(self.token),
            may_write=bool(self.token) and self.may_write,
            linked=bool(self.link),
            admin=self.admin,
            owner=self.owner,
            role=self.role,
        )


@dataclass(frozen=True)
class World:
    """`filling` is what addresses have that are no record's."""

    app: FastAPI
    filling: Mapping[str, str]
    samples: tuple[Sample, ...]
    visitors: tuple[Visitor, ...]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_archive(tmp_path_factory.mktemp("world")) as archive:
        yield _made(archive)


def _made(archive: Archive) -> World:
    ida = depositor(archive, "ida@pier.example")
    grantees = {one: depositor(archive, f"{one}@quay.example") for one in PERMISSIONS}
    cora = depositor(archive, "cora@tides.example")
    community_id = founded(cora, "tides")["id"]
    members_ = {
        role: archive.token(f"{role}@tides.example", scopes=("deposit:write", "deposit:actions"))
        for role in (Role.READER, Role.CURATOR)
    }
    samples = tuple(_sample(archive, ida, grantees, state) for state in State)
    under_review = next(one for one in samples if one.state is State.REVIEW)
    filling = _review(ida, under_review.filling["id"], community_id)
    under_review.filling["upload"] = _upload(ida, under_review.filling["id"])
    with archive.services.catalogue.write() as tx:
        for role in members_:
            account = accounts.find_account(tx, f"{role}@tides.example")
            assert account is not None
            members.add(tx, community_id, account.id, role, now=archive.clock())
        works = [int(one.filling["id"]) - 1 for one in samples if not one.state.is_new]
        communities.include(tx, [(concept_id, community_id) for concept_id in works])
    dispatch.drain(archive.services)
    both = ("deposit:write", "deposit:actions")
    visitors = (
        Visitor("a stranger"),
        Visitor("another user", archive.token("jo@quay.example", scopes=both)),
        Visitor("the owner", archive.token(ida.email, scopes=both), right=Right.MANAGE, owner=True),
        Visitor(
            "the owner with a token that may not write",
            archive.token(ida.email),
            may_write=False,
            right=Right.MANAGE,
            owner=True,
        ),
        Visitor(
            "an administrator",
            archive.token("root@archive.example", admin=True, scopes=both),
            right=Right.MANAGE,
            admin=True,
        ),
        *(Visitor(f"a stranger with a link to {one}", link=one) for one in PERMISSIONS[:3]),
        Visitor(
            "another user with a link to edit", archive.token("jo@quay.example", scopes=both), link="edit"
        ),
        *(
            Visitor(f"who was granted to {one}", archive.token(who.email, scopes=both), right=Right.of(one))
            for one, who in grantees.items()
        ),
    )
    visitors += tuple(
        Visitor(f"a {role} of the community", token, role=role) for role, token in members_.items()
    )
    visitors += (
        Visitor("the owner of the community", archive.token(cora.email, scopes=both), role=Role.OWNER),
    )
    visitors = tuple(_signed_in(archive, one) for one in visitors)
    app = create_app(archive.services)
    app.state.services = replace(archive.services, catalogue=OnlyRead(archive.services.catalogue))
    return World(app, filling, samples, visitors)


def _signed_in(archive: Archive, visitor: Visitor) -> Visitor:
    if not visitor.token:
        return visitor
    with archive.services.catalogue.write() as tx:
        token = accounts.verify_token(tx, visitor.token)
        assert token is not None
        session = begin_session(archive.services, tx, token.account, proved=archive.clock())
        return replace(visitor, session=session)


def _review(ida: Depositor, record_id: str, community_id: str) -> dict[str, str]:
    """The community is asked to review the draft, and something is said about it."""
    draft = f"/api/records/{record_id}/draft"
    chosen = {"type": "community-submission", "receiver": {"community": community_id}}
    assert ida.send("PUT", f"{draft}/review", chosen).status_code == 200
    asked = ida.send("POST", f"{draft}/actions/submit-review")
    assert asked.status_code == 202, asked.text
    request_id = asked.json()["id"]
    said = ida.send("POST", f"/api/requests/{request_id}/comments", {"payload": {"content": "Please."}})
    assert said.status_code == 201, said.text
    return {"community": community_id, "request": request_id, "comment": said.json()["id"], "key": KEY}


def _sample(archive: Archive, ida: Depositor, grantees: Mapping[str, Depositor], state: State) -> Sample:
    sample = Sample(state, {}, {})
    rights = {
        State.OPEN: {},
        State.EMBARGOED: {"access_right": "embargoed", "embargo_date": "2026-04-01"},
        State.CLOSED: {"access_right": "closed"},
    }
    made = ida.create(title=sample.title, **rights.get(state, {"access_right": "restricted"}))
    record_id = made["id"]
    for key in (KEY, sample.file):
        assert ida.put(made, key).status_code == 201
    attached = ida.client.ask(
        "PUT",
        f"/api/deposit/depositions/{record_id}/formats",
        content=b"x",
        content_type="application/x-test",
    )
    assert attached.status_code == 200
    links = _shared(archive, ida, grantees, record_id)
    filling = {
        "id": str(record_id),
        "key": KEY,
        "draft_key": KEY,
        "doi": version_doi(archive.services.repository, record_id),
        "bucket": path_of(made["links"]["bucket"]).rpartition("/")[2],
        "grantee": _account(archive, grantees["view"].email),
        "link": next(iter(links.values())).partition(".")[0],
        "upload": "1",
    }
    if state is State.DRAFT:
        filling |= _under_way(ida, record_id)
    elif state is State.REVIEW:
        filling |= {"pending": KEY, "in_parts": KEY}
    else:
        ida.publish(made)
        filling |= {"pending": "pending.csv", "in_parts": "parts.bin"}
    if state is State.EDITED:
        edit = ida.send("POST", made["links"]["edit"]).json()
        filling["bucket"] = path_of(edit["links"]["bucket"]).rpartition("/")[2]
    listed = ida.send("GET", f"/api/deposit/depositions/{record_id}/files").json()
    filling["file_id"] = next(one["id"] for one in listed if one["filename"] == KEY)
    if state is State.DELETED:
        archive.withdraw(archive.record(record_id))
    return Sample(state, filling, links)


def _shared(
    archive: Archive, ida: Depositor, grantees: Mapping[str, Depositor], record_id: int
) -> dict[str, str]:
    """The tokens of a work's links, by their permission; grants are given as well."""
    access = f"/api/records/{record_id}/access"
    links = {
        one: ida.send("POST", f"{access}/links", {"permission": one}).json()["token"]
        for one in PERMISSIONS[:3]
    }
    grants = [
        {"subject": {"type": "user", "id": _account(archive, who.email)}, "permission": one}
        for one, who in grantees.items()
    ]
    assert ida.send("POST", f"{access}/grants", {"grants": grants}).status_code == 201
    return links


def _account(archive: Archive, email: str) -> str:
    with archive.services.catalogue.read() as tx:
        found = accounts.find_account(tx, email)
    assert found is not None
    return str(found.id)


def _under_way(ida: Depositor, record_id: int) -> dict[str, str]:
    """Files that have not come yet, by each way in which they may."""
    transfer = {"type": "M", "parts": 2, "part_size": 5 << 20}
    announced = ida.send(
        "POST",
        f"/api/records/{record_id}/draft/files",
        [{"key": "pending.csv"}, {"key": "parts.bin", "size": 6 << 20, "transfer": transfer}],
    )
    assert announced.status_code == 201, announced.text
    return {"pending": "pending.csv", "in_parts": "parts.bin", "upload": _upload(ida, record_id)}


def _upload(ida: Depositor, record_id: object) -> str:
    begun = ida.client.ask(
        "POST",
        f"/api/deposit/depositions/{record_id}/uploads",
        tus_resumable="1.0.0",
        upload_length="3",
        upload_metadata="filename YS5jc3Y=",
    )
    assert begun.status_code == 201, begun.text
    return begun.headers["location"].rpartition("/")[2]


# ---------------------------------------------------------------- asking


@dataclass(frozen=True)
class Asked:
    """A request of a visitor about a sample (None where it is about no record), and its answer."""

    method: str
    row: Row
    visitor: Visitor
    sample: Sample | None
    answer: httpx.Response

    @property
    def wanted(self) -> Answer:
        if self.sample is None:
            # A link is of one sample, and presented there only.
            return self.row.rule(replace(self.visitor, link="").asker(State.OPEN), State.OPEN)
        return self.row.rule(self.visitor.asker(self.sample.state), self.sample.state)

    @property
    def found(self) -> Answer | str:
        status = self.answer.status_code
        if status == 403 and _LOCKED in self.answer.text:
            # Whoever may change the draft is told that its files are a record's by now.
            return Answer.LET
        if status >= 500 and status != 503:
            return str(status)
        if status == 404 and self.sample is None:
            return Answer.LET
        known = {401: Answer.UNKNOWN, 403: Answer.DENIED, 404: Answer.MISSING, 410: Answer.GONE}
        return known.get(status, Answer.LET)

    def __str__(self) -> str:
        about = self.sample.state.name if self.sample else "none"
        return (
            f"{self.visitor.name}: {self.method} {self.answer.request.url.raw_path.decode()} ({about}): "
            f"wanted {self.wanted.value}, got {self.answer.status_code} {self.answer.text[:200]!r}"
        )


@asynccontextmanager
async def _client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=OTHER_NAME) as client:
        yield client


async def _every(world: World) -> list[Asked]:
    async with _client(world.app) as client:
        return [
            Asked(method, row, visitor, sample, await _ask(client, world, method, row, visitor, sample))
            for (method, _), row in ROWS.items()
            for visitor in world.visitors
            for sample in (world.samples if row.is_of_record else [None])
        ]


async def _ask(
    client: httpx.AsyncClient, world: World, method: str, row: Row, visitor: Visitor, sample: Sample | None
) -> httpx.Response:
    filling = sample.filling if sample else world.filling
    url = httpx.URL(row.address.format_map(filling))
    if visitor.link and sample is not None:
        url = url.copy_add_param("token", sample.links[visitor.link])
    headers = dict(row.headers)
    body = row.body
    if row.in_session and visitor.session:
        headers["Cookie"] = f"{SESSION}={visitor.session}"
        body += f"&csrf_token={sessions.csrf_token(visitor.session)}" if method == "POST" else ""
    elif visitor.token:
        headers["Authorization"] = f"Bearer {visitor.token}"
    return await client.request(method, url, content=body.encode(), headers=headers)


@pytest.fixture(scope="module")
def asked(world: World) -> list[Asked]:
    return asyncio.run(_every(world))


# ---------------------------------------------------------------- what must hold


def test_every_route_has_a_row(world: World) -> None:
    """For each of its methods; a new route is not answered before it is said here whom. No row is of a route that is
    not there."""
    routes = {
        (method, str(one.path))
        for one in iter_route_contexts(world.app.routes)
        if isinstance(one.original_route, APIRoute)
        for method in one.methods or ()
    }
    implied = {("HEAD", path) for method, path in routes if method == "GET"}
    without, strange = sorted(routes - implied - ROWS.keys()), sorted(ROWS.keys() - routes)
    assert not without, "\n".join(map(str, without))
    assert not strange, "\n".join(map(str, strange))


def test_everybody_may_do_what_the_table_says(asked: list[Asked]) -> None:
    """At every route, in every state of a record."""
    assert len(asked) > 5_000
    wrong = [str(one) for one in asked if one.found is not one.wanted]
    assert not wrong, "\n".join(wrong)


def test_no_answer_tells_what_its_reader_may_not_see(world: World, asked: list[Asked]) -> None:
    """Neither the title of a draft nor the name of a closed file, of the record that was asked for or of any other,
    stands in the body or the headers of an answer: of a list, a search, a feed, an export, an error, or an archive."""
    told = [
        f"{one}: {secret}"
        for one in asked
        for secret in _secrets(world, one)
        if secret in one.answer.text or secret in str(one.answer.headers)
    ]
    assert not told, "\n".join(told)


def _secrets(world: World, one: Asked) -> Iterator[str]:
    """What whoever asked may not be told of any sample. A link is presented for the one sample that is asked for."""
    for sample in world.samples:
        right = one.visitor.right_to(sample.state)
        if one.sample is sample:
            right = one.visitor.asker(sample.state).right
        if sample.state.is_closed and right < Right.VIEW:
            yield sample.file
        if sample.state.is_new and right < Right.PREVIEW:
            yield sample.title


def test_what_is_not_hidden_is_told(world: World, asked: list[Asked]) -> None:
    """The words that the test before looks for are those that answers are made of: the owner is told each of them, and
    everybody the titles of published records."""
    for sample in world.samples:
        about = [one for one in asked if one.sample is sample or one.sample is None]
        owners = "".join(one.answer.text for one in about if one.visitor.name == "the owner")
        assert (sample.file in owners) == (sample.state is not State.DELETED)
        strangers = "".join(one.answer.text for one in about if one.visitor.name == "a stranger")
        assert (sample.title in strangers) == (not sample.state.is_new)
