"""What somebody who deposits over HTTP is told to do next, in words of that API."""

import json

import httpx

from tests.archive import Archive
from tests.system.over_http.contract.depositor import DEPOSITIONS, METADATA, Depositor, path_of


def fault(answer: httpx.Response) -> tuple[str, str, str]:
    """(field, message, remedy) of the one thing that is wrong."""
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    [message] = error["messages"]
    return error["field"], message, error["remedy"]


def test_an_incomplete_description_is_told_what_it_lacks(ida: Depositor) -> None:
    """Beside Zenodo's words for it, which say only that it is missing."""
    deposition = ida.send("POST", DEPOSITIONS, {}).json()
    answer = ida.send("POST", deposition["links"]["publish"])
    entries = {one["field"]: one for one in answer.json()["errors"]}
    assert entries["metadata.creators"] == {
        "field": "metadata.creators",
        "messages": ["Missing data for required field."],
        "remedy": "Name at least one creator.",
    }


def test_a_doi_that_another_record_has(ida: Depositor) -> None:
    """In the words of InvenioRDM, under its name of the field."""
    ida.published(doi="10.1234/abc")
    second = ida.create(doi="10.1234/ABC")
    ida.put(second, "gauge.csv")
    assert fault(ida.send("POST", second["links"]["publish"])) == (
        "pids.doi",
        "doi:10.1234/ABC already exists.",
        "Correct the DOI, or leave it out to be given one.",
    )


def test_a_doi_that_an_edit_changes(ida: Depositor) -> None:
    """The record is known by the one that it has, and cannot have new versions."""
    published = ida.published(doi="10.1234/abc")
    edit = ida.send("POST", published["links"]["edit"]).json()
    ida.send("PUT", edit["links"]["self"], {"metadata": {**METADATA, "doi": "10.1234/other"}})
    field, _, remedy = fault(ida.send("POST", edit["links"]["publish"]))
    assert (field, remedy) == ("pids.doi", "Put the DOI back as it was.")


def test_an_edit_of_what_was_withdrawn_meanwhile(archive: Archive, ida: Depositor) -> None:
    """It can only be discarded, and is told so."""
    published = ida.published()
    edit = ida.send("POST", published["links"]["edit"]).json()
    archive.withdraw(archive.record(published["id"]))
    assert fault(ida.send("POST", edit["links"]["publish"]))[2] == "Discard the edit."
    assert ida.send("POST", edit["links"]["discard"]).status_code == 204


def test_what_cannot_be_done_says_what_can(ida: Depositor) -> None:
    """A file that is there already, files of a published record, a draft that has changed since."""
    draft = ida.create()
    ida.post_form(draft, "gauge.csv")
    there = ida.post_form(draft, "gauge.csv")
    assert (there.status_code, there.json()["remedy"]) == (400, "Delete it first.")
    body = json.dumps({"metadata": METADATA}).encode()
    stale = ida.client.ask("PUT", path_of(draft["links"]["self"]), content=body, if_match="1")
    assert (stale.status_code, stale.json()["remedy"].partition(",")[0]) == (412, "Read it again")
    edit = ida.send("POST", ida.published()["links"]["edit"]).json()
    locked = ida.put(edit, "more.csv")
    assert (locked.status_code, locked.json()["remedy"].partition(":")[0]) == (403, "Make a new version")
