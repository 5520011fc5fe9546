"""Passwords are compared by slow hashes, made with today's parameters."""

from __future__ import annotations

import argon2

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
