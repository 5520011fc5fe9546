"""URLs by which settings name servers."""

import pytest

from pipeline.server_url import ServerUrl, parse_server_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("smtp://mail.example.org", ServerUrl("smtp", "mail.example.org", None, "", "")),
        ("a://me%40x@host:12/b/c/", ServerUrl("a", "host", 12, "me@x", "b/c")),
        ("a://[::1]:12/b", ServerUrl("a", "::1", 12, "", "b")),
    ],
)
def test_a_server_is_named(url: str, parts: ServerUrl) -> None:
    """The user as written before it was quoted, the path without slashes at its ends."""
    assert parse_server_url(url) == parts


@pytest.mark.parametrize(
    "url", ["", "a:", "a:///b", "a://me:pw@host", "a://me:@host", "a://host?b", "a://host#b", "a://host:b", "a://[::1"]
)  # fmt: skip
def test_what_names_no_server_is_told(url: str) -> None:
    """Neither is a URL with a password, which has a setting of its own."""
    assert parse_server_url(url) is None
