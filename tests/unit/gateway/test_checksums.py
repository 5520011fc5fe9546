"""Digests that clients send along are read in every form that they are sent in, and nothing else is."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.checksums import declared_digests
from pipeline.errors import Rejected


def encoded(algorithm: str, content: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode()


@given(st.binary())
def test_each_header_gives_its_digest(content: bytes) -> None:
    """Content-MD5 in base64 and in hex; Repr-Digest and Content-Digest with the algorithms that we know."""
    md5, sha256 = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    assert declared_digests({"content-md5": encoded("md5", content)}) == {"md5": md5}
    assert declared_digests({"content-md5": md5.upper()}) == {"md5": md5}
    both = f"unixsum=:AAA=:, sha-256=:{encoded('sha256', content)}:"
    assert declared_digests({"repr-digest": both}) == {"sha256": sha256}
    assert declared_digests({"content-digest": both, "content-md5": md5}) == {"md5": md5, "sha256": sha256}


@given(st.text().filter(lambda text: len(text) != 32))
def test_what_is_no_md5_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        declared_digests({"content-md5": text + "?"})


@pytest.mark.parametrize("text", ["sha-256=abc", "sha-256=:AAAA:", "=:AAAA:", "sha-256"])
def test_what_is_no_digest_field_is_refused(text: str) -> None:
    """A member that cannot be read, or whose value is too short for its algorithm."""
    with pytest.raises(Rejected):
        declared_digests({"repr-digest": text})
