"""Committing a version, where that needs no instance."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import Corrupt
from pipeline.store.commit import Version, prepare
from pipeline.store.local import LocalStore


def test_a_version_without_its_bytes_is_not_committed(tmp_path: Path) -> None:
    """What is lost is named, and where it is to come from."""
    version = Version(
        object_id="urn:work",
        before=None,
        inventory={"head": "v1", "digestAlgorithm": "sha256"},
        documents={},
        data=frozenset({"v1/content/data/a", "v1/content/data/b"}),
        home="staging/2",
    )
    with closing(LocalStore(tmp_path)) as store:
        store.put_many({"staging/2/content/data/b": b"x"})
        with pytest.raises(Corrupt, match="staging/2/content/data/a") as lost:
            prepare(store, version)
    assert "copy of the store" in lost.value.remedy
