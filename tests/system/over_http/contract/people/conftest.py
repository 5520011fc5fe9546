"""What tests of accounts share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import argon2
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from pipeline.people import passwords
from tests.archive import Archive, open_archive


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hashes that are soon made."""
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(1, 8, 1))
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Archive]:
    """An archive on the embedded parts for each test, for what a database cannot change."""
    with open_archive(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def app(small: Archive) -> FastAPI:
    return create_app(small.services)
