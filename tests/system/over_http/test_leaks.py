"""What one may not see is not told, in whatever way: two archives that differ in nothing else give whoever may not see
it the same answers, to the byte, for the same questions to the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
import pytest

from gateway.app import create_app
from pipeline import dispatch
from pipeline.model import Access, FilesAccess
from pipeline.pid.doi import version_doi
from tests.archive import Archive, open_archive
from tests.asking import Client
from tests.statements import counted_statements
from tests.system.over_http.contract.curators import account_id, choosing, founded, saying
from tests.system.over_http.contract.depositor import CSV, METADATA, Depositor, depositor, path_of
from tests.system.over_http.rights_table import ROWS


@dataclass(frozen=True)
class Hidden:
    """What is to be seen by some only: of drafts all, of closed records the files."""

    title: str
    description: str
    subject: str
    files: Mapping[str, bytes]
    said: str
    links: int


SOME = Hidden("Plover", "Nests.", "birds", {"plover.csv": CSV, "notes.txt": b"They nest."}, "Yes", 0)
OTHER = Hidden(
    "Sandpipers of the estuary",
    "<p>Where they roost, and with whom.</p>",
    "limicolae",
    {
        "roosts/map.pdf": b"%PDF-1.7\n" * 50,
        "notes.txt": b"They moult.",
        "sandpiper.csv": CSV * 30,
        "c.png": b"\x89PNG\r\n\x1a\n",
    },
    "Much longer a comment than the other",
    3,
)
_OPEN = "open.csv"


@dataclass(frozen=True)
class Shore:
    """An archive with something hidden in it. `filling` is what addresses are filled with, for each record."""

    archive: Archive
    client: Client
    other: Client
    filled: Mapping[str, Mapping[str, str]]
    community: str


def _made(archive: Archive, hidden: Hidden) -> Shore:
    ida, bo, cora = (depositor(archive, f"{name}@pier.example") for name in ("ida", "bo", "cora"))
    community = founded(cora, "shore")
    filled = {}
    for name, rights in (
        ("restricted", {"access_right": "restricted"}),
        ("embargoed", {"access_right": "embargoed", "embargo_date": "2026-04-01"}),
        ("closed", {"access_right": "closed"}),
        ("withdrawn", {"access_right": "restricted"}),
    ):
        made = ida.create(**rights)
        _filled_up(ida, made, hidden)
        ida.publish(made)
        filled[name] = _filling(archive, made)
    archive.withdraw(archive.record(int(filled["withdrawn"]["id"])))
    opened = ida.published()
    for action in ("edit", "newversion"):
        draft = ida.send("POST", opened["links"][action]).json()
        body = {"metadata": {**METADATA, **_described(hidden), "publication_date": "2026-03-09"}}
        assert ida.send("PUT", draft["links"]["self"], body).status_code == 200
        filled[action] = _filling(archive, draft)
    for name in ("draft", "reviewed"):
        made = ida.create(**_described(hidden), access_right="restricted")
        _filled_up(ida, made, hidden)
        filled[name] = _filling(archive, made)
    path = f"/api/records/{filled['reviewed']['id']}/draft"
    assert ida.send("PUT", f"{path}/review", choosing(community)).status_code == 200
    asked = ida.send("POST", f"{path}/actions/submit-review").json()
    comments = f"/api/requests/{asked['id']}/comments"
    assert ida.send("POST", comments, saying(hidden.said)).status_code == 201
    dispatch.drain(archive.services)
    app = create_app(archive.services)
    account_id(bo)
    token = archive.token(bo.email, scopes=("deposit:write", "deposit:actions"))
    return Shore(archive, Client(app), Client(app, token), filled, community["id"])


def _described(hidden: Hidden) -> dict[str, object]:
    return {"title": hidden.title, "description": hidden.description, "keywords": [hidden.subject]}


def _filled_up(who: Depositor, made: dict[str, object], hidden: Hidden) -> None:
    for key, content in hidden.files.items():
        path = f"/api/records/{made['id']}/draft/files"
        assert who.send("POST", path, [{"key": key}]).status_code == 201
        sent = who.client.ask("PUT", f"{path}/{key}/content", content=content)
        assert sent.status_code == 200, sent.text
        assert who.send("POST", f"{path}/{key}/commit").status_code == 200
    for number in range(hidden.links):
        link = {"permission": "view", "description": f"{hidden.said} {number}"}
        assert who.send("POST", f"/api/records/{made['id']}/access/links", link).status_code == 201


def _filling(archive: Archive, made: dict[str, object]) -> dict[str, str]:
    links = made["links"]
    assert isinstance(links, dict)
    number = int(str(made["id"]))
    return {
        "id": str(number),
        "doi": version_doi(archive.services.repository, number),
        "bucket": path_of(links["bucket"]).rpartition("/")[2],
        "key": _OPEN,
        "draft_key": _OPEN,
        "pending": _OPEN,
        "in_parts": _OPEN,
        "file_id": "1",
        "grantee": "1",
        "link": "x",
        "upload": "1",
        "request": "x",
        "comment": "x",
    }


@pytest.fixture(scope="module")
def shores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shore, Shore]]:
    with ExitStack() as stack:
        folders: list[Path] = [tmp_path_factory.mktemp("shore") for _ in range(2)]
        archives = [stack.enter_context(open_archive(folder / "home", full_text=1_000)) for folder in folders]
        some, other = (
            _made(archive, hidden) for archive, hidden in zip(archives, (SOME, OTHER), strict=True)
        )
        yield some, other


_SEARCHES = (
    "plover",
    "sandpiper",
    "plovres",
    "sandpipres",
    "moult",
    "files.text:nest",
    "roosts",
    "birds",
    "limicolae",
    "title:sandpipers",
    "description:roost*",
    "files.entries.key:*.pdf",
    "files.types:pdf",
    "files.count:[2 TO *]",
    "files.totalbytes:[100 TO *]",
    "filetype:csv",
    "_exists_:files.entries.key",
)
_FORMS = (
    "application/vnd.inveniordm.v1+json",
    "application/vnd.datacite.datacite+json",
    "application/x-bibtex",
    "application/ld+json",
)
_PREFIXES = ("oai_dc", "oai_datacite", "datacite", "marc21", "dcat")
# What has something that was given by chance in each answer, or tells of all the archive's work to those who run it.
_NOT_COMPARED = (
    "/login",
    "/signup",
    "/lost-password",
    "/account",
    "/metrics",
    "/healthz",
    "/api/communities/{community}/members",
)


def addresses(shore: Shore) -> Iterator[str]:
    """All that may be read of a shore's records, and where they might be found or counted."""
    for (method, _), row in ROWS.items():
        if method != "GET" or row.address.startswith(_NOT_COMPARED):
            continue
        if row.is_of_record:
            yield from (row.address.format_map(filling) for filling in shore.filled.values())
        else:
            filling = {**shore.filled["draft"], "community": shore.community}
            yield row.address.format_map(filling)
    for query in _SEARCHES:
        for path in ("/api/records", "/search", f"/api/communities/{shore.community}/records"):
            yield f"{path}?q={query}&all_versions=true&sort=bestmatch"
    for facet in ("file_type=pdf", "file_type=csv", "subject=birds", "access_status=restricted"):
        yield f"/api/records?{facet}&all_versions=true"
    for prefix in _PREFIXES:
        yield f"/oai2d?verb=ListRecords&metadataPrefix={prefix}"
        yield f"/oai2d?verb=ListIdentifiers&metadataPrefix={prefix}&set=user-shore"
    for filling in shore.filled.values():
        yield from (f"/records/{filling['id']}/export/{form}" for form in ("json", "datacite-xml", "bibtex"))
        yield f"/badge/doi/{filling['doi']}.svg"
        yield f"/record/{filling['id']}"
        yield f"/records/{filling['id']}?preview=1"


def _told(shore: Shore, answer: httpx.Response) -> tuple[object, ...]:
    """An answer without what is given by chance."""
    chance = [shore.community, *re.findall("csrftoken=([0-9a-f]{64})", str(answer.headers))]
    told = [str(answer.headers), answer.text]
    for word in chance:
        told = [one.replace(word, "") for one in told]
    return answer.status_code, *told


@pytest.mark.parametrize("who", ["a stranger", "somebody else"])
def test_nobody_learns_of_what_is_hidden_from_them(shores: tuple[Shore, Shore], who: str) -> None:
    """Neither a title, a description, a name, a number, a size or a type, nor that there is something to be counted or
    found, in any answer: page, record, list, search, facet, feed, export, badge, archive, error, header; and each takes
    the same questions to the catalogue, so its time does not tell it either."""
    some, other = shores
    paths = list(addresses(some))
    assert len(paths) > 400
    assert [path.replace(other.community, "") for path in addresses(other)] == [
        path.replace(some.community, "") for path in paths
    ]
    wrong = []
    for mine, theirs in zip(paths, addresses(other), strict=True):
        asked: list[tuple[object, ...]] = []
        for shore, path in ((some, mine), (other, theirs)):
            client = shore.client if who == "a stranger" else shore.other
            with counted_statements() as statements:
                answer = client.get(path)
            asked.append((*_told(shore, answer), statements))
        wrong += [f"{mine}: {one} {two}" for one, two in zip(*asked, strict=True) if one != two]
    assert not wrong, "\n".join(wrong)


def test_in_other_formats_nobody_learns_of_it_either(shores: tuple[Shore, Shore]) -> None:
    """Whatever is accepted of records, lists and versions."""
    for form in _FORMS:
        for name in shores[0].filled:
            told = []
            for shore in shores:
                number = shore.filled[name]["id"]
                paths = (f"/api/records/{number}", f"/api/records/{number}/versions", "/api/records?size=25")
                told.append([_told(shore, shore.client.get(path, Accept=form)) for path in paths])
            assert told[0] == told[1], (form, name)


def test_the_owner_is_told(shores: tuple[Shore, Shore]) -> None:
    """The archives do differ, at the addresses that were compared."""
    for shore, hidden in zip(shores, (SOME, OTHER), strict=True):
        client = Client(create_app(shore.archive.services), shore.archive.token("ida@pier.example"))
        listed = client.get(f"/api/records/{shore.filled['restricted']['id']}/files").json()["entries"]
        assert {one["key"] for one in listed} == set(hidden.files)
        draft = client.get(f"/api/records/{shore.filled['draft']['id']}/draft").json()
        assert draft["metadata"]["title"] == hidden.title
        assert hidden.title in client.get("/api/user/records").text


def _questions(asked: list[str]) -> list[str]:
    """Without the note that a token was used, which is made once in a while."""
    return [one for one in asked if not one.startswith(("BEGIN", "UPDATE token"))]


# ---------------------------------------------------------------- what refusals tell


def test_a_link_that_opens_nothing_is_refused_alike_whatever_is_wrong_with_it(
    archive: Archive, ida: Depositor
) -> None:
    """None, of another work, expired, deleted: the same answer, after as many questions to the catalogue; and so is one
    that is no link of ours, which is not looked up."""
    closed = ida.published(access_right="restricted")["id"]
    elsewhere = ida.published(access_right="restricted")["id"]

    def link(record_id: int, **more: str) -> tuple[str, str]:
        links = f"/api/records/{record_id}/access/links"
        made = ida.send("POST", links, {"permission": "view", **more}).json()
        return made["token"], f"{links}/{made['id']}"

    (good, _), (foreign, _), (expired, _), (deleted, path) = (
        link(closed),
        link(elsewhere),
        link(closed, expires_at="2026-03-10"),
        link(closed),
    )
    assert ida.send("DELETE", path).status_code == 204
    archive.clock.move(days=2)
    stranger = Client(create_app(archive.services))
    address = f"/api/records/{closed}/files/gauge.csv/content"
    assert stranger.get(f"{address}?token={good}").status_code == 200
    told = {}
    for name, token in {
        "foreign": foreign,
        "expired": expired,
        "deleted": deleted,
        "altered": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "garbled": "x",
    }.items():
        with counted_statements() as asked:
            answer = stranger.get(f"{address}?token={token}")
        told[name] = (answer.status_code, answer.text, list(answer.headers.items()), len(asked))
    assert [name for name, one in told.items() if one != told["foreign"]] == []
    assert told["foreign"][:2] == (403, stranger.get(address).text)


def test_a_draft_is_refused_alike_whatever_is_in_it(
    archive: Archive, ida: Depositor, other: Depositor
) -> None:
    """To somebody else, after the same questions, however large it is; that an id was given is no secret, what stands
    behind it is. Of one that was discarded it is as of one that was never given."""
    small, large, gone = ida.create(title="x"), ida.create(), ida.create()
    for number in range(12):
        assert ida.put(large, f"{number}.csv").status_code == 201
    assert ida.send("DELETE", gone["links"]["self"]).status_code == 204
    for address in (
        "/api/records/{}",
        "/records/{}",
        "/api/records/{}/draft",
        "/api/records/{}/draft/files",
        "/api/records/{}/files",
        "/api/deposit/depositions/{}",
        "/api/deposit/depositions/{}/files",
    ):
        told = []
        for number in (small["id"], large["id"], gone["id"], 999_999):
            with counted_statements() as asked:
                answer = other.client.get(address.format(number))
            told.append(
                (answer.status_code, re.sub(rf"(?<=/|F| ){number}\b", "", answer.text), _questions(asked))
            )
        assert told[0] == told[1], address
        assert told[2] == told[3], address
        assert told[0][0] in (403, 404), address
        assert told[2][0] == 404, address


# ---------------------------------------------------------------- embargoes


def test_an_embargo_ends_for_the_same_cost_however_large_the_record(archive: Archive, ida: Depositor) -> None:
    """By the clock alone: behind each door the same questions are asked for one file as for hundreds, before and after,
    nothing is written, and no byte is moved; what tells the outside of it moves none either."""
    until = Access(FilesAccess.RESTRICTED, date(2026, 3, 10))
    ours = [
        archive.publish(files={"secret.txt": b"x", **more}, access=until, owner=ida.email)
        for more in ({}, {f"{number}.bin": b"x" for number in range(400)})
    ]
    token = archive.token("jo@pier.example")
    doors = (
        "/api/records/{}",
        "/records/{}",
        "/api/records/{}/files/secret.txt",
        "/api/records/{}/files/secret.txt/content",
        "/records/{}/files/secret.txt",
        "/api/records/{}/formats?mimetype=application/x-test",
    )
    archive.clock.now = archive.clock.now.replace(hour=23, minute=59, second=59)

    def answered() -> list[list[tuple[int, int]]]:
        """For each door and asker the status and the number of questions, of the small and of the large record, by
        gateways that keep no answer yet."""
        found = []
        for shown in ("", token):
            client = Client(create_app(archive.services), shown)
            for door in doors:
                each = []
                for record in ours:
                    with counted_statements() as asked:
                        answer = client.get(door.format(record.id))
                    questions = _questions(asked)
                    assert all(one.startswith("SELECT") for one in questions)
                    each.append((answer.status_code, len(questions)))
                found.append(each)
        return found

    def kept() -> list[object]:
        root = archive.services.settings.home / "store"
        stored = sorted((str(one), one.stat().st_mtime_ns) for one in root.rglob("*"))
        assert stored
        return [stored, *(archive.record(one.id) for one in ours)]

    before, store = answered(), kept()
    archive.clock.move(seconds=1)
    after = answered()
    assert [each for each in (*before, *after) if each[0] != each[1]] == []
    assert {each[0][0] for each in after} == {200, 404}
    assert kept() == store
    with counted_statements() as asked:
        assert dispatch.lift_embargoes(archive.services) == 2
    assert len(asked) < 20
    assert sorted(dispatch.drain(archive.services).done) == ["announce", "index", "register"]
    assert kept()[0] == store[0]
