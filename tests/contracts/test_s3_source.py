"""What is true of sources on S3 only: how little they ask, and how much they bear."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import Misconfigured
from pipeline.ingest.sources import Source, open_source
from pipeline.ingest.sources.trees.s3 import S3Tree
from pipeline.settings import SourceLocation
from tests.contracts.trees import TREES, BucketPlace
from tests.fault_proxy import FaultProxy, Kind, fault_proxy
from tests.unit.ingest.surveying import surveyed

TITLED = b'{"title": "Of its own"}'
LARGE = bytes(range(256)) * 40_000


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> BucketPlace:
    place = TREES["versitygw"].place(request)
    assert isinstance(place, BucketPlace)
    return place


@contextmanager
def behind_a_proxy(bucket: BucketPlace, rate: float, *kinds: Kind) -> Iterator[tuple[Source, FaultProxy]]:
    with fault_proxy(bucket.location.s3_endpoint, 7, rate=rate, kinds=kinds) as proxy:
        tree = S3Tree(replace(bucket.location, s3_endpoint=proxy.url))
        yield open_source(bucket.top, lambda _: tree, default_metadata=None, collection=None), proxy


def test_a_survey_asks_for_pages_of_objects(bucket: BucketPlace, tmp_path: Path) -> None:
    """A thousand objects a request, however many folders they are in; besides, a request for each description."""
    keys = [f"one/{number:03}/{name}" for number in range(220) for name in "abcde"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: bucket.put(key, b""), keys))
    bucket.put("one/record.json", TITLED)
    with behind_a_proxy(bucket, 0.0, Kind.ERROR) as (source, proxy):
        seen = surveyed(source, tmp_path)
        assert (len(seen.keys), seen.problems) == (len(keys), [])
        assert proxy.requests <= 10


def test_a_bad_day_changes_nothing(bucket: BucketPlace, tmp_path: Path) -> None:
    """Errors, requests to slow down, connections that are reset, answers that are cut short: all is read, and right."""
    files = {f"one/{number}.csv": bytes([number]) for number in range(8)} | {"one/large.bin": LARGE}
    for path, content in files.items():
        bucket.put(path, content)
    bucket.put("one/record.json", TITLED)
    faults = Kind.ERROR, Kind.SLOW_DOWN, Kind.RESET_BEFORE, Kind.TRUNCATED
    with behind_a_proxy(bucket, 0.25, *faults) as (source, proxy):
        seen = surveyed(source, tmp_path)
        assert seen.problems == []
        for file in seen.files.values():
            with source.tree.open(file.path, file.size, file.stamp) as opened:
                assert opened.read() == files[file.path]
                opened.still_same()
        assert set(proxy.counts()) == set(faults)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3://", ""),
        ("s3://key:secret@bucket/a", ""),
        ("s3://bucket/a", "http://s3.example.org"),
        ("s3://bucket/a", "ftp://s3.example.org"),
        ("s3://bucket/a", "https://key:secret@s3.example.org"),
    ],
)
def test_places_that_will_not_do_are_refused(s3_keys: tuple[str, str], url: str, endpoint: str) -> None:
    """Before anything is asked; no key is told."""
    with pytest.raises(Misconfigured) as told:
        S3Tree(SourceLocation(url, endpoint))
    assert "secret" not in f"{told.value.message} {told.value.remedy}"


def test_keys_are_not_looked_for_on_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys in the environment and a profile, that is said at once."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(Misconfigured, match="no keys"):
        S3Tree(SourceLocation("s3://bucket/a"))


def test_a_profile_that_is_not_there_is_the_operators_to_mend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No file is blamed for it, and nothing is waited for."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    tree = S3Tree(SourceLocation("s3://bucket/a", "http://127.0.0.1:9", s3_profile="nobody"))
    with pytest.raises(Misconfigured, match="no keys"):
        tree.look("a.csv")
