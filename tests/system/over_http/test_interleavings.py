"""Pairs of transactions that PostgreSQL lets interleave (SQLite has one writer at a time): each pair is brought into
the order that would do harm, and does none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.app import create_app
from pipeline import dispatch, publication
from pipeline.catalogue import events, extra_formats
from pipeline.errors import Conflict
from pipeline.model import EventType, RecordState
from tests.archive import Archive, open_archive
from tests.asking import Client
from tests.browsing import visitor
from tests.eicar import EICAR
from tests.held_up import held_up
from tests.system.over_http.contract.curators import (
    COMMUNITIES,
    account_id,
    choosing,
    communities_of,
    done,
    founded,
    joined,
)
from tests.system.over_http.contract.depositor import CSV, DEPOSITIONS, METADATA, depositor


@pytest.fixture
def archive(tmp_path: Path, postgres_catalogue: str) -> Iterator[Archive]:
    with open_archive(tmp_path / "home", database=postgres_catalogue) as opened:
        yield opened


def test_a_verdict_that_is_given_while_its_draft_is_published_is_not_lost(
    archive: Archive, postgres_catalogue: str
) -> None:
    """The draft's files were copied into the record already, and the draft still had them to note a verdict in: the
    infected record is out of service all the same."""
    ida = depositor(archive, "ida@pier.example")
    deposition = ida.create()
    ida.put(deposition, "bad.com", EICAR)
    with ThreadPoolExecutor(1) as pool:
        # DOIs are written between the copy and the end of the draft.
        with held_up(postgres_catalogue, "LOCK TABLE doi IN SHARE ROW EXCLUSIVE MODE") as until_waiting:
            published = pool.submit(ida.publish, deposition)
            until_waiting(1)
            dispatch.drain(archive.services)
        assert published.result(30)["state"] == "done"
    dispatch.drain(archive.services)
    assert archive.record(deposition["id"]).state is RecordState.WITHDRAWN


def test_no_extra_format_outlives_its_draft(archive: Archive, postgres_catalogue: str) -> None:
    """Which was discarded when the document was about to be attached: whoever comes first, nothing is left."""
    ida = depositor(archive, "ida@pier.example")
    draft = ida.create()
    path = f"{DEPOSITIONS}/{draft['id']}/formats"
    columns = "record_id, media_type, content, size, md5, created, updated"
    same = f"{draft['id']}, 'application/custom+xml', '', 0, '', now(), now()"
    with ThreadPoolExecutor(2) as pool:
        with held_up(
            postgres_catalogue, f"INSERT INTO extra_format ({columns}) VALUES ({same})"
        ) as until_waiting:
            put = pool.submit(ida.client.ask, "PUT", path, content=CSV, content_type="application/custom+xml")
            until_waiting(1)
            discard = pool.submit(ida.send, "DELETE", draft["links"]["self"])
            # Not for the document, which is not there yet: for whoever attaches it.
            until_waiting(2)
        assert (put.result(30).status_code, discard.result(30).status_code) == (200, 204)
    with archive.services.catalogue.read() as tx:
        assert extra_formats.of_record(tx, draft["id"]) == []


def withdraw(archive: Archive, record_id: int, *, by: str) -> bool:
    """Whether it was still there to be withdrawn."""
    try:
        publication.withdraw(archive.services, record_id, reason="retracted", note="", by=by)
    except Conflict:
        return False
    return True


def test_of_two_withdrawals_at_once_there_is_one(archive: Archive, postgres_catalogue: str) -> None:
    """The second finds the record withdrawn: tombstone and event are those of the first."""
    record = archive.publish()
    with ThreadPoolExecutor(2) as pool:
        with held_up(postgres_catalogue, "LOCK TABLE doi IN SHARE ROW EXCLUSIVE MODE") as until_waiting:
            first = pool.submit(withdraw, archive, record.id, by="first@pier.example")
            until_waiting(1)
            second = pool.submit(withdraw, archive, record.id, by="second@pier.example")
            until_waiting(2)
        assert (first.result(30), second.result(30)) == (True, False)
    tombstone = archive.record(record.id).tombstone
    assert tombstone is not None
    assert tombstone.removed_by == "first@pier.example"
    with archive.services.catalogue.read() as tx:
        found = [one for one in events.of_records(tx, record.id) if one.type is EventType.DEACCESSION]
    assert [one.agent for one in found] == ["first@pier.example"]


def test_when_the_newest_versions_are_withdrawn_at_once_the_one_before_stands_for_the_work(
    archive: Archive, postgres_catalogue: str, client: Client
) -> None:
    """Whichever comes first, search finds the version that is left."""
    first = archive.publish(title="Harbour gauge")
    second = archive.publish(title="Harbour gauge", version_of=first)
    third = archive.publish(title="Harbour gauge", version_of=second)
    lock = f"SELECT 1 FROM doi WHERE record_id = {second.id} FOR UPDATE"
    with ThreadPoolExecutor(2) as pool:
        with held_up(postgres_catalogue, lock) as until_waiting:
            before = pool.submit(withdraw, archive, second.id, by="ida@pier.example")
            until_waiting(1)
            newest = pool.submit(withdraw, archive, third.id, by="ida@pier.example")
            until_waiting(2)
        assert (before.result(30), newest.result(30)) == (True, True)
    archive.clock.move(seconds=1)
    dispatch.drain(archive.services)
    hits = client.get("/api/records?q=harbour").json()["hits"]["hits"]
    assert [one["id"] for one in hits] == [first.id]


def test_a_form_publishes_nothing_that_somebody_else_saved_meanwhile(
    archive: Archive, postgres_catalogue: str
) -> None:
    """Who saves right behind the form has the draft, or comes too late: the form is published, or nothing is."""
    ida = depositor(archive, "ida@pier.example")
    owner = visitor(archive, create_app(archive.services), ida.email)
    for _ in range(3):
        draft = ida.create()
        ida.put(draft, "gauge.csv")
        path = f"/uploads/{draft['id']}"
        body = {"metadata": {**METADATA, "title": "Somebody else's"}}
        with ThreadPoolExecutor(2) as pool:
            with held_up(postgres_catalogue, "SELECT 1 FROM draft FOR UPDATE") as until_waiting:
                by_form = pool.submit(owner.submit, path, f"{path}/publish", action_of=path, title="Theirs")
                until_waiting(1)
                saved = pool.submit(ida.send, "PUT", draft["links"]["self"], body)
                until_waiting(2)
            published = by_form.result(30).status_code == 303
            assert published != (saved.result(30).status_code == 200)
        if published:
            assert archive.record(draft["id"]).description.metadata["title"] == "Theirs"


# ---------------------------------------------------------------- rights that are taken away meanwhile


def test_a_right_that_was_taken_away_first_lets_nothing_be_accepted(
    archive: Archive, postgres_catalogue: str
) -> None:
    """Neither the work nor the draft of a new one comes into the community of who managed it, though they asked before
    and accept while the grant is being revoked."""
    ida, jo = (depositor(archive, f"{name}@pier.example") for name in ("ida", "jo"))
    community = founded(jo, "tides")
    work, draft = ida.published()["id"], ida.create()["id"]
    assert ida.put(ida.send("GET", f"{DEPOSITIONS}/{draft}").json(), "gauge.csv").status_code == 201
    grant = {"grants": [{"subject": {"type": "user", "id": account_id(jo)}, "permission": "manage"}]}
    for record_id in (work, draft):
        answer = ida.send("POST", f"/api/records/{record_id}/access/grants", grant)
        assert answer.status_code == 201
    asked = {"communities": [{"id": community["id"], "require_review": True}]}
    [included] = jo.send("POST", f"/api/records/{work}/communities", asked).json()["processed"]
    review = f"/api/records/{draft}/draft"
    assert jo.send("PUT", f"{review}/review", choosing(community)).status_code == 200
    reviewed = jo.send("POST", f"{review}/actions/submit-review").json()
    for record_id, request_id in ((work, included["request_id"]), (draft, reviewed["id"])):
        # As here, a concept has the number before its first version's.
        lock = f"SELECT 1 FROM concept WHERE id = {record_id - 1} FOR UPDATE"
        with ThreadPoolExecutor(2) as pool:
            with held_up(postgres_catalogue, lock) as until_waiting:
                path = f"/api/records/{record_id}/access/users/{account_id(jo)}"
                revoked = pool.submit(ida.send, "DELETE", path)
                until_waiting(1)
                accepted = pool.submit(jo.send, "POST", f"/api/requests/{request_id}/actions/accept")
                until_waiting(2)
            assert (revoked.result(30).status_code, accepted.result(30).status_code) == (204, 400)
    assert communities_of(ida, work) == []
    assert ida.client.get(f"/api/records/{draft}").status_code == 404


def test_who_was_dismissed_first_changes_the_community_no_more(
    archive: Archive, postgres_catalogue: str
) -> None:
    """Nor its logo, nor what is in it."""
    ida, jo = (depositor(archive, f"{name}@pier.example") for name in ("ida", "jo"))
    community = founded(ida, "tides")
    work = ida.published()["id"]
    body = {"communities": [{"id": community["id"]}]}
    [asked] = ida.send("POST", f"/api/records/{work}/communities", body).json()["processed"]
    done(ida, asked["request"], "accept")
    path, number = f"{COMMUNITIES}/{community['id']}", account_id(jo)
    acts = {
        "": {"slug": "tides", "metadata": {"title": "Theirs"}, "access": community["access"]},
        "/records": {"records": [{"id": str(work)}]},
        "/logo": None,
    }
    lock = f"SELECT 1 FROM community WHERE id = '{community['id']}' FOR UPDATE"
    for below, content in acts.items():
        joined(jo, ida, community, "manager")
        method = "PUT" if not below else "DELETE"
        with ThreadPoolExecutor(2) as pool:
            with held_up(postgres_catalogue, lock) as until_waiting:
                gone = {"members": [{"type": "user", "id": number}]}
                dismissed = pool.submit(ida.send, "DELETE", f"{path}/members", gone)
                until_waiting(1)
                changed = pool.submit(jo.send, method, path + below, content)
                until_waiting(2)
            assert dismissed.result(30).status_code == 204
            answer = changed.result(30)
            assert answer.status_code == 403, (below, answer.text)
    assert communities_of(ida, work) == ["tides"]
