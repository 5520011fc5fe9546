"""Errors, headers, feeds for robots, and what operators ask."""

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from gateway.app import create_app
from pipeline.model import Record
from pipeline.settings import StoreLocation
from tests.archive import BASE_URL, Archive, open_archive
from tests.asking import Client
from tests.command import wait_until
from tests.cutting_proxy import cutting_proxy

# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("DELETE", "/api/records", 405),
        ("POST", "/api/records/2/files/a/content", 405),
    ],
)
def test_the_api_answers_errors_in_json(
    standing: tuple[Client, Record], method: str, path: str, status: int
) -> None:
    """An unknown route is 404 and a known one with another method 405, in JSON."""
    answer = standing[0].ask(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_people_are_told_of_errors_on_pages(standing: tuple[Client, Record]) -> None:
    """Unknown pages are pages, with the status of an error."""
    answer = standing[0].get("/nothing/here")
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text


def test_what_breaks_inside_is_not_told(
    archive: Archive, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """When bytes have vanished from the store the answer names an error id, and the log has it; neither answer has a
    trace or a path in it."""
    record = archive.publish(files={"a.txt": b"1"})
    archive.services.store.delete("root")
    for path in (f"/api/records/{record.id}/files/a.txt/content", f"/records/{record.id}/files/a.txt"):
        answer = client.get(path)
        assert answer.status_code == 500
        assert "Traceback" not in answer.text
        assert "root/" not in answer.text
    error_id = client.get(f"/api/records/{record.id}/files/a.txt/content").json()["error_id"]
    assert error_id in caplog.text


def test_every_answer_is_hardened(standing: tuple[Client, Record]) -> None:
    """Security headers stand on every kind of answer, errors and redirects included."""
    client, record = standing
    for path in (
        "/",
        "/api/records",
        "/nothing",
        f"/records/{record.concept_id}",
        "/healthz",
        "/static/headrace.css",
        "/oai2d",
        "/api/records?q=" + "a" * 40_000,
    ):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"]
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"


def test_scripts_of_other_sites_may_read_the_api(standing: tuple[Client, Record]) -> None:
    """The API answers cross-origin requests and their preflights; pages do not."""
    client, record = standing
    asked = client.get(f"/api/records/{record.id}", Origin="https://other.example")
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "ETag" in asked.headers["access-control-expose-headers"]
    preflight = client.ask(
        "OPTIONS",
        f"/api/records/{record.id}",
        Origin="https://other.example",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="authorization",
    )
    assert preflight.status_code == 200
    assert "access-control-allow-origin" not in client.get("/", Origin="https://other.example").headers


# ---------------------------------------------------------------- feeds and operations


def test_sitemap_and_robots(archive: Archive, client: Client) -> None:
    """The sitemap lists the landing page of every version with the time of its change, and robots.txt names it."""
    first = archive.publish(files={"a.txt": b"1"})
    second = archive.publish(files={"a.txt": b"2"}, version_of=first)
    tree = etree.fromstring(client.get("/sitemap.xml").content)
    assert tree.xpath("//*[local-name()='loc']/text()") == [
        f"{BASE_URL}/records/{first.id}",
        f"{BASE_URL}/records/{second.id}",
    ]
    assert client.get("/sitemaps/1.xml").content == client.get("/sitemap.xml").content
    assert client.get("/sitemaps/2.xml").status_code == 404
    assert f"Sitemap: {BASE_URL}/sitemap.xml" in client.get("/robots.txt").text


def test_health_follows_the_catalogue(archive: Archive, client: Client) -> None:
    """200 with the state of each part while the catalogue answers, 503 when it is away; then every page says that it
    will be back, and tells nothing of what is wrong."""
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "parts": {"catalogue": "ok", "store": "ok", "index": "ok"}}
    archive.services.catalogue.close()
    home = archive.services.settings.home
    home.rename(home.with_name("away"))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["parts"]["catalogue"]) == (503, "unavailable")
    for path in ("/", "/api/records", "/oai2d?verb=ListSets"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert "sqlite" not in answer.text
    assert "headrace_catalogue_up 0.0" in client.get("/metrics").text


def test_health_follows_a_store_elsewhere(tmp_path: Path, seaweedfs_location: StoreLocation) -> None:
    """While S3 is away the gateway is degraded, and says so at once: the store is tried again and again without anybody
    waiting for that. When S3 is back all is well."""
    with cutting_proxy(seaweedfs_location.s3_endpoint) as proxy:
        location = replace(seaweedfs_location, s3_endpoint=proxy.url)
        with open_archive(tmp_path / "home", location) as archive:
            client = Client(create_app(archive.services))
            assert client.get("/healthz").json()["status"] == "ok"
            proxy.cut_upload_after, proxy.cuts = 0, 1000
            answer = client.get("/healthz")
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            assert answer.json()["parts"] == {"catalogue": "ok", "store": "unavailable", "index": "ok"}
            assert answer.elapsed.total_seconds() < 10
            proxy.cuts = 0
            wait_until(lambda: client.get("/healthz").json()["status"] == "ok", "the store")


def test_a_root_that_is_gone_is_told(archive: Archive, client: Client) -> None:
    """The disk answers, but what was mounted there is not there."""
    archive.services.store.delete("root")
    assert client.get("/healthz").json()["parts"]["store"] == "missing"


def test_metrics_count_by_route(archive: Archive, client: Client) -> None:
    """Requests are counted by the template of their route, never by their path, and the outbox by kind."""
    record = archive.publish(files={"a.txt": b"1"})
    for path in (f"/api/records/{record.id}", "/api/records/777", "/made/up/by/a/scanner"):
        client.get(path)
    text = client.get("/metrics").text
    route = 'route="/api/records/{record_id}"'
    assert f'headrace_http_requests_total{{method="GET",{route},status="200"}} 1.0' in text
    assert f'headrace_http_requests_total{{method="GET",{route},status="404"}} 1.0' in text
    assert "scanner" not in text
    assert "headrace_records 1.0" in text
    assert "headrace_fixity_failed 0.0" in text
    assert 'headrace_outbox_waiting{kind="preserve"} 0.0' in text
