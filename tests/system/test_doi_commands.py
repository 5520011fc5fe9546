"""`headrace dois`, and its run in Prefect."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local.datacite import ACCOUNT, Control, registry_url
from pipeline.catalogue import doi_rate
from pipeline.cli.console import Exit
from tests.archive import open_archive
from tests.command import Instance as Command
from tests.doi_accounts import REFUSED
from tests.instance import write_record


@pytest.fixture
def command(tmp_path: Path, datacite_url: str, prefect: dict[str, str]) -> Command:
    """Of an instance with one record, whose DOIs are at the double."""
    return opened(tmp_path / "home", registry_url(datacite_url), prefect, password="wrong")


def opened(home: Path, dois: str, prefect: dict[str, str], *, password: str) -> Command:
    """Of an instance with one record, which was published with that password."""
    settings = {
        "HEADRACE_DOIS": dois,
        "HEADRACE_DOIS_PASSWORD": ACCOUNT.password,
        "HEADRACE_DOI_RATE": "0",
    }
    with open_archive(home, dois=dois, dois_password=password, doi_rate=0) as archive:
        archive.publish(files={"a": b"a"})
    return Command(home, {**prefect, **settings})


def test_what_waits_is_listed_with_cause_and_remedy_and_tried_again(
    command: Command, datacite_control: Control
) -> None:
    """The credentials were wrong; once they are right, and it is tried again, nothing is left."""
    document = command.run("dois", "list", "--json").report
    listed = document["items"]
    assert (document["items_total"], document["rests_until"]) == (2, None)
    assert {(one["wanted"], one["seen"], one["attempts"]) for one in listed} == {("findable", None, 1)}
    assert all("does not let" in one["error"] and one["remedy"] and one["since"] for one in listed)
    told = command.run("dois", "list")
    assert (told.code, all(one["doi"] in told.out for one in listed)) == (Exit.DONE, True)
    unknown = command.run("dois", "retry", "10.5072/nobodys")
    assert (unknown.code, "10.5072/nobodys" in unknown.err) == (Exit.USAGE, True)
    assert command.run("dois", "retry", listed[0]["doi"], "--json").report == {"records": 1}
    reconciled = command.run("dois", "reconcile", "--json")
    assert reconciled.code == Exit.DONE, reconciled.err
    # What waits is not wanted once more.
    assert (reconciled.report["dois"], reconciled.report["differences"]) == (2, [])
    assert datacite_control.dois() == {}
    assert "every DOI" not in command.run("dois", "list").err


def test_what_is_parked_is_told_apart(
    tmp_path: Path, datacite_url: str, prefect: dict[str, str], datacite_control: Control
) -> None:
    """In a list of its own, among all, and after comparing, which does not try it again; `status` names the command
    that does."""
    elsewhere = registry_url(datacite_url, REFUSED)
    command = opened(tmp_path / "home", elsewhere, prefect, password=REFUSED.password)
    [own, concept] = command.run("dois", "list", "--parked", "--json").report["items"]
    assert (own["parked"], own["record"], own["remedy"]) == (True, concept["record"], concept["remedy"])
    assert [one["doi"] for one in command.run("dois", "list", "--all", "--json").report["items"]] == [
        own["doi"],
        concept["doi"],
    ]
    told = command.run("dois", "list", "--parked")
    assert (own["doi"] in told.out, "headrace dois retry" in told.err) == (True, True)
    assert "headrace dois retry" in command.run("status").err
    reconciled = command.run("dois", "reconcile", "--limit", "5", "--json").report
    assert (reconciled["parked"], reconciled["parked_total"]) == ([own, concept], 2)
    assert (reconciled["differences"], datacite_control.dois()) == ([], {})


def test_what_differs_is_shown(tmp_path: Path, datacite_url: str, prefect: dict[str, str]) -> None:
    """With the base URL another one every DOI shall lead elsewhere."""
    dois = registry_url(datacite_url)
    moved = {**prefect, "HEADRACE_BASE_URL": "https://new.example.org"}
    command = opened(tmp_path / "home", dois, moved, password=ACCOUNT.password)
    found = command.run("dois", "reconcile", "--limit", "0")
    assert found.code == Exit.DONE, found.err
    assert "2 differ" in found.err
    assert all(one in found.out for one in (f"{ACCOUNT.prefixes[0]}/headrace.", "behind"))


def test_a_registry_that_is_left_alone_is_asked_at_once_where_somebody_says_so(
    tmp_path: Path, datacite_url: str, prefect: dict[str, str]
) -> None:
    dois = registry_url(datacite_url)
    home = tmp_path / "home"
    command = opened(home, dois, prefect, password=ACCOUNT.password)
    until = datetime.now(UTC) + timedelta(hours=12)
    with open_archive(home, dois=dois) as archive, archive.services.catalogue.write() as tx:
        doi_rate.keep(tx, replace(doi_rate.hold(tx), rests_until=until))
    assert command.run("dois", "list", "--json").report["rests_until"].startswith(f"{until:%Y-%m-%dT%H:%M}")
    assert f"not asked before {until:%Y-%m-%d %H:%M}" in command.run("dois", "list").err
    command.run("dois", "retry")
    assert command.run("dois", "list", "--json").report["rests_until"] is None


@pytest.mark.parametrize("is_there", [True, False])
def test_an_ingest_puts_dois_and_waits_for_no_registry(
    home_with_prefect: Path,
    tmp_path: Path,
    datacite_url: str,
    datacite_control: Control,
    is_there: bool,
) -> None:
    """They are put by the run itself, without a dispatcher; with a registry that is away it ends as soon, and leaves
    them to wait."""
    if not is_there:
        datacite_control.befall(rate=1, kinds=["503"])
    write_record(tmp_path / "tides" / "harbour", {"a.csv": b"1,2"})
    settings = {
        "HEADRACE_DOIS": registry_url(datacite_url),
        "HEADRACE_DOIS_PASSWORD": ACCOUNT.password,
    }
    command = Command(home_with_prefect, settings)
    ended = command.run("ingest", str(tmp_path / "tides"), "--json")
    assert (ended.code, ended.report["records_total"]) == (Exit.DONE, 1), ended.err
    assert ended.report["seconds"]["publish"] < 20
    assert len(datacite_control.dois()) == (2 if is_there else 0)
    assert command.run("dois", "list", "--json").report["items_total"] == (0 if is_there else 2)
