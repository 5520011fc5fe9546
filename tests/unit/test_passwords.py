"""Passwords are compared by slow hashes, made with today's parameters."""

from __future__ import annotations

import time
from contextlib import suppress

import argon2
import pytest

from pipeline.errors import Rejected
from pipeline.people import passwords


def test_a_hash_costs_what_is_recommended() -> None:
    """OWASP's password storage cheat sheet: argon2id, 46 MiB and one pass at the least."""
    found = argon2.extract_parameters(passwords.hashed("moored at the northern pier"))
    assert found.type is argon2.Type.ID
    assert found.memory_cost >= 46 << 10
    assert found.time_cost >= 1
    assert (found.salt_len, found.hash_len) == (16, 32)


def test_a_password_matches_its_own_hash_alone() -> None:
    """Where none is kept, or what is kept is none, nothing does."""
    kept = passwords.hashed("moored at the northern pier")
    assert passwords.matches(kept, "moored at the northern pier")
    assert not passwords.matches(kept, "Moored at the northern pier")
    assert not passwords.matches(kept, "x" * 100_000)
    assert not passwords.matches(None, "no account has this one")
    assert not passwords.is_outdated(kept)
    assert kept != passwords.hashed("moored at the northern pier")


CONTEXT = (
    "ida.marlow@pier.example",
    "Pier Archive",
    "data.pier.example",
    "https://data.pier.example",
    "headrace",
)


@pytest.mark.parametrize(
    "password",
    [
        "123456789012", "1q2w3e4r5t6y", "qwertyuiop123", "qwertyuiopasdfghjkl", "password1234",
        "passwordpassword", "P@ssw0rd!2024", "iloveyou1234", "football2023", "unbelievable", "princess1234",
        "abc123abc123", "letmeinletmein", "zaq12wsxcde3", "abcdefghijklm", "aaaaaaaaaaaa", " " * 20,
        "welcome12345", "administrator", "trustno1trustno1", "ida.marlow@pier.example", "marlow@pier.example",
        "Marlow.Marlow", "Pier Archive", "PierArchive2026", "headrace2026!", "Headrace1234",
        "data.pier.example", "password" * 20,
    ],
)  # fmt: skip
def test_v6_what_is_common_or_of_the_context_is_no_password(password: str) -> None:
    """Those of lists, made of words, years and rows of keys, and what the archive and its owner are called."""
    with pytest.raises(Rejected, match="too easy to guess"):
        passwords.require_good(password, CONTEXT)


@pytest.mark.parametrize(
    "password",
    [
        "moored at the northern pier",
        "twelve chars",
        "correcthorsebatterystaple",
        "hr7Kc2vPq9zL",
        "潮の満ち引きと灯台の光の夜",
    ],
)
def test_what_is_not_soon_guessed_is_a_password(password: str) -> None:
    """Words that nobody puts together, or no words."""
    passwords.require_good(password, CONTEXT)


def test_any_password_is_judged_soon() -> None:
    """However hard it is to tell what it is made of."""
    begun = time.process_time()
    with suppress(Rejected):
        passwords.require_good(("4@8{<[(369!|1705$+" * 15)[: passwords.LONGEST], CONTEXT)
    assert time.process_time() - begun < 5
