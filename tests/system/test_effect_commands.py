"""Operators see what is still to be done after commits, and have what is parked tried again, by kind or one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gateway.app import create_app
from pipeline.catalogue import outbox
from pipeline.cli.console import Exit
from pipeline.model import EffectKind, JsonObject
from tests.archive import Archive, open_archive
from tests.command import Instance as Command

WHY, REMEDY = "the server [refuses] it", "ask [its] operator"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Three effects are parked, one is put off, one was never tried."""
    with open_archive(tmp_path / "home") as opened:
        now = opened.clock.now = datetime.now(UTC)  # as it is for commands
        with opened.services.catalogue.write() as tx:
            wanted = [(EffectKind.INDEX, 1), (EffectKind.INDEX, 2), (EffectKind.MAIL, 7)]
            outbox.want(tx, [*wanted, (EffectKind.REGISTER, 3)], now=now)
            for kind in (EffectKind.INDEX, EffectKind.MAIL, EffectKind.REGISTER):
                for one in outbox.claim(tx, kind, now=now, owner="one", lease=timedelta(minutes=5), limit=9):
                    outbox.put_off(
                        tx,
                        one,
                        owner="one",
                        due=now + timedelta(hours=1),
                        error=WHY,
                        remedy=REMEDY,
                        parked=kind is not EffectKind.REGISTER,
                    )
            outbox.want(tx, [(EffectKind.ANNOUNCE, 4)], now=now)
        yield opened


@pytest.fixture
def command(archive: Archive) -> Command:
    return Command(archive.services.settings.home)


def standing(command: Command) -> dict[str, JsonObject]:
    document = command.run("status", "--effects", "--json").report
    return {one["kind"]: one for one in document["effects"]}


def parked(command: Command) -> list[JsonObject]:
    found: list[JsonObject] = command.run("status", "--effects", "--json").report["parked"]
    return found


def test_effects_are_told_by_kind_and_the_parked_ones_each(command: Command) -> None:
    """For scripts and for people, with what is wrong and what to do."""
    document = command.run("status", "--effects", "--json").report
    by_kind = {one["kind"]: one for one in document["effects"]}
    assert list(by_kind) == ["register", "index", "announce", "mail"]
    register, index, announce = by_kind["register"], by_kind["index"], by_kind["announce"]
    assert (register["put_off"], register["due"], register["parked"]) == (1, 1, 0)
    assert register["next_due"] > register["oldest"]
    assert (index["parked"], index["due"], index["oldest"], index["age_seconds"]) == (2, 0, None, 0)
    assert (announce["waiting"], announce["under_way"], announce["next_due"]) == (1, 0, None)
    assert announce["age_seconds"] > 0
    told = [(one["kind"], one["record"], one["accession"], one["attempts"]) for one in document["parked"]]
    assert told == [("index", 1, None, 1), ("index", 2, None, 1), ("mail", None, None, 1)]
    assert {(one["error"], one["remedy"]) for one in document["parked"]} == {(WHY, REMEDY)}
    assert document["parked_total"] == 3
    assert command.run("status", "--json").report.items() >= {"parked_total": 3, "accessions": []}.items()
    shown = command.run("status", "--effects")
    assert shown.code == Exit.DONE
    assert (
        shown.out.count("[refuses]") == shown.out.count("[its]") == 3
    )  # as they are, whatever they are to a terminal
    assert "headrace retry --effects" in shown.err


def test_what_is_parked_is_released_one_by_one_or_by_kind(command: Command) -> None:
    """Only that; then all, which is also what is put off."""
    first, *_ = parked(command)
    released = command.run("retry", "--effects", "--effect", str(first["effect"]), "--json").report
    assert released == {"released": {"index": 1}}
    assert [(one["kind"], one["record"]) for one in parked(command)] == [("index", 2), ("mail", None)]
    assert command.run("retry", "--effects", "--kind", "mail", "--json").report == {"released": {"mail": 1}}
    assert standing(command)["mail"]["waiting"] == 1
    rest = command.run("retry", "--effects", "--json").report
    assert rest == {"released": {"register": 1, "index": 1}}
    assert parked(command) == []
    assert command.run("retry", "--effects", "--json").report == {"released": {}}


def test_what_cannot_be_released_is_named(command: Command) -> None:
    """An effect that is not there, with nothing released of the others; kinds that there are not; half a command."""
    [first, *_] = parked(command)
    unknown = command.run("retry", "--effects", "--effect", str(first["effect"]), "--effect", "4711")
    assert (unknown.code, "4711" in unknown.err) == (Exit.USAGE, True)
    assert len(parked(command)) == 3
    for wrong in (
        ("retry", "--effects", "--kind", "dream"),
        ("retry", "--effects", "--effect", "1", "--kind", "mail"),
        ("retry", "--effects", "--effect", str(1 << 63)),
        ("retry", "--kind", "mail"),
        ("retry", "20261121-3f2a9c1d", "--effect", "1"),
        ("status", "20261121-3f2a9c1d", "--effects"),
    ):
        ended = command.run(*wrong)
        assert (ended.code, "Traceback" in ended.err) == (Exit.USAGE, False), wrong


def test_prometheus_is_told_how_effects_stand(archive: Archive) -> None:
    """By kind, also of those of which there is none; the age is of what is not parked."""
    archive.clock.move(minutes=10)
    with TestClient(create_app(archive.services)) as client:
        told = client.get("/metrics").text.splitlines()

    def value(name: str, kind: str) -> float:
        [line] = [one for one in told if one.startswith(f'headrace_outbox_{name}{{kind="{kind}"}} ')]
        return float(line.rpartition(" ")[2])

    assert [value("parked", kind) for kind in ("index", "mail", "register", "examine")] == [2, 1, 0, 0]
    assert [value("put_off", kind) for kind in ("register", "announce")] == [1, 0]
    assert [value("waiting", kind) for kind in ("register", "announce", "index")] == [1, 1, 0]
    assert [value("under_way", kind) for kind in ("announce", "preserve")] == [0, 0]
    assert [value("age_seconds", kind) for kind in ("announce", "register", "index")] == [600, 600, 0]
