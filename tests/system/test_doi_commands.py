"""`headrace dois`, and its run in Prefect."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.datacite import ACCOUNT, Control, registry_url
from pipeline.cli.console import Exit
from tests.archive import open_archive
from tests.command import Instance as Command


@pytest.fixture
def command(tmp_path: Path, datacite_url: str, prefect: dict[str, str]) -> Command:
    """Of an instance with one record, whose DOIs are at the double."""
    settings = {
        "HEADRACE_DOIS": registry_url(datacite_url),
        "HEADRACE_DOIS_PASSWORD": ACCOUNT.password,
        "HEADRACE_DOI_RATE": "0",
    }
    home = tmp_path / "home"
    with open_archive(
        home, dois=registry_url(datacite_url), dois_password="wrong", doi_rate=0
    ) as archive:
        archive.publish(files={"a": b"a"})
    return Command(home, {**prefect, **settings})


def test_what_waits_is_listed_with_cause_and_remedy_and_tried_again(
    command: Command, datacite_control: Control
) -> None:
    """The credentials were wrong; once they are right, and it is tried again, nothing is left."""
    listed = command.run("dois", "list", "--json").report["items"]
    assert {(one["wanted"], one["seen"], one["attempts"]) for one in listed} == {("findable", None, 1)}
    assert all("does not let" in one["error"] and one["remedy"] and one["since"] for one in listed)
    told = command.run("dois", "list")
    assert (told.code, all(one["doi"] in told.out for one in listed)) == (Exit.DONE, True)
    unknown = command.run("dois", "retry", "10.5072/nobodys")
    assert (unknown.code, "10.5072/nobodys" in unknown.err) == (Exit.USAGE, True)
    assert command.run("dois", "retry", listed[0]["doi"], "--json").report == {"released": 1}
    reconciled = command.run("dois", "reconcile", "--json")
    assert reconciled.code == Exit.DONE, reconciled.err
    # What waits is not wanted once more.
    assert (reconciled.report["dois"], reconciled.report["differences"]) == (2, [])
    assert datacite_control.dois() == {}
    assert "every DOI" not in command.run("dois", "list").err
