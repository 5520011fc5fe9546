"""How much a record that is deposited over HTTP may hold."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.archive import open_archive
from tests.system.over_http.contract.depositor import Depositor, depositor


@pytest.fixture
def bounded(tmp_path: Path) -> Iterator[Depositor]:
    """In an archive of records with 10 bytes and 2 files at most."""
    with open_archive(tmp_path / "home", record_bytes=10, record_files=2) as archive:
        yield depositor(archive, "ida@pier.example")


def test_what_is_too_much_is_refused_before_it_is_sent(bounded: Depositor) -> None:
    """Another file in the place of one counts by what it is more; what is taken out makes room."""
    draft = bounded.create()

    def put(key: str, size: int) -> str:
        answer = bounded.put(draft, key, b"x" * size)
        return "" if answer.status_code == 201 else f"{answer.status_code} {answer.json()['message']}"

    assert put("a", 11) == "400 Maximum file size exceeded."
    assert put("a", 8) == ""
    assert put("b", 3) == "400 Bucket quota exceeded."
    assert put("a", 9) == ""
    assert put("b", 1) == ""
    too_many = "Uploading selected files will result in exceeding the max amount per record."
    assert put("c", 1) == "400 Bucket quota exceeded."
    assert put("a", 4) == ""
    assert put("c", 1) == f"400 {too_many}"
    announced = bounded.send("POST", f"/api/records/{draft['id']}/draft/files", [{"key": "c"}])
    assert (announced.status_code, announced.json()["message"]) == (400, too_many)
    assert put("b", 6) == ""
    assert bounded.publish(draft)["state"] == "done"


def test_a_file_that_was_announced_is_counted_once(bounded: Depositor) -> None:
    draft = bounded.create()
    files = f"/api/records/{draft['id']}/draft/files"
    assert bounded.send("POST", files, [{"key": "a", "size": 5}, {"key": "b", "size": 5}]).status_code == 201
    for key in ("a", "b"):
        assert bounded.client.ask("PUT", f"{files}/{key}/content", content=b"x" * 5).status_code == 200
        assert bounded.send("POST", f"{files}/{key}/commit").status_code == 200
    assert bounded.publish(draft)["state"] == "done"


def test_what_nobody_told_beforehand_keeps_a_draft_from_being_published(bounded: Depositor) -> None:
    """Until it is mended."""
    draft = bounded.create()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * 11

    assert bounded.put(draft, "a", chunks()).status_code == 201
    files = f"/api/records/{draft['id']}/draft/files"
    refused = bounded.send("POST", draft["links"]["publish"])
    told = [(one["field"], one["messages"]) for one in refused.json()["errors"]]
    assert (refused.status_code, told) == (400, [("files", ["Bucket quota exceeded."])])
    assert bounded.send("DELETE", files).status_code == 204
    assert bounded.put(draft, "a", b"x").status_code == 201
    assert bounded.publish(draft)["state"] == "done"
