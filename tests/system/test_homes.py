"""Where the bytes of a record-to-be wait, on stores that rename trees and on those that do not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.catalogue import deposits
from pipeline.ingest import accession
from pipeline.model import DepositState, JsonObject
from pipeline.services import Services
from pipeline.settings import StoreLocation
from pipeline.stewardship.stocktaking import compare
from pipeline.store import layout
from tests import ocfl_root
from tests.instance import Attempt, Instance, open_instance, write_record
from tests.recording_disk import PowerLoss

WRONG = "0" * 64
LARGE = b"time,level\n" * 900_000  # goes in parts


@pytest.fixture(params=["local", "seaweedfs"])
def location(request: pytest.FixtureRequest) -> StoreLocation | None:
    if request.param == "local":
        return None
    found: StoreLocation = request.getfixturevalue(f"{request.param}_location")
    return found


@pytest.fixture
def instance(location: StoreLocation | None, tmp_path: Path) -> Iterator[Instance]:
    """An instance whose root is valid when the test ends, with nothing in the store that nobody refers to."""
    settings = {} if location is None else {**asdict(location), "store": location.url}
    settings.pop("url", None)
    with open_instance(tmp_path / "home", **settings) as opened:
        yield opened
        fetched = ocfl_root.fetched(opened.services.store, tmp_path / "fetched")
        assert ocfl_root.problems(fetched) == []
        assert list(compare(opened.services)) == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A record with a file whose declared digest is wrong."""
    folder = write_record(tmp_path / "tides" / "harbour", {"good.csv": LARGE, "bad.csv": b"1\n"})
    (folder / "SHA256SUMS").write_text(f"{WRONG}  bad.csv\n")
    return tmp_path / "tides"


def mend(source: Path) -> None:
    (source / "harbour" / "SHA256SUMS").unlink()


def keys(services: Services, prefix: str) -> set[str]:
    return {one.key for one in services.store.list(prefix)}


def held(instance: Instance) -> deposits.Deposit:
    """The one record that is held."""
    with instance.services.catalogue.read() as tx:
        pending = deposits.known(tx, "tides", ["harbour"])["harbour"].pending
    assert pending is not None
    assert pending.state is DepositState.HELD
    return pending


def content_in_root(instance: Instance) -> set[str]:
    return {key for key in keys(instance.services, "root") if "/content/data/" in key}


def test_a_held_record_leaves_nothing_in_the_root(instance: Instance, source: Path) -> None:
    """Its good files wait in staging, whatever the store."""
    document = instance.ingest(source)
    assert (document["held"], document["records"]) == (1, [])
    one = held(instance)
    assert one.home == layout.staged(one.record_id)
    assert content_in_root(instance) == set()
    good = {layout.place(one.home, name) for name in ("good.csv", "SHA256SUMS")}
    assert keys(instance.services, "staging") == good


def test_a_retried_record_goes_on_from_staging(instance: Instance, source: Path) -> None:
    """Its good files are not read again, and all of it ends in the root."""
    held_before = instance.ingest(source)
    mend(source)
    document = instance.ingest(source, retry=held_before["accession"])
    [record] = document["records"]
    assert document["bytes_read"] == held_before["bytes_read"] + len(b"1\n")
    assert instance.files(record["id"]) == {"good.csv": LARGE, "bad.csv": b"1\n"}
    assert keys(instance.services, "staging") == set()


def test_the_next_accession_takes_over_what_is_held(instance: Instance, source: Path) -> None:
    """With the place of its files in custody."""
    instance.ingest(source)
    mend(source)
    document = instance.ingest(source)
    [record] = document["records"]
    assert document["bytes_read"] == len(b"1\n")
    assert instance.files(record["id"]) == {"good.csv": LARGE, "bad.csv": b"1\n"}


def test_a_cancelled_record_leaves_nothing_anywhere(instance: Instance, source: Path) -> None:
    """Neither one that was read in part nor one that is held."""
    attempt = instance.attempt(source)
    attempt.take_in(attempt.units()[:1])
    accession.cancel(instance.services, attempt.accession_id)
    assert keys(instance.services, "staging") | content_in_root(instance) == set()
    document = instance.ingest(source)
    assert document["held"] == 1
    accession.cancel(instance.services, document["accession"])
    assert keys(instance.services, "staging") | content_in_root(instance) == set()


@pytest.mark.parametrize("cut", ["before", "half-way", "after"])
def test_a_move_out_of_the_root_that_was_cut_off_is_completed(
    instance: Instance, source: Path, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next run, wherever it was cut off, before that does anything else with the record."""
    attempt = instance.attempt(source)
    attempt.take_in()
    accession.seal(instance.services, attempt.run, attempt.accession_id)
    one = held(instance)
    if cut == "half-way" and one.home != layout.staged(one.record_id):
        moved = layout.place(layout.staged(one.record_id), "good.csv")
        instance.services.store.move_many({layout.place(one.home, "good.csv"): moved})
    if cut == "after":
        with monkeypatch.context() as patch, suppress(PowerLoss):
            patch.setattr(deposits, "rehome", lose_power)
            accession.clear_root(instance.services, attempt.accession_id)
    instance.clock.move(seconds=accession.LEASE.total_seconds() + 1)
    mend(source)
    document: JsonObject = instance.ingest(source, retry=attempt.accession_id)
    [record] = document["records"]
    assert instance.files(record["id"]) == {"good.csv": LARGE, "bad.csv": b"1\n"}
    # Once by each run, but for the large one, which only the first has read.
    assert document["bytes_read"] < 2 * len(LARGE)


def lose_power(_: object, __: object) -> None:
    raise PowerLoss


def test_a_first_version_is_read_into_its_place(instance: Instance, source: Path) -> None:
    """Where the store does not rename trees; a further one waits in staging."""
    mend(source)
    first = instance.attempt(source)
    in_root = not instance.services.store.traits.renames_trees
    assert {place.startswith("root/") for place in places(first)} == {in_root}
    first.take_in()
    first.publish()
    first.finish()
    (source / "harbour" / "bad.csv").write_bytes(b"corrected\n")
    assert [place.partition("/")[0] for place in places(instance.attempt(source))] == ["staging"]


def places(attempt: Attempt) -> list[str]:
    return [file.place for unit in attempt.units() for file in unit.files]
