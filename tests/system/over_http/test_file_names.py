"""Names of files, door by door: which of them take a name with slashes, and what can be done with such a file."""

import base64
from typing import Any

import httpx
import pytest

from tests.system.over_http.contract.depositor import CSV, Depositor, path_of

KEY = "2025/räk smörgås.csv"


def send_by_tus(
    ida: Depositor, deposition: dict[str, Any], filename: bytes, content: bytes
) -> httpx.Response:
    """The answer to the upload's beginning where it is refused, else to all of its bytes."""
    begun = ida.client.ask(
        "POST",
        path_of(deposition["links"]["self"]) + "/uploads",
        tus_resumable="1.0.0",
        upload_length=str(len(content)),
        upload_metadata=f"filename {base64.b64encode(filename).decode()}",
    )
    if begun.status_code != 201:
        return begun
    return ida.client.ask(
        "PATCH",
        path_of(begun.headers["location"]),
        content=content,
        tus_resumable="1.0.0",
        upload_offset="0",
        content_type="application/offset+octet-stream",
    )


def test_what_comes_by_tus_is_called_as_its_client_says(ida: Depositor) -> None:
    """With slashes, as by the draft files API; buckets take no such name, and forms make it plain."""
    deposition = ida.create()
    assert send_by_tus(ida, deposition, KEY.encode(), CSV).status_code == 204
    assert ida.put(deposition, KEY).status_code == 404
    assert ida.post_form(deposition, "x", name=KEY).json()["filename"] == "2025_rak_smorgas.csv"
    files = ida.client.get(path_of(deposition["links"]["files"])).json()
    assert [one["filename"] for one in files] == [KEY, "2025_rak_smorgas.csv"]


def test_a_file_with_slashes_is_read_replaced_and_deleted(ida: Depositor) -> None:
    """Read through the bucket and the draft files API, replaced by the way that it came, deleted through the bucket."""
    deposition = ida.create()
    for content in (b"first", CSV):
        assert send_by_tus(ida, deposition, KEY.encode(), content).status_code == 204
    in_bucket = f"{path_of(deposition['links']['bucket'])}/{KEY}"
    of_draft = f"/api/records/{deposition['id']}/draft/files/{KEY}/content"
    assert ida.client.get(in_bucket).content == ida.client.get(of_draft).content == CSV
    assert ida.client.ask("DELETE", in_bucket).status_code == 204
    assert ida.client.get(in_bucket).status_code == 404


@pytest.mark.parametrize(
    "filename", [b"", b"..", b"a/../b", b"/a", b"a//b", b"a\nb", b"x" * 256, b"\xff.csv"]
)
def test_tus_takes_no_name_that_no_file_may_have(ida: Depositor, filename: bytes) -> None:
    """Nor one that is not UTF-8, of which a file would be called otherwise than its client thinks."""
    answer = send_by_tus(ida, ida.create(), filename, CSV)
    assert answer.status_code == 400, answer.text
