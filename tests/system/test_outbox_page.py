"""Prefect shows what is still to be done, in tables that stay the same ones."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipeline.catalogue import outbox
from pipeline.flows.outbox_page import OutboxPage
from pipeline.model import EffectKind, JsonObject
from pipeline.running.loopback import free_port
from tests.archive import Archive, open_archive

OURS = "tables-example-org"
"""Of a repository that others who use the server are not."""


def park(archive: Archive, record_id: int) -> None:
    now = archive.clock()
    with archive.services.catalogue.write() as tx:
        outbox.want(tx, [(EffectKind.INDEX, record_id)], now=now)
        for one in outbox.claim(
            tx, EffectKind.INDEX, now=now, owner="one", lease=timedelta(minutes=5), limit=9
        ):
            outbox.put_off(tx, one, owner="one", due=now, error="<b>refused</b>", parked=True)


def shown(url: str) -> dict[str, list[JsonObject]]:
    """The rows of every table of the outbox; there is one of each key."""
    asked = {"artifacts": {"key": {"like_": "outbox-%"}}}
    found = httpx.post(f"{url}/artifacts/filter", json=asked, trust_env=False).json()
    tables = {one["key"].removesuffix(f"-{OURS}"): one for one in found if one["key"].endswith(OURS)}
    assert len(tables) == sum(one["key"].endswith(OURS) for one in found)
    return {key: json.loads(one["data"]) for key, one in tables.items()}


def test_tables_are_kept_up_to_date_in_place(tmp_path: Path, prefect: dict[str, str]) -> None:
    """Made once there is something to show, gone on with by the next dispatcher, empty when nothing is left."""
    url = prefect["PREFECT_API_URL"]
    with (
        temporary_settings({PREFECT_API_URL: url}),
        open_archive(tmp_path / "home", repository_id="tables.example.org") as archive,
    ):
        page = OutboxPage(archive.services)
        page.show()
        assert shown(url) == {}
        park(archive, 1)
        page.show()
        park(archive, 2)
        page.show()
        tables = shown(url)
        assert [(one["effect"], one["parked"]) for one in tables["outbox"]] == [("index", 2)]
        told = [(one["kind"], one["record"], one["error"]) for one in tables["outbox-parked"]]
        assert told == [("index", 1, "<b>refused</b>"), ("index", 2, "<b>refused</b>")]
        with archive.services.catalogue.write() as tx:
            outbox.release(tx, now=archive.clock())
        OutboxPage(archive.services).show()
        tables = shown(url)
        assert (tables["outbox"][0]["waiting"], tables["outbox-parked"]) == (2, [])


def test_nobody_minds_a_server_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor is it told of each time."""
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}),
        open_archive(tmp_path / "home") as archive,
    ):
        park(archive, 1)
        OutboxPage(archive.services).show()
    assert not [one for one in caplog.records if one.exc_info]
