"""What came over HTTP is looked into by the *examine* effect, with a real clamd: format and viruses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import dispatch
from pipeline.catalogue import draft_files, drafts, outbox, record_files
from pipeline.ingest.eicar import EicarScanner, EicarSession
from pipeline.model import EffectKind, RecordState, ScanStatus
from pipeline.ports import ScanResumption
from tests.archive import Archive, Clock, open_archive
from tests.command import Instance
from tests.eicar import EICAR
from tests.system.over_http.contract.curators import founded
from tests.system.over_http.contract.depositor import CSV, Depositor, depositor, path_of
from tests.system.over_http.parts import announced, commit, send
from tests.zipped import TOO_DEEP

PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex(
    "0000000d494844520000000100000001080600000"
    "01f15c4890000000d4944415478da6364f8cf500f0003860180"
    "5a347d6b0000000049454e44ae426082"
)


@pytest.fixture(params=["none", "publish"])
def scanned(request: pytest.FixtureRequest, tmp_path: Path, clamd_urls: tuple[str, str]) -> Iterator[Archive]:
    """An archive with clamd, under each of the gates that matter before publication."""
    settings = {"scanner": clamd_urls[0], "scan_gate": request.param}
    with open_archive(tmp_path / "home", **settings) as archive:
        yield archive


def state_of(who: Depositor, deposition: dict[str, object]) -> str:
    answer = who.send("GET", f"/api/deposit/depositions/{deposition['id']}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["state"])


def test_a_file_is_identified_and_scanned_while_it_is_drafted(scanned: Archive) -> None:
    ida = depositor(scanned, "ida@pier.example")
    deposition = ida.create()
    ida.put(deposition, "pixel.png", PNG)
    dispatch.drain(scanned.services)
    with scanned.services.catalogue.read() as tx:
        [file] = draft_files.page(tx, drafts.get(tx, deposition["id"]).deposit.id, limit=10)
    assert file.scan.status is ScanStatus.CLEAN
    published = ida.publish(deposition)
    assert published["state"] == "done"
    with scanned.services.catalogue.read() as tx:
        entry = record_files.holding(tx, published["id"], "pixel.png").entry
    assert (entry.identification.mime, entry.scan.status) == ("image/png", ScanStatus.CLEAN)


def test_operators_see_infected_files_of_drafts(tmp_path: Path) -> None:
    """Beside what lies in quarantine, for as long as they are there."""
    with open_archive(tmp_path / "home", scanner="eicar:") as archive:
        ida = depositor(archive, "ida@pier.example")
        draft = ida.create()
        for key, content in (("bad.com", EICAR), ("good.csv", CSV)):
            assert ida.put(draft, key, content).status_code == 201
        dispatch.drain(archive.services)
        listed = Instance(tmp_path / "home").run("quarantine", "list", "--json").report
        [one] = listed["drafts"]
        assert (one["record"], one["key"], one["owner"]) == (draft["id"], "bad.com", "ida@pier.example")
        assert (one["signature"], one["size"]) == ("EICAR-Test-File", len(EICAR))
        assert (listed["drafts_total"], listed["items"]) == (1, [])
        [bad] = [
            each for each in ida.send("GET", draft["links"]["files"]).json() if each["filename"] == "bad.com"
        ]
        assert ida.send("DELETE", bad["links"]["self"]).status_code == 204
        with archive.services.catalogue.read() as tx:
            assert draft_files.infected(tx, limit=10) == ([], 0)


def test_what_was_published_before_it_was_looked_into_is_looked_into_after(scanned: Archive) -> None:
    """With the gate `publish` it waits for that, and is published by itself."""
    ida = depositor(scanned, "ida@pier.example")
    deposition = ida.create()
    ida.put(deposition, "pixel.png", PNG)
    answer = ida.send("POST", deposition["links"]["publish"])
    assert answer.status_code == 202
    waits = scanned.services.settings.scan_gate == "publish"
    assert answer.json()["state"] == ("inprogress" if waits else "done")
    assert answer.json()["submitted"] is True
    assert ida.send("GET", f"/api/records/{deposition['id']}").status_code == (404 if waits else 200)
    scanned.clock.move(seconds=1)
    dispatch.drain(scanned.services)
    assert state_of(ida, deposition) == "done"
    with scanned.services.catalogue.read() as tx:
        entry = record_files.holding(tx, deposition["id"], "pixel.png").entry
    assert (entry.identification.mime, entry.scan.status) == ("image/png", ScanStatus.CLEAN)


def test_an_infected_file_keeps_its_draft_from_being_published(scanned: Archive) -> None:
    """Nobody is served it; without it all goes on."""
    ida = depositor(scanned, "ida@pier.example")
    deposition = ida.create()
    ida.put(deposition, "good.csv", CSV)
    entry = ida.put(deposition, "bad.com", EICAR).json()
    dispatch.drain(scanned.services)
    assert ida.client.get(path_of(entry["links"]["self"])).status_code == 403
    answer = ida.send("POST", deposition["links"]["publish"])
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["field"] == "files"
    assert "infected" in error["messages"][0]
    assert error["remedy"] == "Delete the file, or send one that is clean in its place."
    assert ida.send("DELETE", entry["links"]["self"]).status_code == 204
    assert ida.publish(deposition)["state"] == "done"


def test_what_came_in_parts_is_scanned_in_the_reading_that_digests_it(scanned: Archive) -> None:
    """Under any gate it waits for that; infected it is never published."""
    ida = depositor(scanned, "ida@pier.example")
    clean, infected = ida.create(), ida.create()
    whole = {"type": "M", "parts": 1, "part_size": len(PNG) + len(EICAR)}
    for deposition, content in ((clean, PNG), (infected, EICAR)):
        entry = announced(ida, deposition, key="pixel.png", size=len(content), transfer=whole)
        assert send(ida, entry, 1, content).status_code == 200
        assert commit(ida, entry).status_code == 200
        assert ida.publish(deposition)["state"] == "inprogress"
    dispatch.drain(scanned.services)
    assert (state_of(ida, clean), state_of(ida, infected)) == ("done", "unsubmitted")
    with scanned.services.catalogue.read() as tx:
        entry = record_files.holding(tx, clean["id"], "pixel.png").entry
    assert (entry.identification.mime, entry.scan.status) == ("image/png", ScanStatus.CLEAN)
    [error] = ida.send("GET", infected["links"]["self"]).json()["errors"]
    assert "infected" in error["message"]


def test_what_is_found_infected_after_it_was_submitted_is_not_in_service(scanned: Archive) -> None:
    """Published before, it is withdrawn; submitted only, it is a draft again, that is not published with the file."""
    ida = depositor(scanned, "ida@pier.example")
    deposition = ida.create()
    ida.put(deposition, "bad.com", EICAR)
    assert ida.send("POST", deposition["links"]["publish"]).status_code == 202
    dispatch.drain(scanned.services)
    if scanned.services.settings.scan_gate == "publish":
        assert state_of(ida, deposition) == "unsubmitted"
        assert ida.send("POST", deposition["links"]["publish"]).status_code == 400
    else:
        assert scanned.record(deposition["id"]).state is RecordState.WITHDRAWN
    assert ida.client.get(f"/api/records/{deposition['id']}/files/bad.com/content").status_code in (404, 410)


def test_a_file_that_clamd_cannot_go_through_keeps_no_draft_for_ever(scanned: Archive) -> None:
    """Under the gate `publish` it is open again with the reason, and can be submitted once more; under no gate it is
    published, and says so."""
    ida = depositor(scanned, "ida@pier.example")
    deposition = ida.create()
    ida.put(deposition, "deep.zip", TOO_DEEP)
    assert ida.send("POST", deposition["links"]["publish"]).status_code == 202
    dispatch.drain(scanned.services)
    if scanned.services.settings.scan_gate == "none":
        assert state_of(ida, deposition) == "done"
        return
    assert state_of(ida, deposition) == "unsubmitted"
    [error] = ida.send("GET", deposition["links"]["self"]).json()["errors"]
    assert "could not go through" in error["message"]
    assert error["remedy"].startswith("Publish once more")
    again = ida.send("POST", deposition["links"]["publish"])
    assert (again.status_code, again.json()["state"]) == (202, "inprogress")
    assert ida.put(deposition, "more.csv").status_code == 403
    assert ida.send("DELETE", deposition["links"]["self"]).status_code == 204
    dispatch.drain(scanned.services)
    assert ida.send("GET", deposition["links"]["self"]).status_code == 404


def test_what_curators_accepted_is_not_another_draft(scanned: Archive) -> None:
    """Where something is found in what they let be published, whatever its depositor publishes instead was not
    reviewed: it is not in the community. What nothing is found in, is."""
    ida, bo = (depositor(scanned, f"{name}@pier.example") for name in ("ida", "bo"))
    made = founded(ida, "reviewed")
    infected, clean = bo.create(), bo.create()
    bo.put(infected, "bad.com", EICAR)
    bo.put(infected, "gauge.csv")
    bo.put(clean, "gauge.csv")
    for deposition in (infected, clean):
        draft = f"/api/records/{deposition['id']}/draft"
        choice = {"receiver": {"community": made["id"]}, "type": "community-submission"}
        assert bo.send("PUT", f"{draft}/review", choice).status_code == 200
        asked = bo.send("POST", f"{draft}/actions/submit-review").json()
        answer = ida.send("POST", f"/api/requests/{asked['id']}/actions/accept")
        assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    dispatch.drain(scanned.services)
    if scanned.services.settings.scan_gate == "publish":
        assert (state_of(bo, infected), state_of(bo, clean)) == ("unsubmitted", "done")
        assert bo.send("DELETE", f"/api/records/{infected['id']}/draft/files/bad.com").status_code == 204
        bo.publish(infected)
        dispatch.drain(scanned.services)
        assert state_of(bo, infected) == "done"
        shown = bo.client.get(f"/api/records/{infected['id']}/communities").json()
        assert shown["hits"]["total"] == 0
    shown = bo.client.get(f"/api/records/{clean['id']}/communities").json()
    assert [one["slug"] for one in shown["hits"]["hits"]] == ["reviewed"]


class _SlowScanner(EicarScanner):
    """Takes a minute for each file."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def begin(self, size: int, resume: ScanResumption | None = None) -> EicarSession:
        self._clock.move(minutes=1)
        return super().begin(size, resume)


def test_what_takes_long_keeps_other_effects_waiting_for_one_record_at_most(tmp_path: Path) -> None:
    """A batch ends soon: those with little were looked into, and who waited longest; the others are free to be claimed
    again at once, without an attempt being counted."""
    with open_archive(tmp_path / "home") as archive:
        ida = depositor(archive, "ida@pier.example")
        drafted = [ida.create() for _ in range(4)]
        for deposition, size in zip(drafted, (17 << 20, 17 << 20, 17 << 20, 10), strict=True):
            assert ida.put(deposition, "gauge.csv", bytes(size)).status_code == 201
        slow = replace(archive.services, scanner=_SlowScanner(archive.clock))
        for number in (3, 1):
            batches: list[int] = []
            drained = dispatch.drain(
                slow,
                [EffectKind.EXAMINE],
                on_batch=lambda _kind, number, batches=batches: batches.append(number),
                should_stop=lambda batches=batches: bool(batches),
            )
            assert batches == [number]
            assert not drained.put_off
        with archive.services.catalogue.read() as tx:
            assert not [one for one in outbox.waiting(tx) if one.kind is EffectKind.EXAMINE]


def test_files_that_come_with_an_edit_are_looked_into(scanned: Archive) -> None:
    """As those of any draft: with the gate `publish` the record has its old files until nothing was found in the new
    ones, and an infected one keeps the edit from being published."""
    ida = depositor(scanned, "ida@pier.example")
    deposition = ida.create()
    ida.put(deposition, "gauge.csv", CSV)
    dispatch.drain(scanned.services)
    record_id = ida.publish(deposition)["id"]
    path = f"/api/records/{record_id}/files/gauge.csv/content"
    edit = ida.send("POST", deposition["links"]["edit"]).json()
    assert ida.send("POST", f"/api/records/{record_id}/file-modification", {}).status_code == 200
    ida.put(edit, "gauge.csv", EICAR)
    dispatch.drain(scanned.services)
    assert ida.send("POST", edit["links"]["publish"]).status_code == 400
    ida.put(edit, "gauge.csv", PNG)
    assert ida.send("POST", edit["links"]["publish"]).status_code == 202
    if scanned.services.settings.scan_gate == "publish":
        assert ida.client.get(path).content == CSV
    dispatch.drain(scanned.services)
    assert (state_of(ida, edit), ida.client.get(path).content) == ("done", PNG)
    with scanned.services.catalogue.read() as tx:
        entry = record_files.holding(tx, record_id, "gauge.csv").entry
    assert (entry.identification.mime, entry.scan.status) == ("image/png", ScanStatus.CLEAN)
