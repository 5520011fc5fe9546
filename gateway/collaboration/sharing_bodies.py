"""With whom a work is shared, as requests say it (pure; Zenodo's REST API, access links and grants)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time

from gateway.http.headers import whole_number
from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.metadata.text import clean, sanitise
from pipeline.model import AccessGrant, JsonObject, Right
from pipeline.people.access_requests import Asking
from pipeline.people.sharing import LinkChange

_MISSING = "Missing data for required field."
_NO_STRING = "Not a valid string."
_LINK_RIGHTS = (Right.VIEW, Right.PREVIEW, Right.EDIT)
_GRANT_RIGHTS = (*_LINK_RIGHTS, Right.MANAGE)
_MOST_GIVEN = 100
"""Grants in one request."""
_LONGEST_DESCRIPTION = 1_000
_LONGEST_CONDITIONS = 10_000
_LONGEST_EMAIL = 254
_LONGEST_NAME = 250
_LONGEST_LIFE = 365
"""Days of a guest's link."""


def members(body: object) -> JsonObject:
    """Those of a JSON object. Raises `Rejected` for anything else."""
    if not isinstance(body, dict):
        raise Rejected("Invalid input type.", field="_schema")
    return body


# ---------------------------------------------------------------- links


def link(body: object) -> LinkChange:
    """Raises `InvalidFields`."""
    given = members(body)
    _require(
        ("permission", _fault_of_right(given.get("permission"), _LINK_RIGHTS)),
        ("expires_at", _fault_of_time(given.get("expires_at"))),
        ("description", _fault_of_text(given.get("description"), _LONGEST_DESCRIPTION)),
    )
    right, expires, description = (given.get(name) for name in ("permission", "expires_at", "description"))
    return LinkChange(
        right=None if right is None else _right(right),
        says_expiry="expires_at" in given,
        expires=_time(str(expires)) if expires else None,
        description=clean(str(description)) if description is not None else None,
    )


def _fault_of_time(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str) and _time(value) is not None:
        return ""
    return "Not a valid date: give one as 2026-12-31."


def _time(text: str) -> datetime | None:
    """A day stands for its beginning, and a time without a zone is UTC."""
    try:
        if len(text) == len("2026-12-31"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# ---------------------------------------------------------------- grants


def grants(body: object) -> list[AccessGrant]:
    """Raises `Rejected`, `InvalidFields`."""
    given = members(body).get("grants")
    if not isinstance(given, list):
        raise Rejected(_MISSING if given is None else "Not a valid list.", field="grants")
    if not 1 <= len(given) <= _MOST_GIVEN:
        raise Rejected(f"Length must be between 1 and {_MOST_GIVEN}.", field="grants")
    faults = [
        replace(fault, field=f"grants.{number}.{fault.field}")
        for number, one in enumerate(given)
        for fault in _faults_of_grant(one)
    ]
    if faults:
        raise InvalidFields(tuple(faults))
    return [_grant(one) for one in given]


def messages(body: object) -> dict[int, str]:
    """What is said in a mail to those accounts that are to be notified, out of what `grants` has read."""
    return {
        _grant(one).account_id: clean(one.get("message") or "")
        for one in members(body)["grants"]
        if one.get("notify", False)
    }


def grant(body: object) -> AccessGrant:
    """A whole one, to be put in the place of another. Raises `InvalidFields`."""
    given = members(body)
    if faults := tuple(_faults_of_grant(given)):
        raise InvalidFields(faults)
    return _grant(given)


def grant_change(body: object) -> Callable[[AccessGrant], AccessGrant]:
    """What is to be another of a grant. Raises `InvalidFields`."""
    given = members(body)
    subject = given.get("subject")
    _require(
        ("permission", _fault_of_right(given.get("permission"), _GRANT_RIGHTS)),
        *(_faults_of_subject(subject) if subject is not None else ()),
    )

    def change(before: AccessGrant) -> AccessGrant:
        right = before.right if given.get("permission") is None else _right(given["permission"])
        account = before.account_id if subject is None else int(subject["id"])
        return replace(before, right=right, account_id=account)

    return change


def _faults_of_grant(one: object) -> Iterator[FieldFault]:
    if not isinstance(one, dict):
        yield FieldFault("_schema", ("Invalid input type.",))
        return
    right = one.get("permission")
    for name, fault in (
        ("permission", _MISSING if right is None else _fault_of_right(right, _GRANT_RIGHTS)),
        *_faults_of_subject(one.get("subject")),
        ("message", _fault_of_text(one.get("message"), _LONGEST_CONDITIONS)),
        ("notify", "" if isinstance(one.get("notify", False), bool) else "Not a valid boolean."),
    ):
        if fault:
            yield FieldFault(name, (fault,))


def _faults_of_subject(subject: object) -> Iterator[tuple[str, str]]:
    if not isinstance(subject, dict):
        yield "subject", _MISSING if subject is None else "Invalid input type."
        return
    if "type" not in subject:
        yield "subject.type", _MISSING
    elif subject["type"] != "user":
        yield "subject.type", "Unsupported: works are shared with users. Give user."
    named = subject.get("id")
    if named is None:
        yield "subject.id", _MISSING
    elif not isinstance(named, str):
        yield "subject.id", _NO_STRING
    elif whole_number(named) is None:
        yield "subject.id", "Could not find the specified subject."


def _grant(given: JsonObject) -> AccessGrant:
    return AccessGrant(int(given["subject"]["id"]), _right(given["permission"]))


# ---------------------------------------------------------------- settings


def settings(body: object) -> JsonObject:
    """The fields of `AccessSettings` that are to be others; what else is said means nothing. Raises `InvalidFields`."""
    given = members(body)
    conditions, life = given.get("accept_conditions_text"), given.get("secret_link_expiration", 0)
    flags = ("allow_user_requests", "allow_guest_requests")
    is_life = isinstance(life, int) and not isinstance(life, bool) and 0 <= life <= _LONGEST_LIFE
    _require(
        *(
            (name, "" if isinstance(given.get(name, False), bool) else "Not a valid boolean.")
            for name in flags
        ),
        ("accept_conditions_text", _fault_of_text(conditions, _LONGEST_CONDITIONS)),
        ("secret_link_expiration", "" if is_life else f"Must be a number of days from 0 to {_LONGEST_LIFE}."),
    )
    changes = {name: given[name] for name in (*flags, "secret_link_expiration") if name in given}
    if "accept_conditions_text" in given:
        changes["accept_conditions_text"] = sanitise(str(conditions)) if conditions is not None else None
    return changes


# ---------------------------------------------------------------- asking for files


def asking(body: object) -> Asking:
    """What somebody says who asks for files. Raises `InvalidFields`."""
    given = members(body)
    consents = given.get("consent_to_share_personal_data") in ("true", True)
    _require(
        ("email", _fault_of_text(given.get("email"), _LONGEST_EMAIL) if given.get("email") else _MISSING),
        ("full_name", _fault_of_text(given.get("full_name"), _LONGEST_NAME)),
        ("message", _fault_of_text(given.get("message"), _LONGEST_CONDITIONS)),
        ("consent_to_share_personal_data", "" if consents else 'Must be "true": the owner is told who asks.'),
    )
    email = str(given["email"]).strip()
    name = clean(str(given.get("full_name") or "")) or email
    return Asking(email, name, clean(str(given.get("message") or "")))


# ---------------------------------------------------------------- what several have


def _require(*judged: tuple[str, str]) -> None:
    if faults := tuple(FieldFault(name, (fault,)) for name, fault in judged if fault):
        raise InvalidFields(faults)


def _fault_of_right(value: object, allowed: tuple[Right, ...]) -> str:
    words = [one.word for one in allowed]
    return "" if value is None or value in words else f"Must be one of: {', '.join(words)}."


def _right(word: object) -> Right:
    return Right.of(str(word))


def _fault_of_text(value: object, longest: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return _NO_STRING
    return "" if len(value) <= longest else f"Longer than maximum length {longest}."
