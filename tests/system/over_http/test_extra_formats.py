"""Extra formats, which depositors attach to their records, by the rules that hold for all that is published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.app import create_app
from pipeline.catalogue import extra_formats
from pipeline.catalogue import quarantine as apart
from pipeline.ingest.eicar import EicarScanner, EicarSession
from pipeline.ports import ScanResumption
from pipeline.stewardship import purging, quarantine
from tests.archive import Archive, open_archive
from tests.asking import Client
from tests.eicar import EICAR
from tests.instance import open_instance, write_record
from tests.system.over_http.contract.depositor import CSV, DEPOSITIONS, Depositor, depositor
from tests.zipped import TOO_DEEP

IDA = "ida@pier.example"


def attach(who: Depositor, record_id: int, content: bytes = CSV) -> httpx.Response:
    path = f"{DEPOSITIONS}/{record_id}/formats"
    return who.client.ask("PUT", path, content=content, content_type="application/custom+xml")


def attached(archive: Archive, record_id: int) -> list[bytes | None]:
    with archive.services.catalogue.read() as tx:
        found = extra_formats.of_record(tx, record_id)
        return [extra_formats.content(tx, record_id, one.media_type) for one in found]


def test_who_may_not_attach_learns_nothing_of_the_scanner(archive: Archive) -> None:
    """Whose the record is gets asked first."""
    published = depositor(archive, IDA).published()
    stranger = depositor(archive, "jo@pier.example")
    assert attach(stranger, published["id"], EICAR).status_code == 403
    assert attached(archive, published["id"]) == []


def test_who_loses_the_right_while_a_document_is_scanned_attaches_nothing(archive: Archive) -> None:
    """As with files that come."""
    ida, jo = depositor(archive, IDA), depositor(archive, "jo@pier.example")
    published, number = ida.published(), jo.create()["owner"]
    access = f"/api/records/{published['id']}/access"
    grant = {"subject": {"type": "user", "id": str(number)}, "permission": "edit"}
    assert ida.send("POST", f"{access}/grants", {"grants": [grant]}).status_code == 201
    assert attach(jo, published["id"], b"before").status_code == 200

    class Slow(EicarScanner):
        def begin(self, size: int, resume: ScanResumption | None = None) -> EicarSession:
            assert ida.send("DELETE", f"{access}/users/{number}").status_code == 204
            return super().begin(size, resume)

    app = create_app(replace(archive.services, scanner=Slow()))
    late = replace(jo, client=Client(app, archive.token(jo.email)))
    assert attach(late, published["id"], b"after").status_code == 403
    assert attached(archive, published["id"]) == [b"before"]


def test_an_infected_document_is_refused(archive: Archive) -> None:
    ida = depositor(archive, IDA)
    published = ida.published()
    answer = attach(ida, published["id"], EICAR)
    assert (answer.status_code, "infected" in answer.json()["message"]) == (400, True)
    assert attached(archive, published["id"]) == []


@pytest.mark.parametrize(("gate", "status"), [("none", 200), ("serve", 400), ("publish", 400)])
def test_a_scan_gate_holds_for_documents(
    tmp_path: Path, clamd_urls: tuple[str, str], gate: str, status: int
) -> None:
    """With one, what the scanner could not go through is refused."""
    with open_archive(tmp_path / "home", scanner=clamd_urls[0], scan_gate=gate) as archive:
        ida = depositor(archive, IDA)
        assert attach(ida, ida.create()["id"], TOO_DEEP).status_code == status


@pytest.fixture
def released(tmp_path: Path) -> Iterator[Archive]:
    """An archive in which a person released a false alarm of the scanner."""
    source = tmp_path / "source"
    write_record(source / "wreck", {"virus.com": EICAR})
    with open_instance(tmp_path / "home") as instance:
        instance.ingest(source)
        with instance.services.catalogue.read() as tx:
            [file] = apart.listed(tx, everything=False)
        quarantine.release(instance.services, file.id, reason="the scanner's own test file", by=IDA)
        yield Archive(instance.services, instance.clock)  # type: ignore[arg-type]


def test_what_a_person_released_is_no_alarm(released: Archive) -> None:
    """The same bytes are attached."""
    ida = depositor(released, IDA)
    draft = ida.create()
    assert attach(ida, draft["id"], EICAR).status_code == 200
    assert attached(released, draft["id"]) == [EICAR]


def test_a_withdrawn_record_is_given_no_document(archive: Archive) -> None:
    """And nobody is given those that it has."""
    ida = depositor(archive, IDA)
    id_ = ida.published()["id"]
    assert attach(ida, id_).status_code == 200
    archive.withdraw(archive.record(id_))
    assert attach(ida, id_, b"another").status_code == 404
    assert ida.client.get(f"/api/records/{id_}/formats?mimetype=application/custom%2Bxml").status_code == 410


def test_a_purge_of_a_record_takes_its_documents(archive: Archive) -> None:
    """That of one of its files does not."""
    ida = depositor(archive, IDA)
    draft = ida.create()
    for key in ("gauge.csv", "other.csv"):
        ida.put(draft, key, key.encode())
    id_ = ida.publish(draft)["id"]
    attach(ida, id_)
    purging.purge(archive.services, id_, key="gauge.csv", reason="takedown", by=IDA)
    assert attached(archive, id_) == [CSV]
    purging.purge(archive.services, id_, reason="takedown", by=IDA)
    assert attached(archive, id_) == []
