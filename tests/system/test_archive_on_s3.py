"""A whole instance on S3: what it takes in, holds and publishes, and the storage root that is left."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.settings import StoreLocation
from pipeline.stewardship.stocktaking import compare
from pipeline.store import layout
from tests import ocfl_root
from tests.eicar import EICAR
from tests.instance import Instance, codes, open_instance, write_record


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A record with a file that goes in parts, and one that is held for a virus."""
    write_record(
        tmp_path / "source" / "harbour", {"a.csv": b"1,2\n", "same.csv": b"1,2\n", "large.bin": large(20)}
    )
    write_record(
        tmp_path / "source" / "wreck", {"good.csv": b"5,6\n", "virus.com": EICAR, "large.bin": large(17)}
    )
    return tmp_path / "source"


def large(mebibytes: int) -> bytes:
    return random.Random(mebibytes).randbytes(mebibytes << 20)


def settings(location: StoreLocation) -> dict[str, object]:
    return {"store" if name == "url" else name: value for name, value in asdict(location).items()}


def staged(instance: Instance) -> list[str]:
    return sorted(one.key for one in instance.services.store.list("staging"))


def test_an_archive_on_s3_from_the_first_byte_to_the_second_version(
    s3_location: StoreLocation, source: Path, tmp_path: Path
) -> None:
    """New works are written where they stay; what is held leaves nothing in the root, and comes back when it is mended;
    a further version brings only what is new. The root is valid after each run, and store and catalogue agree."""
    with open_instance(tmp_path / "home", **settings(s3_location)) as instance:
        store = instance.services.store
        first = instance.ingest(source)
        [harbour] = first["records"]
        assert codes(first) == [
            ("harbour", "harbour/same.csv", "duplicate"),
            ("wreck", "wreck/virus.com", "infected"),
        ]
        assert staged(instance) == ["staging/4/content/data/good.csv", "staging/4/content/data/large.bin"]
        root = ocfl_root.fetched(store, tmp_path / "first")
        assert ocfl_root.problems(root) == []
        assert len(ocfl_root.objects(root)) == 2  # the system object is one
        assert list(compare(instance.services)) == []

        (source / "wreck" / "virus.com").unlink()
        (source / "harbour" / "a.csv").write_bytes(b"1,2\n3,4\n")
        second = instance.ingest(source)
        assert (second["held"], staged(instance)) == (0, [])
        root = ocfl_root.fetched(store, tmp_path / "second")
        assert ocfl_root.problems(root) == []
        assert list(compare(instance.services)) == []

        ids = {one["concept_id"]: int(one["id"]) for one in second["records"]}
        revised, mended = ids.pop(harbour["concept_id"]), ids.popitem()[1]
        assert instance.files(revised) == {
            "a.csv": b"1,2\n3,4\n",
            "same.csv": b"1,2\n",
            "large.bin": large(20),
        }
        assert instance.files(int(harbour["id"]))["a.csv"] == b"1,2\n"
        assert instance.files(mended) == {"good.csv": b"5,6\n", "large.bin": large(17)}
        object_id = layout.concept_object(instance.services.repository.id, int(harbour["concept_id"]))
        inventory = json.loads((root.parent / layout.object_root(object_id) / "inventory.json").read_bytes())
        data = [path for each in inventory["manifest"].values() for path in each if "/content/data/" in path]
        assert sorted(data) == ["v1/content/data/a.csv", "v1/content/data/large.bin", "v2/content/data/a.csv"]
