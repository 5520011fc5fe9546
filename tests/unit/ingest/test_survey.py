"""What a survey is told by its user."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import Misconfigured
from pipeline.ingest.survey import read_default_metadata


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"{", b"[]", b"null"])
def test_a_default_description_that_will_not_do_is_the_users_to_mend(
    tmp_path: Path, content: bytes | None
) -> None:
    """Where the file is not there, is not JSON or holds no object, they hear what it should be."""
    path = tmp_path / "default.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"default\.json") as refused:
        read_default_metadata(path)
    assert refused.value.field == "--metadata"
    assert refused.value.remedy
