"""An ingest over an S3 that has bad days: errors, resets before and after the commit, answers cut short, late or with
wrong ETags. Nothing wrong is published, and everything right is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.settings import StoreLocation
from pipeline.wiring import open_store
from tests import ocfl_root
from tests.command import Instance
from tests.fault_proxy import Kind, fault_proxy
from tests.random_collection import MIB, Collection, make_collection

pytestmark = pytest.mark.timeout(600)

SEED = 11
RATE = 0.15


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("collection")
    return make_collection(folder / "soundings", SEED, large=[50 * MIB + 3, 9 * MIB], small=120)


def test_bad_days_of_the_store_change_nothing(
    collection: Collection, s3_location: StoreLocation, prefect: dict[str, str], tmp_path: Path
) -> None:
    """Every kind of fault truly happens; the run ends as if there had been none: all records are published, the
    storage root (read on such a day, too) is valid and has the source's bytes, and neither objects nor uploads are
    left over."""
    with fault_proxy(s3_location.s3_endpoint, SEED, rate=RATE) as proxy:
        environment = {
            **prefect,
            "HEADRACE_STORE": s3_location.url,
            "HEADRACE_S3_ENDPOINT": proxy.url,
            "HEADRACE_S3_PATH_STYLE": "true",
        }
        instance = Instance(tmp_path / "home", environment)
        ended = instance.run("ingest", str(collection.folder), "--json")
        assert ended.code == 0, ended.err
        checked = instance.run("check", "--storage", "--json")
        assert checked.code == 0, checked.out
        with closing(open_store(replace(s3_location, s3_endpoint=proxy.url))) as store:
            root = ocfl_root.fetched(store, tmp_path / "fetched")
        assert proxy.counts().keys() == set(Kind)
    with closing(open_store(s3_location)) as store:
        assert not list(store.open_uploads())
    assert ocfl_root.problems(root) == []
    assert payload(root.glob("**/v1/content/**/*.bin")) == payload(collection.folder.glob("*/*.bin"))


def payload(paths: Iterable[Path]) -> list[str]:
    """Digests of files, in order."""
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
