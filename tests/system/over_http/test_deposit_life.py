"""The life of deposits over HTTP against a plain model of it: whatever two people do, one after the other or at once,
by the legacy API or by InvenioRDM's, each is answered as the model says, and what is there is what the model has."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.depositing.handles import Kind, handle
from pipeline import dispatch
from pipeline.stewardship.stocktaking import compare
from tests import ocfl_root
from tests.archive import Archive
from tests.system.over_http.contract.depositor import DEPOSITIONS, LEAST, METADATA, Depositor, depositor

# ---------------------------------------------------------------- the model


@dataclass(frozen=True)
class Draft:
    owner: str
    work: str
    kind: str
    title: str
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Version:
    owner: str
    work: str
    title: str
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Act:
    """What somebody does: to a deposition, to its file `name`, with a `title` or `content`."""

    what: str
    who: str
    id: int
    name: str = ""
    value: str = ""


@dataclass(frozen=True)
class Life:
    """Open drafts and published versions by id; versions in the order of their publication."""

    drafts: Mapping[int, Draft] = field(default_factory=dict)
    published: Mapping[int, Version] = field(default_factory=dict)

    def work_of(self, id_: int) -> str | None:
        found = self.drafts.get(id_) or self.published.get(id_)
        return found.work if found else None

    def newest(self, work: str) -> Version:
        # An edit that is published again is no newer version: ids of versions grow.
        return self.published[max(id_ for id_, one in self.published.items() if one.work == work)]

    def shown(self, id_: int) -> tuple[str, str, dict[str, str]] | None:
        """What its owner sees of a deposition: (state, title, MD5 by file)."""
        found = self.drafts.get(id_) or self.published.get(id_)
        if found is None:
            return None
        state = "done"
        if isinstance(found, Draft):
            state = "inprogress" if found.kind == "edit" else "unsubmitted"
        return state, found.title, {name: md5(content.decode()) for name, content in found.files.items()}

    def with_draft(self, id_: int, draft: Draft) -> Life:
        return replace(self, drafts={**self.drafts, id_: draft})

    def without_draft(self, id_: int) -> Life:
        return replace(self, drafts={one: draft for one, draft in self.drafts.items() if one != id_})


def step(life: Life, act: Act, new_id: int) -> tuple[int, Life]:
    """(the status that an act is answered with, what is there after it). A new version, if one begins, has `new_id`."""
    if act.what == "edit":
        return _edit(life, act)
    if act.what in ("newversion", "versions"):
        return _new_version(life, act, new_id)
    draft = life.drafts.get(act.id)
    if draft is None:
        return 404, life
    if draft.owner != act.who:
        return 403, life
    match act.what:
        case "describe":
            return 200, life.with_draft(act.id, replace(draft, title=act.value))
        case "discard" | "delete":
            return 204, life.without_draft(act.id)
        case "publish":
            return _publish(life, act.id, draft)
        case _:
            return _files(life, act, draft)


def _files(life: Life, act: Act, draft: Draft) -> tuple[int, Life]:
    match act.what:
        case _ if draft.kind == "edit":
            return 403, life
        case "import" if draft.kind == "new":
            return 404, life
        case "import" if draft.files:
            return 400, life
        case "import":
            return 201, life.with_draft(act.id, replace(draft, files=life.newest(draft.work).files))
        case "upload":
            files = {**draft.files, act.name: act.value.encode()}
            return 201, life.with_draft(act.id, replace(draft, files=files))
        case _:
            if act.name not in draft.files:
                return 404, life
            files = {name: content for name, content in draft.files.items() if name != act.name}
            return 204, life.with_draft(act.id, replace(draft, files=files))


def _publish(life: Life, id_: int, draft: Draft) -> tuple[int, Life]:
    if not draft.title or not draft.files:
        return 400, life
    version = Version(draft.owner, draft.work, draft.title, draft.files)
    return 202, replace(life.without_draft(id_), published={**life.published, id_: version})


def _edit(life: Life, act: Act) -> tuple[int, Life]:
    found = life.drafts.get(act.id) or life.published.get(act.id)
    if found is None:
        return 404, life
    if found.owner != act.who:
        return 403, life
    if isinstance(found, Draft):
        return 201, life
    return 201, life.with_draft(act.id, Draft(found.owner, found.work, "edit", found.title, found.files))


def _new_version(life: Life, act: Act, new_id: int) -> tuple[int, Life]:
    base = life.published.get(act.id)
    if base is None:
        return 404, life
    if base.owner != act.who:
        return 403, life
    last, takes_over = life.newest(base.work), act.what == "newversion"
    for id_, one in life.drafts.items():
        if one.work == base.work and one.kind == "version":
            # The legacy API gives one without files those of the version before.
            files = one.files or (last.files if takes_over else {})
            return 201, life.with_draft(id_, replace(one, files=files))
    files = last.files if takes_over else {}
    return 201, life.with_draft(new_id, Draft(last.owner, last.work, "version", last.title, files))


def outcomes(life: Life, acts: tuple[Act, Act], new_ids: tuple[int, int]) -> list[tuple[list[int], Life]]:
    """(statuses of two acts at once, what is there after them): one came first, or the other."""
    found = []
    for first, second in ((0, 1), (1, 0)):
        status, between = step(life, acts[first], new_ids[first])
        other, after = step(between, acts[second], new_ids[second])
        found.append(([status, other] if first == 0 else [other, status], after))
    for upload, publish in ((0, 1), (1, 0)):
        if (acts[upload].what, acts[publish].what) == ("upload", "publish"):
            # An upload takes its time: while it lasts its draft is not published.
            status, after = step(life, acts[upload], 0)
            if (
                status == 201
                and acts[publish].who == acts[upload].who
                and acts[publish].id == acts[upload].id
            ):
                found.append(([201, 400] if upload == 0 else [400, 201], after))
    return found


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


# ---------------------------------------------------------------- the machine

WHAT = st.sampled_from(
    [
        "describe",
        "upload",
        "upload",
        "remove",
        "publish",
        "publish",
        "edit",
        "discard",
        "delete",
        "newversion",
        "versions",
        "import",
    ]
)
API = st.sampled_from([0, 1])
"""Each person's first client uses the legacy API, the second InvenioRDM's, where there is a choice."""
# Acts of somebody else are refused, so they come seldom.
IS_OWNERS = st.sampled_from([True, True, True, True, False])
NAME = st.sampled_from(["a.csv", "b.csv"])
VALUE = st.text("xyz", min_size=3, max_size=6)
INDEX = st.integers(0, 20)
PEOPLE = ("ida@pier.example", "jo@pier.example")


class Deposits(RuleBasedStateMachine):
    """Two people, each with two clients on gateways of their own."""

    def __init__(self, archive: Archive, clients: Mapping[str, tuple[Depositor, Depositor]]) -> None:
        super().__init__()
        self.archive = archive
        self.clients = clients
        self.life = Life()
        self.owners: dict[int, str] = {}

    @initialize(who=st.sampled_from(PEOPLE))
    def begin(self, who: str) -> None:
        """With a published deposition, or little else would happen."""
        self.somebody_creates_a_deposition(who, title="Tides")
        [id_] = self.owners
        for act in (Act("upload", who, id_, "a.csv", "first"), Act("publish", who, id_)):
            self._do(act)

    @rule(who=st.sampled_from(PEOPLE), title=st.just("") | VALUE)
    def somebody_creates_a_deposition(self, who: str, title: str) -> None:
        body = {"metadata": {**METADATA, "title": title}} if title else {}
        answer = self.clients[who][0].send("POST", DEPOSITIONS, body)
        assert answer.status_code == 201
        document = answer.json()
        self.owners[document["id"]] = who
        self.life = self.life.with_draft(
            document["id"], Draft(who, document["conceptrecid"], "new", title, {})
        )
        self._look([document["id"]])

    @rule(index=INDEX, what=WHAT, is_owners=IS_OWNERS, name=NAME, value=VALUE, api=API)
    def somebody_acts(self, index: int, what: str, is_owners: bool, name: str, value: str, api: int) -> None:
        self._do(self._act(self._id(index), what, is_owners, name, value), api)

    def _do(self, act: Act, api: int = 0) -> httpx.Response:
        answer = self._send(act, api)
        status, self.life = step(self.life, act, self._note(act, answer))
        assert answer.status_code == status, (act, answer.text)
        self._look(self._beside(act.id))
        return answer

    @precondition(lambda self: self.life.published)
    @rule(index=INDEX, name=NAME, value=VALUE)
    def a_version_follows(self, index: int, name: str, value: str) -> None:
        """Three acts of an owner that seldom come one after the other by themselves."""
        published = list(self.life.published)
        id_ = published[index % len(published)]
        who = self.owners[id_]
        new_id = self._do(Act("newversion", who, id_)).json()["id"]
        for act in (Act("upload", who, new_id, name, value), Act("publish", who, new_id)):
            self._do(act)

    @rule(
        index=INDEX,
        whats=st.tuples(WHAT, WHAT),
        are_owners=st.tuples(IS_OWNERS, IS_OWNERS),
        names=st.tuples(NAME, NAME),
        values=st.tuples(VALUE, VALUE),
    )
    def two_act_at_once(
        self,
        index: int,
        whats: tuple[str, str],
        are_owners: tuple[bool, bool],
        names: tuple[str, str],
        values: tuple[str, str],
    ) -> None:
        id_ = self._id(index)
        first, second = (
            self._act(id_, what, is_owners, name, value)
            for what, is_owners, name, value in zip(whats, are_owners, names, values, strict=True)
        )
        start = threading.Barrier(2)

        def send(act: Act, client: int) -> httpx.Response:
            start.wait(10)
            return self._send(act, client)

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(send, (first, second), (0, 1)))
        new_ids = self._note(first, answers[0]), self._note(second, answers[1])
        statuses = [one.status_code for one in answers]
        possible = [
            after for expected, after in outcomes(self.life, (first, second), new_ids) if expected == statuses
        ]
        assert possible, (first, second, [one.text for one in answers])
        seen = {one: self._seen(one) for one in self._beside(id_)}
        fitting = [after for after in possible if all(after.shown(one) == seen[one] for one in seen)]
        assert fitting, (first, second, statuses, seen)
        self.life = fitting[0]

    @rule()
    def effects_are_brought_about(self) -> None:
        dispatch.drain(self.archive.services)

    def teardown(self) -> None:
        """Everybody reads of the published what was published."""
        for id_, version in self.life.published.items():
            client = self.clients[PEOPLE[0]][0].client
            document = client.get(f"/api/records/{id_}").json()
            assert document["metadata"]["title"] == version.title
            for name, content in version.files.items():
                assert client.get(f"/api/records/{id_}/files/{name}/content").content == content

    # ------------------------------------------------------------ acts

    def _id(self, index: int) -> int:
        return list(self.owners)[index % len(self.owners)]

    def _act(self, id_: int, what: str, is_owners: bool, name: str, value: str) -> Act:
        owner = self.owners[id_]
        who = owner if is_owners else next(one for one in PEOPLE if one != owner)
        return Act(what, who, id_, name, value)

    def _send(self, act: Act, client: int) -> httpx.Response:
        who = self.clients[act.who][client]
        own, draft = f"{DEPOSITIONS}/{act.id}", f"/api/records/{act.id}/draft"
        bucket = f"/api/files/{handle(self.archive.services.repository, Kind.RECORD, act.id)}"
        match act.what:
            case "versions":
                return who.send("POST", f"/api/records/{act.id}/versions")
            case "import":
                return who.send("POST", f"{draft}/actions/files-import")
            case "describe" if client:
                return who.send("PUT", draft, {"metadata": {**LEAST, "title": act.value}})
            case "edit" if client:
                return who.send("POST", draft)
            case "publish" if client:
                return who.send("POST", f"{draft}/actions/publish")
            case "discard" | "delete" if client:
                return who.send("DELETE", draft)
            case "describe":
                return who.send("PUT", own, {"metadata": {**METADATA, "title": act.value}})
            case "delete":
                return who.send("DELETE", own)
            case "upload":
                return who.client.ask("PUT", f"{bucket}/{act.name}", content=act.value.encode())
            case "remove":
                return who.client.ask("DELETE", f"{bucket}/{act.name}")
            case _:
                return who.send("POST", f"{own}/actions/{act.what}")

    def _note(self, act: Act, answer: httpx.Response) -> int:
        """The id of the new version that an act was answered with, 0 for any other."""
        if act.what not in ("newversion", "versions") or answer.status_code != 201:
            return 0
        id_: int = answer.json()["id"]
        self.owners.setdefault(id_, act.who)
        return id_

    # ------------------------------------------------------------ what is there

    def _beside(self, id_: int) -> list[int]:
        """The deposition and those of the same work."""
        work = self.life.work_of(id_)
        return [one for one in self.owners if one == id_ or (work and self.life.work_of(one) == work)]

    def _look(self, ids: list[int]) -> None:
        for id_ in ids:
            assert self._seen(id_) == self.life.shown(id_)

    def _seen(self, id_: int) -> tuple[str, str, dict[str, str]] | None:
        answer = self.clients[self.owners[id_]][0].send("GET", f"{DEPOSITIONS}/{id_}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        files = {one["filename"]: one["checksum"] for one in document["files"]}
        return document["state"], document["title"], files


def test_deposits_live_as_their_model(each_archive: Archive) -> None:
    """Each act is answered as the model says; two at once as if one had come first. In the end store and catalogue
    agree, no upload is open, and the storage root is valid."""
    clients = {one: (depositor(each_archive, one), depositor(each_archive, one)) for one in PEOPLE}
    machine: Callable[[], Deposits] = lambda: Deposits(each_archive, clients)  # noqa: E731 - a factory with a type
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    services = each_archive.services
    dispatch.drain(services)
    assert list(compare(services)) == []
    assert list(services.store.open_uploads()) == []
    assert ocfl_root.problems(ocfl_root.fetched(services.store, services.settings.home / "fetched")) == []
