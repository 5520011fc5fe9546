"""Resource access tokens: what grants, and what does not."""

import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Rejected
from pipeline.model import JsonObject
from pipeline.people.resource_tokens import Grant, Signer, verify

NOW = datetime(2026, 3, 9, 14, 10, tzinfo=UTC)
KEY = "hr_0123456789ab_" + "k" * 86
SUBJECT = {"deposit_id": "12", "file": "data/a b.csv", "access": "read"}


def find_signer(token_id: int) -> Signer | None:
    return Signer(3, "ida@pier.example", KEY) if token_id == 7 else None


def signed(
    *, kid: str | None = "7", key: str = KEY, algorithm: str = "HS256", age: float = 0, **claims: object
) -> str:
    """A token of a client, by another way than the one that verifies; claims that are None are left out."""
    given = {"iat": NOW.timestamp() - age, "sub": SUBJECT, **claims}
    kept = json.dumps({name: value for name, value in given.items() if value is not None}).encode()
    return jwt.api_jws.encode(kept, key, algorithm, headers={"kid": kid} if kid else None)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("deposit_id", ["12", 12])
def test_a_sound_token_grants_one_file(algorithm: str, deposit_id: object) -> None:
    """To read as its signer would, whichever of the three algorithms it is signed by."""
    text = signed(algorithm=algorithm, sub={**SUBJECT, "deposit_id": deposit_id})
    assert verify(text, find_signer, now=NOW) == Grant(3, "ida@pier.example", 12, "data/a b.csv")


@pytest.mark.parametrize(("age", "is_good"), [(-60, True), (-61, False), (1799, True), (1800, False)])
def test_it_lasts_half_an_hour(age: float, is_good: bool) -> None:
    """From when it was issued, by a clock that may be a minute ahead."""
    if is_good:
        verify(signed(age=age), find_signer, now=NOW)
    else:
        with pytest.raises(Rejected, match="expired"):
            verify(signed(age=age), find_signer, now=NOW)


def test_it_may_end_earlier() -> None:
    """When it says so itself."""
    ends = (NOW + timedelta(minutes=5)).timestamp()
    verify(signed(exp=ends), find_signer, now=NOW)
    with pytest.raises(Rejected, match="expired"):
        verify(signed(exp=ends), find_signer, now=NOW + timedelta(minutes=5))


DEFECTS: dict[str, JsonObject] = {
    "no kid": {"kid": None},
    "unknown kid": {"kid": "8"},
    "kid that is no number": {"kid": "7'"},
    "kid beyond all numbers": {"kid": "7" * 40},
    "another key": {"key": KEY[:-1] + "x"},
    "no time": {"iat": None},
    "time in words": {"iat": "2026-03-09"},
    "time that is none": {"iat": float("nan")},
    "time beyond all": {"iat": 10**400},
    "true as time": {"iat": True},
    "end in words": {"exp": "soon"},
    "no subject": {"sub": None},
    "subject in words": {"sub": "12"},
    "write": {"sub": {**SUBJECT, "access": "write"}},
    "no file": {"sub": {"deposit_id": "12", "access": "read"}},
    "file that is none": {"sub": {**SUBJECT, "file": 1}},
    "deposit that is none": {"sub": {**SUBJECT, "deposit_id": "twelve"}},
    "deposit is true": {"sub": {**SUBJECT, "deposit_id": True}},
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_any_defect_is_told_in_one_line(defect: JsonObject) -> None:
    """And grants nothing."""
    with pytest.raises(Rejected) as refused:
        verify(signed(**defect), find_signer, now=NOW)
    assert "\n" not in refused.value.message


def test_unsigned_tokens_grant_nothing() -> None:
    """Nor those whose header asks for no algorithm, or for another kind, or that are no JSON inside."""
    head, claims, signature = signed().split(".")
    unsigned = jwt.api_jws.encode(b"{}", "", "none", headers={"kid": "7"})
    other_head = unsigned.partition(".")[0]
    deep = jwt.utils.base64url_encode(b'{"a":' * 5000).decode()
    no_claims = jwt.api_jws.encode(b"[1]", KEY, "HS256", headers={"kid": "7"})
    no_json = jwt.api_jws.encode(b"nonsense", KEY, "HS256", headers={"kid": "7"})
    for text in (
        f"{other_head}.{claims}.",
        f"{other_head}.{claims}.{signature}",
        f"{head}.{claims}.",
        f"{deep}.{claims}.{signature}",
        no_claims,
        no_json,
    ):
        with pytest.raises(Rejected):
            verify(text, find_signer, now=NOW)


@given(
    st.text(max_size=40)
    | st.lists(st.binary(max_size=20), min_size=3, max_size=3).map(
        lambda parts: ".".join(jwt.utils.base64url_encode(part).decode() for part in parts)
    )
)
def test_nothing_else_is_a_token(text: str) -> None:
    """Whatever text comes is refused, and breaks nothing."""
    with pytest.raises(Rejected):
        verify(text, find_signer, now=NOW)
