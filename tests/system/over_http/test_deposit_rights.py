"""Who may do what with depositions, where several people have to do with one work; and what a depositor keeps when
things go wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from gateway.app import create_app
from pipeline.catalogue import Transaction, draft_files
from pipeline.errors import Unavailable
from pipeline.ingest import arrival, deposit
from pipeline.model import Access, FilesAccess
from tests.archive import Archive
from tests.asking import Client
from tests.system.over_http.contract.depositor import CSV, DEPOSITIONS, METADATA, Depositor, depositor


@pytest.fixture
def jo(archive: Archive) -> Depositor:
    return depositor(archive, "jo@quay.example")


def test_an_edit_that_an_admin_begins_is_the_owners(archive: Archive, ida: Depositor) -> None:
    published = ida.published()
    admin = depositor(archive, "root@archive.example", admin=True)
    edit = admin.send("POST", published["links"]["edit"]).json()
    assert edit["owner"] == published["owner"]
    [listed] = ida.send("GET", DEPOSITIONS).json()
    assert listed["state"] == "inprogress"
    assert ida.send("PUT", edit["links"]["self"], {"metadata": METADATA}).status_code == 200
    assert ida.send("POST", edit["links"]["discard"]).status_code == 204


def test_the_right_to_one_version_opens_no_other(archive: Archive, ida: Depositor, jo: Depositor) -> None:
    """A newer version that somebody else owns is not taken over with its files, nor is their draft shown."""
    first = archive.publish(files={"a.csv": CSV}, owner=ida.email)
    restricted = Access(files=FilesAccess.RESTRICTED)
    second = archive.publish(files={"b.csv": b"secret"}, owner=jo.email, version_of=first, access=restricted)
    url = f"{DEPOSITIONS}/{first.id}/actions/newversion"
    assert ida.send("POST", url).status_code == 403
    assert jo.send("POST", f"{DEPOSITIONS}/{second.id}/actions/newversion").status_code == 201
    assert ida.send("POST", url).status_code == 403


def test_an_open_edit_hides_no_published_file(archive: Archive, ida: Depositor) -> None:
    published = ida.published()
    assert ida.send("POST", published["links"]["edit"]).status_code == 201
    stranger = Client(create_app(archive.services))
    assert len(stranger.get(f"{DEPOSITIONS}/{published['id']}/files").json()) == 1
    bucket = published["links"]["bucket"].rpartition("/")[2]
    assert stranger.get(f"/api/files/{bucket}/gauge.csv").content == CSV


def test_what_was_withdrawn_is_not_taken_over(archive: Archive, ida: Depositor) -> None:
    """Files that a new version took over from a record that is withdrawn now are neither served nor published."""
    published = ida.published()
    draft = ida.send("POST", published["links"]["newversion"]).json()
    archive.withdraw(archive.record(published["id"]))
    download = f"/api/records/{draft['id']}/draft/files/gauge.csv/content"
    assert ida.client.get(download).status_code == 410
    answer = ida.send("POST", draft["links"]["publish"])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "files")
    [file] = ida.send("GET", draft["links"]["files"]).json()
    assert ida.send("DELETE", file["links"]["self"]).status_code == 204
    assert ida.put(draft, "own.csv").status_code == 201
    assert ida.publish(draft)["state"] == "done"


def test_a_lost_answer_of_the_catalogue_loses_no_file(archive: Archive, ida: Depositor) -> None:
    """Where it is not heard that the file is in the draft, it is asked for again, and is there once."""
    deposition = ida.create()
    services = archive.services
    draft = deposit.find(services, deposition["id"])

    class Deaf:
        """A catalogue whose second answer to a writer is lost."""

        writes = 0

        @contextmanager
        def write(self) -> Iterator[Transaction]:
            with services.catalogue.write() as tx:
                yield tx
            Deaf.writes += 1
            if Deaf.writes == 2:
                raise Unavailable("the connection was lost")

        read = services.catalogue.read

    deaf = replace(services, catalogue=Deaf())
    received = arrival.receive(deaf, draft, "gauge.csv", [CSV], size=len(CSV), admitted=lambda _: None)
    with services.catalogue.read() as tx:
        [file] = draft_files.page(tx, draft.deposit.id, limit=10)
    assert (file, Deaf.writes > 2) == (received, True)
    assert file.place is not None
    assert b"".join(services.store.read(file.place)) == CSV
    assert ida.publish(deposition)["state"] == "done"
