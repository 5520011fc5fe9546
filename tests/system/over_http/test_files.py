"""Files over HTTP: lists, bytes, ranges, conditions."""

from io import BytesIO
from urllib.parse import quote
from zipfile import ZIP_STORED, ZipFile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html

from pipeline.model import Record
from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.sample import CSV, NAMES


def test_every_file_is_listed_and_served(standing: tuple[Client, Record]) -> None:
    """The list names every file by key, with links that work whatever the script of the name."""
    client, record = standing
    listing = client.get(f"/api/records/{record.id}/files").json()
    assert {entry["key"] for entry in listing["entries"]} == set(NAMES)
    for entry in listing["entries"]:
        assert client.get(entry["links"]["self"].removeprefix(BASE_URL)).json() == entry
        answer = client.get(entry["links"]["content"].removeprefix(BASE_URL))
        assert answer.headers["etag"] == f'"{entry["checksum"]}"'
        assert int(answer.headers["content-length"]) == len(answer.content) == entry["size"]
        page = client.get(f"/records/{record.id}/files/{quote(entry['key'])}")
        assert page.content == answer.content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.integers(0, len(CSV) - 1), st.integers(0, len(CSV) + 10))
def test_a_range_over_http_is_a_slice(standing: tuple[Client, Record], start: int, length: int) -> None:
    """A part of a file is that slice of it, with 206 and the right Content-Range and Content-Length."""
    client, record = standing
    answer = client.get(
        f"/api/records/{record.id}/files/gauge.csv/content", Range=f"bytes={start}-{start + length}"
    )
    wanted = CSV[start : start + length + 1]
    assert answer.status_code == 206
    assert answer.content == wanted
    assert answer.headers["content-length"] == str(len(wanted))
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(CSV)}"


def test_the_end_of_a_file_and_what_lies_behind_it(standing: tuple[Client, Record]) -> None:
    """A suffix range is the end of the file; a range behind it gets 416 with the size."""
    client, record = standing
    path = f"/api/records/{record.id}/files/gauge.csv/content"
    assert client.get(path, Range="bytes=-7").content == CSV[-7:]
    behind = client.get(path, Range=f"bytes={len(CSV)}-")
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(CSV)}")


def test_head_tells_what_get_would(standing: tuple[Client, Record]) -> None:
    """HEAD has the headers of GET, of the whole file even with a Range, and no body."""
    client, record = standing
    path = f"/api/records/{record.id}/files/gauge.csv/content"
    asked, told = client.get(path), client.ask("HEAD", path, Range="bytes=0-1")
    assert told.status_code == 200
    assert told.content == b""
    for name in (
        "content-length",
        "content-type",
        "etag",
        "last-modified",
        "accept-ranges",
        "content-disposition",
    ):
        assert told.headers[name] == asked.headers[name]


def test_a_client_that_has_the_file_gets_304(standing: tuple[Client, Record]) -> None:
    """Both conditions spare a download; a 304 repeats the ETag."""
    client, record = standing
    path = f"/api/records/{record.id}/files/gauge.csv/content"
    first = client.get(path).headers
    for answer in (
        client.get(path, If_None_Match=first["etag"]),
        client.get(path, If_Modified_Since=first["last-modified"]),
    ):
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", first["etag"])


def test_uploaded_bytes_cannot_run(standing: tuple[Client, Record]) -> None:
    """Markup is plain text, unknown bytes are downloads, and no answer lets a browser guess or run."""
    client, record = standing
    for key, kind in (("page.html", "inline"), ("paper.pdf", "attachment"), ("plot.png", "inline")):
        for path in (f"/records/{record.id}/files/{key}", f"/api/records/{record.id}/files/{key}/content"):
            headers = client.get(path).headers
            assert headers["content-disposition"].startswith(kind)
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
            assert "html" not in headers["content-type"]
            forced = client.get(f"{path}?download=1").headers
            assert forced["content-disposition"].startswith("attachment")


def test_unknown_files_are_named(standing: tuple[Client, Record]) -> None:
    """A key that the record has not gets 404 in Zenodo's words, at the entry and at its content."""
    client, record = standing
    for path in ("files/none.csv", "files/none.csv/content"):
        body = client.get(f"/api/records/{record.id}/{path}").json()
        assert body == {"status": 404, "message": f"Record '{record.id}' has no file 'none.csv'."}


def test_a_file_may_be_called_content(archive: Archive, client: Client) -> None:
    """The entry and the bytes of a file whose key ends like an address are both reached."""
    record = archive.publish(files={"a/content": b"inner"})
    base = f"/api/records/{record.id}/files/a/content"
    assert client.get(base).json()["key"] == "a/content"
    assert client.get(f"{base}/content").content == b"inner"


def test_a_long_list_of_files_is_whole(archive: Archive, client: Client) -> None:
    """A record with more files than are read at once lists each of them once, in JSON and page by page in HTML."""
    keys = [f"f{number:05}.txt" for number in range(2100)]
    record = archive.publish(files=dict.fromkeys(keys, b"x"))
    entries = client.get(f"/api/records/{record.id}/files").json()["entries"]
    assert [entry["key"] for entry in entries] == keys
    met: list[str] = []
    path = f"/records/{record.id}"
    while path:
        page = html.fromstring(client.get(path).content)
        met += page.xpath("//a[@class='name']/text()")
        following = page.xpath("//nav//a[@rel='next']/@href")
        path = following[0].partition("#")[0] if following else ""
    assert met == keys


def test_large_files_come_whole(archive: Archive, client: Client) -> None:
    """A file of several blocks comes as it was, and so does a part across their borders."""
    data = bytes(range(256)) * 20_000
    record = archive.publish(files={"large.bin": data})
    path = f"/api/records/{record.id}/files/large.bin/content"
    assert client.get(path).content == data
    border = 1 << 20
    assert client.get(path, Range=f"bytes={border - 3}-{border + 2}").content == data[border - 3 : border + 3]


def test_all_files_come_as_one_zip(standing: tuple[Client, Record]) -> None:
    """The archive of a record holds every file under its key, uncompressed, and names the record."""
    client, record = standing
    answer = client.get(f"/api/records/{record.id}/files-archive")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{record.id}.zip"'
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {one.filename: archive.read(one) for one in archive.infolist()} == {
            name: CSV if name == "gauge.csv" else name.encode() for name in NAMES
        }
        assert {one.compress_type for one in archive.infolist()} == {ZIP_STORED}
