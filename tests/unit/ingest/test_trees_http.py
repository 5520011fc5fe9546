"""Files of the web: what servers do, what they must not make us do, and what lists of URLs say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import wiring
from pipeline.display import shown
from pipeline.errors import Misconfigured, Rejected, SourceChanged, Unavailable
from pipeline.ingest.sources import Tree, open_source
from pipeline.ingest.sources.names import name_in, url_fault
from pipeline.ingest.sources.protocol import FileMissing, FileUnreadable
from pipeline.ingest.sources.trees.addresses import address_fault
from pipeline.ingest.sources.trees.http import HttpTree
from pipeline.ingest.sources.trees.local import LocalTree
from pipeline.ingest.sources.trees.mixed import MixedTree
from pipeline.ingest.sources.trees.web import REDIRECTS, AddressRefused, Web
from pipeline.retry_after import retry_after
from pipeline.settings import SourceLocation
from tests.unit.ingest.surveying import DEFAULT, Survey, surveyed
from tests.web_server import Manners, WebServer

CONTENT = bytes(range(256)) * 1000


@dataclass
class Desk:
    """A tree at the server, and how long it waited."""

    server: WebServer
    tree: HttpTree
    pauses: list[float] = field(default_factory=list)

    def open_tree(self, url: str) -> Tree:
        """As it is wired, with the one tree of the web."""
        return MixedTree(LocalTree(SourceLocation(url)), lambda: self.tree)

    def read(self, path: str) -> bytes:
        with self.tree.open_now(path) as opened:
            content = opened.read()
            opened.still_same()
        return content


@pytest.fixture
def desk(web_server: WebServer) -> Iterator[Desk]:
    pauses: list[float] = []
    tree = HttpTree(SourceLocation(f"{web_server.url}/data", private_addresses=True), pauses.append)
    web_server.put("/data/a.bin", CONTENT)
    yield Desk(web_server, tree, pauses)
    tree.close()


# ---------------------------------------------------------------- reading


def test_a_reading_goes_on_where_its_connection_broke(desk: Desk) -> None:
    """By a range, on condition that the file is the same; no byte is asked for twice."""
    desk.server.manners = Manners(breaks_after=100_000)
    with desk.tree.open_now("a.bin") as opened:
        assert opened.read() == CONTENT
        assert opened.given == len(CONTENT)
    ranges = [headers.get("range") for method, _, headers in desk.server.requests if method == "GET"]
    assert ranges == [None, "bytes=100000-", "bytes=200000-"]
    assert all("if-range" in headers for _, _, headers in desk.server.requests if "range" in headers)


def test_a_server_that_breaks_off_at_once_is_away(desk: Desk) -> None:
    """After a few tries, ever later: the run can be gone on with."""
    found = desk.tree.look("a.bin")
    desk.server.manners = Manners(breaks_after=1)
    with desk.tree.open("a.bin", found.size, found.stamp) as opened, pytest.raises(Unavailable):
        opened.read()
    assert desk.pauses
    assert len(desk.server.requests) < 10


def test_what_changes_between_two_connections_is_told(desk: Desk) -> None:
    """The rest of another file is not taken for the rest of this one, though it is as long."""
    desk.server.manners = Manners(breaks_after=100_000)
    with desk.tree.open_now("a.bin") as opened:
        assert opened.read_at(0, 10) == CONTENT[:10]
        desk.server.put("/data/a.bin", CONTENT[::-1])
        with pytest.raises(SourceChanged):
            opened.read_at(0, len(CONTENT))


def test_without_tag_and_date_only_the_size_tells(desk: Desk) -> None:
    """Such a file has no stamp, and can be read all the same."""
    desk.server.manners = Manners(tags=False, dates=False)
    assert (desk.tree.look("a.bin").stamp, desk.read("a.bin")) == ("", CONTENT)
    with pytest.raises(SourceChanged):
        desk.tree.open("a.bin", len(CONTENT) - 1, "")


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_bytes_that_come_encoded_are_refused(desk: Desk, encoding: str) -> None:
    """They would not be the file's; that they are not wanted so is said in every request."""
    desk.server.manners = Manners(encoding=encoding)
    with pytest.raises(FileUnreadable, match=encoding):
        desk.tree.look("a.bin")
    assert {headers["accept-encoding"] for _, _, headers in desk.server.requests} == {"identity"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, FileMissing),
        (410, FileMissing),
        (401, FileUnreadable),
        (403, FileUnreadable),
        (400, FileUnreadable),
    ],
)
def test_refusals_are_told_with_a_remedy(desk: Desk, status: int, error: type[Rejected]) -> None:
    """HEAD may be refused where GET is not, so both are asked before."""
    desk.server.answers["/data/a.bin"] = [(status, {}), (status, {})]
    with pytest.raises(error) as told:
        desk.tree.look("a.bin")
    assert told.value.remedy


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_is_left_alone_for_as_long_as_it_asks(desk: Desk, status: int) -> None:
    """Then it is asked again; one that asks for hours is away."""
    desk.server.answers["/data/a.bin"] = [(status, {"Retry-After": "7"})]
    assert desk.tree.look("a.bin").size == len(CONTENT)
    assert max(desk.pauses) >= 6.5
    desk.server.answers["/data/a.bin"] = [(status, {"Retry-After": "86400"})]
    with pytest.raises(Unavailable, match="86400"):
        desk.tree.look("a.bin")


def test_a_server_in_trouble_is_asked_again_and_then_away(desk: Desk) -> None:
    """What passes costs a pause, what does not ends the run, to be gone on with."""
    desk.server.answers["/data/a.bin"] = [(500, {}), (502, {})]
    assert desk.tree.look("a.bin").size == len(CONTENT)
    desk.server.answers["/data/a.bin"] = [(500, {})] * 20
    with pytest.raises(Unavailable, match="500"):
        desk.tree.look("a.bin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 +99999999999999", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float) -> None:
    """RFC 9110, section 10.2.3."""
    assert retry_after(text, datetime(2026, 11, 21, 12, tzinfo=UTC)) == seconds


# ---------------------------------------------------------------- where one may be led


def test_redirects_are_followed_so_far(desk: Desk) -> None:
    """To the file, over several; but not for ever."""
    for number in range(REDIRECTS):
        desk.server.redirects[f"/data/{number}"] = f"/data/{number + 1}"
    desk.server.redirects[f"/data/{REDIRECTS}"] = "a.bin"
    assert desk.read("1") == CONTENT
    desk.server.redirects["/data/round"] = "/data/round"
    with pytest.raises(FileUnreadable, match="redirects"):
        desk.tree.look("round")


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://example.org/a", "http://user:secret@127.0.0.1/a", "gopher://x"]
)
def test_redirects_to_what_is_no_server_of_the_web_are_refused(desk: Desk, target: str) -> None:
    """And no password is told."""
    desk.server.redirects["/data/away"] = target
    with pytest.raises(AddressRefused) as told:
        desk.tree.look("away")
    assert "secret" not in told.value.message


def test_every_connection_is_checked(web_server: WebServer) -> None:
    """That of a redirect, too, though the first address was right; nothing reaches the server there."""
    web = Web(lambda address: "not here" if address == "127.0.0.2" else "", lambda _: None)
    web_server.redirects["/a"] = web_server.url.replace("127.0.0.1", "127.0.0.2") + "/secret"
    with pytest.raises(AddressRefused, match="not here"):
        web.ask("GET", f"{web_server.url}/a", {})
    assert [path for _, path, _ in web_server.requests] == ["/a"]
    web.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "127.1"])
def test_nothing_beyond_the_public_internet_is_asked(web_server: WebServer, host: str) -> None:
    """Unless an operator allows it; however the address is written."""
    tree = HttpTree(SourceLocation(web_server.url.replace("127.0.0.1", host)), lambda _: None)
    with pytest.raises(AddressRefused, match="public internet"):
        tree.look("a.bin")
    assert web_server.requests == []
    tree.close()


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "0.0.0.0", "169.254.169.254"),
        *("192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *(
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "fec0::1",
        ),
        *("::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::8.8.8.8", "2002:a00:1::"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "::8.8.8.8", "", "example.org"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    """Private, shared, loopback, link-local, documentation, multicast, reserved; also inside IPv6."""
    assert address_fault(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_addresses_that_are_public(address: str) -> None:
    """As IPv4, as IPv6, as the one in the other."""
    assert address_fault(address) == ""


@given(st.integers(0, 2**32 - 1))
def test_an_address_in_ipv6_is_judged_as_itself(number: int) -> None:
    """IPv4-mapped and by NAT64."""
    dotted = ".".join(str(byte) for byte in number.to_bytes(4, "big"))
    expected = bool(address_fault(dotted))
    assert bool(address_fault(f"::ffff:{dotted}")) is expected
    assert bool(address_fault(f"64:ff9b::{dotted}")) is expected


# ---------------------------------------------------------------- lists of URLs


@pytest.mark.parametrize(
    "url",
    [
        *("http://", "https:///a", "http://user@host/a", "http://user:pw@host/a", "http://host:0/a"),
        *("http://host:99999/a", "http://[::1/a", "http://host/a b", "http://host/a\n", "http://host/\udcff"),
    ],
)
def test_urls_that_must_not_be_asked_for(url: str) -> None:
    """No server, a user or password, characters that no URL has."""
    assert url_fault(url)
    assert "pw" not in shown(url)


@given(st.text())
def test_no_url_makes_us_stumble(rest: str) -> None:
    """Whatever somebody wrote behind `http://` is judged, and named."""
    if not url_fault(f"http://{rest}"):
        name_in(f"http://{rest}").encode(errors="surrogateescape")


def test_a_list_of_urls(desk: Desk, tmp_path: Path) -> None:
    """On this machine: each URL a record of its own, known by it without its query, with the last segment of its path
    as the file's key; what is no URL, or must not be asked for, is told without its password."""
    desk.server.put("/x/größe b.csv", b"1")
    good = f"{desk.server.url}/x/gr%C3%B6%C3%9Fe%20b.csv?version=2"
    lines = ["# sea level", "", good, "a.csv", f"{desk.server.url}/x/", "http://u:secret@example.org/a"]
    (tmp_path / "urls.txt").write_text("".join(f"{line}\n" for line in lines))
    source = open_source(
        str(tmp_path / "urls.txt"), desk.open_tree, default_metadata=DEFAULT, collection=None
    )
    seen = surveyed(source, tmp_path)
    assert source.collection == "urls"
    record = good.removesuffix("?version=2")
    assert seen.keys == {(record, "größe b.csv")}
    assert seen.files[record, "größe b.csv"].stamp
    assert seen.files[record, "größe b.csv"].path == good
    assert sorted(problem.code for problem in seen.problems) == ["bad-name", "bad-row", "unsafe-path"]
    assert not any("secret" in str(problem) for problem in seen.problems)


def listing(desk: Desk, folder: Path, *urls: str, **others: str) -> Survey:
    """What the survey of a list of URLs finds, each with these other cells."""
    (folder / "list.jsonl").write_text("".join(json.dumps({"path": url, **others}) + "\n" for url in urls))
    return surveyed(
        open_source(str(folder / "list.jsonl"), desk.open_tree, default_metadata=DEFAULT, collection=None),
        folder,
    )


def test_a_list_that_is_signed_anew_names_the_same_records(desk: Desk, tmp_path: Path) -> None:
    """What signs a URL is no part of a record's key, and is kept for whoever reads the file."""
    url = f"{desk.server.url}/data/a.bin"
    first, again = (listing(desk, tmp_path, f"{url}?X-Amz-Signature={one}") for one in ("1", "2"))
    assert first.keys == again.keys == {(url, "a.bin")}
    assert again.files[url, "a.bin"].path == f"{url}?X-Amz-Signature=2"
    assert not first.problems


def test_urls_that_differ_in_the_query_only_collide(desk: Desk, tmp_path: Path) -> None:
    """One of them is not silently taken for the other, and what is said does not tell the signature."""
    url = f"{desk.server.url}/data/a.bin"
    seen = listing(desk, tmp_path, f"{url}?id=secret-1", f"{url}?id=secret-2")
    [problem] = seen.problems
    assert (problem.code, problem.record) == ("key-collision", url)
    assert "`record`" in problem.remedy
    assert not listing(desk, tmp_path, f"{url}?id=1", record="one").problems


def test_what_signs_a_url_is_not_told(desk: Desk, tmp_path: Path) -> None:
    """Whatever is wrong with a file of the web, or with its row."""
    good, gone = (f"{desk.server.url}/data/{name}?X-Amz-Signature=secret" for name in ("a.bin", "gone"))
    seen = listing(desk, tmp_path, gone, f"{desk.server.url}/?secret", good, sha256="none")
    seen_gone = listing(desk, tmp_path, gone)
    assert {code for _, _, code in seen.rejections} == {"bad-digest", "bad-name"}
    assert [code for _, _, code in seen_gone.rejections] == ["missing"]
    assert not any("secret" in str(problem) for problem in [*seen.problems, *seen_gone.problems])


def test_a_manifest_may_name_files_here_and_on_the_web(desk: Desk, tmp_path: Path) -> None:
    """Side by side in one record; `key` says what a file of the web is called there."""
    desk.server.put("/download", b"123")
    (tmp_path / "near.csv").write_bytes(b"1")
    rows = [
        {"path": "near.csv", "record": "one", "key": "is ignored"},
        {"path": f"{desk.server.url}/download", "record": "one", "key": "far/a.csv"},
        {"path": f"{desk.server.url}/gone", "record": "one"},
        {"path": f"{desk.server.url}/download", "record": "one", "key": "../a.csv"},
    ]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = open_source(
        str(tmp_path / "list.jsonl"), desk.open_tree, default_metadata=DEFAULT, collection=None
    )
    seen = surveyed(source, tmp_path)
    assert seen.keys == {("one", "near.csv"), ("one", "far/a.csv")}
    assert sorted(code for _, _, code in seen.rejections) == ["missing", "unsafe-path"]
    with source.tree.open("near.csv", 1, "") as near, source.tree.open(rows[1]["path"], 3, "") as far:
        assert (near.read(), far.read()) == (b"1", b"123")


@pytest.mark.parametrize(
    "url", ["http://example.org/", "https://example.org/data.zip", "https://u:secret@example.org/list.csv"]
)
def test_what_is_no_list_is_no_source(url: str) -> None:
    """Nothing is asked for, and no password is told."""
    with pytest.raises(Misconfigured) as told:
        open_source(url, lambda _: pytest.fail("it was opened"), default_metadata=DEFAULT, collection=None)
    assert "secret" not in told.value.message


def test_a_list_at_a_private_address_is_refused(web_server: WebServer) -> None:
    """With what to set, before anything is begun."""
    with pytest.raises(Misconfigured, match="public internet"):
        open_source(
            f"{web_server.url}/list.csv",
            lambda url: wiring.open_tree(SourceLocation(url)),
            default_metadata=DEFAULT,
            collection=None,
        )
