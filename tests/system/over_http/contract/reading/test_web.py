"""Files and web addresses of published records (Zenodo's REST API, records: files, versions and web pages; what clients
depend on, number 24)."""

import hashlib
from io import BytesIO
from urllib.parse import quote
from zipfile import ZipFile

import pytest
from lxml import etree

from tests.archive import BASE_URL, Archive
from tests.asking import Client
from tests.system.over_http.contract.conftest import Library

MD5 = hashlib.md5(b"time,level\n").hexdigest()
"""Of the library's gauge.csv."""


def test_3_12_the_list_of_files(library: Library) -> None:
    """Its fields, and those of each entry."""
    path = f"/api/records/{library.dataset.id}/files"
    listing = library.client.get(path).json()
    assert {name: value for name, value in listing.items() if name != "entries"} == {
        "enabled": True,
        "links": {"self": f"{BASE_URL}{path}", "archive": f"{BASE_URL}{path}-archive"},
        "default_preview": None,
        "order": [],
    }
    [entry] = [one for one in listing["entries"] if one["key"] == "gauge.csv"]
    assert entry == library.client.get(f"{path}/gauge.csv").json()
    wanted = {
        "mimetype": "text/csv",
        "metadata": None,
        "access": {"hidden": False},
        "links": {"self": f"{BASE_URL}{path}/gauge.csv", "content": f"{BASE_URL}{path}/gauge.csv/content"},
        "storage_class": "L",
        "checksum": f"md5:{MD5}",
        "size": 11,
        "transfer": {"type": "L"},
        "status": "completed",
    }
    assert entry | wanted == entry
    assert {"created", "updated", "version_id", "file_id", "bucket_id"} <= entry.keys()


@pytest.mark.parametrize(
    ("key", "media_type", "kind"),
    [
        ("a.csv", "text/plain; charset=utf-8", "inline"),
        ("a.json", "text/plain; charset=utf-8", "inline"),
        ("a.html", "text/plain; charset=utf-8", "inline"),
        ("a.svg", "text/plain; charset=utf-8", "inline"),
        ("a.txt", "text/plain; charset=utf-8", "inline"),
        ("a.png", "image/png", "inline"),
        ("a.tif", "image/tiff", "inline"),
        ("a.pdf", "application/octet-stream", "attachment"),
        ("a.zip", "application/octet-stream", "attachment"),
        ("a.md", "application/octet-stream", "attachment"),
        ("a.bin", "application/octet-stream", "attachment"),
    ],
)
def test_d1_3_12_types_of_content(
    archive: Archive, client: Client, key: str, media_type: str, kind: str
) -> None:
    """Texts as plain text and images as themselves in place, all else as a download, none of which can run."""
    record = archive.publish(files={key: b"<script>"})
    for path in (f"/api/records/{record.id}/files/{key}/content", f"/records/{record.id}/files/{key}"):
        headers = client.get(path).headers
        assert headers["content-type"] == media_type
        assert headers["content-disposition"] == f'{kind}; filename="{key}"'
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert client.get(f"{path}?download=1").headers["content-disposition"].startswith("attachment")


def test_3_12_headers_of_content(library: Library) -> None:
    """ETag and check sum by MD5, the latter of the whole only; conditions and parts are heeded, HEAD tells the same."""
    path = f"/api/records/{library.dataset.id}/files/gauge.csv/content"
    answer = library.client.get(path)
    assert answer.headers["etag"] == f'"md5:{MD5}"'
    assert answer.headers["content-md5"] == MD5
    assert answer.headers["content-length"] == "11"
    assert answer.headers["cache-control"] == "no-cache"
    for condition in (
        {"If_None_Match": answer.headers["etag"]},
        {"If_Modified_Since": answer.headers["last-modified"]},
    ):
        assert library.client.get(path, **condition).status_code == 304
    part = library.client.get(path, Range="bytes=5-9")
    assert (part.status_code, part.content) == (206, b"level")
    assert part.headers["content-range"] == "bytes 5-9/11"
    assert "content-md5" not in part.headers
    head = library.client.ask("HEAD", path)
    assert (head.status_code, head.content, head.headers["content-md5"]) == (200, b"", MD5)


def test_3_12_all_files_as_one_zip(library: Library) -> None:
    """Named by the record, with every file under its key."""
    answer = library.client.get(f"/api/records/{library.dataset.id}/files-archive")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{library.dataset.id}.zip"'
    with ZipFile(BytesIO(answer.content)) as files:
        assert set(files.namelist()) == {"gauge.csv", "2025/räk smörgås.txt", "paper.pdf"}


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_3_12_published_files_are_not_changed(library: Library, method: str) -> None:
    """Whoever asks."""
    for below in ("files", "files/gauge.csv", "files/gauge.csv/content"):
        answer = library.known.ask(method, f"/api/records/{library.dataset.id}/{below}")
        assert answer.status_code in (403, 405)


def test_3_12_unknown_files(library: Library) -> None:
    """404 that names record and key."""
    answer = library.client.get(f"/api/records/{library.dataset.id}/files/none.csv/content")
    assert answer.json() == {
        "status": 404,
        "message": f"Record '{library.dataset.id}' has no file 'none.csv'.",
    }


# ---------------------------------------------------------------- badges


@pytest.mark.parametrize("label", ["DOI", "doi"])
def test_a24_badges(library: Library, label: str) -> None:
    """A picture for any value, with an ETag that spares sending it again; its text is the DOI."""
    path = f"/badge/{label}/10.5281/zenodo.7654321.svg"
    answer = library.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-cache"
    shown = "//*[local-name()='text' and not(@aria-hidden)]/text()"
    assert etree.fromstring(answer.content).xpath(shown) == ["DOI", "10.5281/zenodo.7654321"]
    again = library.client.get(path, If_None_Match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", 'a"b&c', "\x01\x07", "日本語", "a" * 300])
def test_3_13_a_badge_is_of_any_value(library: Library, value: str) -> None:
    """What is given is shown, escaped: it is well-formed XML of the badge's own elements."""
    answer = library.client.get(f"/badge/DOI/{quote(value, safe='')}.svg")
    assert answer.status_code == 200
    root = etree.fromstring(answer.content)
    assert {etree.QName(element).localname for element in root.iter()} == {
        "svg",
        "title",
        "linearGradient",
        "stop",
        "mask",
        "rect",
        "g",
        "text",
    }


def test_3_13_a_badge_has_a_colour(library: Library) -> None:
    """A hexadecimal one; any other value leaves it as it is."""
    plain = library.client.get("/badge/DOI/10.1/x.svg").text
    for colour in ("ab12cd", "a1c", "ab12cd80"):
        assert f'fill="#{colour}"' in library.client.get(f"/badge/DOI/10.1/x.svg?color={colour}").text
    for colour in ("%22%20onload=%22x", "chartreuse-ish", "12345"):
        assert library.client.get(f"/badge/DOI/10.1/x.svg?color={colour}").text == plain


def test_d2_2_8_addresses_that_are_no_badge(library: Library) -> None:
    """Without a value, with another ending or label there is none, and a value has a bound."""
    for path in ("/badge/doi/.svg", "/badge/DOI/10.1/x", "/badge/PMID/1.svg"):
        assert library.client.get(path).status_code == 404
    assert library.client.get(f"/badge/DOI/{'a' * 301}.svg").status_code == 400


# ---------------------------------------------------------------- web addresses


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/record/7", "/records/7"),
        ("/record/7/files/a%20b.csv?download=1", "/records/7/files/a%20b.csv?download=1"),
        ("/record/7/export/hx", "/records/7/export/hx"),
        ("/record/7/preview/a.csv", "/records/7/preview/a.csv"),
        ("/record/7/thumb250", "/records/7/thumb250"),
        ("/deposit", "/me/uploads?q=&is_published=false"),
        ("/deposit/new", "/uploads/new"),
        ("/deposit/new?c=x", "/uploads/new?community=x"),
        ("/deposit/7", "/uploads/7"),
        ("/communities/about/x", "/communities/x/records"),
        ("/collection/user-x", "/communities/x/records"),
        ("/api/records/?q=a%20b", "/api/records?q=a%20b"),
    ],
)
def test_d2_3_13_addresses_that_moved(library: Library, old: str, new: str) -> None:
    """They lead where Zenodo's lead, within this archive."""
    answer = library.client.get(old)
    assert (answer.status_code, answer.headers["location"]) == (301, BASE_URL + new)


def test_3_13_pages(library: Library) -> None:
    """A record's page, its newest version, its previews, a community's records."""
    number = library.dataset.id
    assert library.client.get(f"/records/{number}").status_code == 200
    for path, target in (
        (f"/records/{library.earlier.id}/latest", f"/records/{number}"),
        (f"/records/{number}/preview/2025/a%20b.txt", f"/records/{number}/files/2025/a%20b.txt"),
        ("/communities/tide-tables/records", "/search?communities=tide-tables&page=1&size=25&sort=newest"),
    ):
        answer = library.client.get(path)
        assert (answer.status_code, library.path(answer.headers["location"])) == (302, target)
    assert library.client.get("/search?q=tide").status_code == 200
