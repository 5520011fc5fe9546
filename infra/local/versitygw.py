"""versitygw, a folder served as S3; a second real server beside SeaweedFS, stricter in some ways and laxer in others.
The Makefile builds it from its Go module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from infra.local.service import Service, installed
from pipeline.running.loopback import LOOPBACK, free_port, http_url

if TYPE_CHECKING:
    from pathlib import Path


def versitygw(folder: Path, access_key: str, secret_key: str, *, port: int = 0) -> Service:
    """A versitygw whose buckets are folders in `folder/data`; `url` is the S3 endpoint (path style, region us-east-1),
    at `port` or a free one. The file system of `folder` must have extended attributes."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    url = http_url(port)
    return Service(
        name="versitygw",
        command=(str(installed("versitygw")), "--quiet", "--port", f"{LOOPBACK}:{port}", "posix", str(data)),
        url=url,
        healthy=lambda: _answers(url),
        environment={"ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key},
    )


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=2)
    except httpx.HTTPError:
        return False
    return True
