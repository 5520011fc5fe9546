"""How often one may ask (Zenodo's REST API: rate limits; what clients depend on, number 23)."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.app import create_app
from tests.archive import Archive, open_archive
from tests.asking import Client

LIMITS = "guest 3/minute 5/hour, account 4/minute, search 2/minute, harvest 1/minute"
TOLD = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@contextmanager
def limited(tmp_path: Path, **settings: object) -> Iterator[tuple[Archive, Client]]:
    """An archive with these settings, and a client of it, which is a guest of this machine."""
    with open_archive(tmp_path / "home", **settings) as archive:
        yield archive, Client(create_app(archive.services))


def test_a23_whoever_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    """Each answer says how many requests are allowed, how many are left, and when there are more; the one too many is
    429 with the limit in words, and whoever waits for as long as it says is served again."""
    with limited(tmp_path, rate_limits=LIMITS) as (archive, client):
        for left in (2, 1, 0):
            answer = client.get("/api/records/77")
            assert answer.status_code == 404
            assert [answer.headers[name] for name in TOLD[:2]] == ["3", str(left)]
        refused = client.get("/api/records/77")
        assert (refused.status_code, refused.json()) == (429, {"status": 429, "message": "3 per 1 minute"})
        assert [refused.headers[name] for name in TOLD[:2]] == ["3", "0"]
        assert refused.headers["access-control-allow-origin"] == "*"
        wait = int(refused.headers["retry-after"])
        assert int(refused.headers["x-ratelimit-reset"]) == int(archive.clock().timestamp()) + wait
        assert 60 <= wait <= 66
        archive.clock.move(seconds=wait)
        assert [client.get("/api/records/77").status_code for _ in range(3)] == [404, 404, 429]
        assert client.get("/api/records/77").json()["message"] == "5 per 1 hour"


def test_a23_people_are_told_on_a_page(tmp_path: Path) -> None:
    """Pages count as well, and what they are made with does not."""
    with limited(tmp_path, rate_limits="guest 1/hour") as (_, client):
        assert client.get("/").status_code == 200
        refused = client.get("/")
        assert refused.status_code == 429
        assert "<h1>Too many requests</h1>" in refused.text
        assert int(refused.headers["retry-after"]) > 3000
        for free in ("/static/headrace.css", "/healthz", "/metrics"):
            answer = client.get(free)
            assert answer.status_code == 200
            assert "x-ratelimit-limit" not in answer.headers


def test_v16_whoever_asks_too_often_is_noted_and_fills_no_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With their address; one of a second's refusals, whoever else is refused."""
    caplog.set_level(logging.INFO, "headrace.security")
    with limited(tmp_path, rate_limits="guest 1/hour") as (_, client):
        began = time.monotonic()
        assert [client.get("/api/records/77").status_code for _ in range(40)].count(429) == 39
        took = time.monotonic() - began
    noted = [one.facts for one in caplog.records if one.name == "headrace.security"]  # type: ignore[attr-defined]
    assert {(one["event"], one["status"], one["from"]) for one in noted} == {("refused", 429, "127.0.0.1")}
    assert len(noted) <= took + 1
    assert all(one["others"] > 0 for one in noted[1:])


@pytest.mark.parametrize(
    ("path", "allowed"), [("/api/records", 2), ("/search", 2), ("/oai2d?verb=Identify", 1)]
)
def test_1_7_searches_and_harvests_have_limits_of_their_own(tmp_path: Path, path: str, allowed: int) -> None:
    """Beside those of whoever asks, so other addresses still answer."""
    with limited(tmp_path, rate_limits="guest 9/minute, search 2/minute, harvest 1/minute") as (_, client):
        assert [client.get(path).status_code for _ in range(3)].count(200) == allowed
        answer = client.get(path)
        assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (429, str(allowed))
        assert client.get("/api/records/77").status_code == 404


def test_1_7_accounts_are_counted_whatever_their_token(tmp_path: Path) -> None:
    """Apart from guests at the same address, whose count bad tokens are on."""
    with limited(tmp_path, rate_limits=LIMITS) as (archive, client):
        tokens = [archive.token("ida@pier.example") for _ in range(2)]
        for token in tokens * 2:
            answer = client.get("/api/records/77", Authorization=f"Bearer {token}")
            assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (404, "4")
        assert client.get(f"/api/records/77?access_token={tokens[0]}").status_code == 429
        other = archive.token("bo@pier.example")
        assert client.get(f"/api/records/77?access_token={other}").status_code == 404
        bad = [client.get("/api/records/77", Authorization=f"Bearer bad{n}").status_code for n in range(4)]
        assert bad == [401, 401, 401, 429]
        assert client.get("/api/records/77").status_code == 429


def test_1_7_preflights_do_not_count(tmp_path: Path) -> None:
    """They are answered all the time, and use nothing up."""
    with limited(tmp_path, rate_limits="guest 1/minute") as (_, client):
        for _ in range(3):
            asked = client.ask(
                "OPTIONS", "/api/records", Origin="https://a.example", Access_Control_Request_Method="GET"
            )
            assert asked.status_code == 200
        assert client.get("/api/records").status_code == 200


def test_1_7_this_machine_is_not_limited_unless_it_is_said(tmp_path: Path) -> None:
    """By default requests over the loopback interface are not counted; with `off` nobody's are."""
    with limited(tmp_path) as (_, client):
        assert {client.get("/api/records").status_code for _ in range(31)} == {200}
        assert "x-ratelimit-limit" not in client.get("/api/records").headers
    with limited(tmp_path, trusted_proxies=("127.0.0.1",)) as (_, client):
        answer = client.get("/api/records", X_Forwarded_For="203.0.113.7")
        assert answer.headers["x-ratelimit-limit"] == "30"
    with limited(tmp_path, rate_limits="off", trusted_proxies=("127.0.0.1",)) as (_, client):
        answer = client.get("/api/records", X_Forwarded_For="203.0.113.7")
        assert "x-ratelimit-limit" not in answer.headers


def test_1_7_nobody_is_believed_to_speak_for_others(tmp_path: Path) -> None:
    """X-Forwarded-For changes nothing, but of a proxy that the settings name, whose last word counts."""
    with limited(tmp_path, rate_limits="guest 1/minute") as (_, client):
        answers = [client.get("/api/records", X_Forwarded_For=f"203.0.113.{n}") for n in range(2)]
        assert [one.status_code for one in answers] == [200, 429]
    with limited(tmp_path, rate_limits="guest 1/minute", trusted_proxies=("127.0.0.0/8",)) as (_, client):
        told = [
            client.get("/api/records", X_Forwarded_For=text).status_code
            for text in ("203.0.113.1", "203.0.113.2", "198.51.100.9, 203.0.113.1", "203.0.113.2, 127.0.0.2")
        ]
        assert told == [200, 200, 429, 429]
