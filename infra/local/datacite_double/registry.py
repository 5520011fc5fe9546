"""Accounts, their DOIs, and what was done to each: in memory, under one lock, and in a file where one is given."""

from __future__ import annotations

import hmac
import json
import threading
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from infra.local.datacite_double import rules
from infra.local.datacite_double.kernel import Kernel
from infra.local.datacite_double.rules import DRAFT, FINDABLE, Attributes, Fault


@dataclass(frozen=True, slots=True)
class Account:
    """A repository account. `domains` are those that URLs may be of, separated by commas; `*` is any."""

    id: str
    password: str = field(repr=False)
    prefixes: tuple[str, ...]
    is_active: bool = True
    domains: str = "*"


@dataclass(slots=True)
class Doi:
    """A DOI. `activities` are the accepted changes, the first one first."""

    name: str
    account: str
    state: str
    attributes: Attributes
    created: str
    updated: str
    registered: str | None = None
    activities: list[Attributes] = field(default_factory=list)


class Refused(Exception):
    """A call that is refused, with the `errors` of its answer."""

    def __init__(self, status: HTTPStatus, errors: list[Attributes]) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors


def refused(status: HTTPStatus, title: str) -> Refused:
    """A refusal of the framework's form."""
    return Refused(status, [{"status": str(int(status)), "title": title}])


_MISSING = "The resource you are looking for doesn't exist."
_FORBIDDEN = "You are not authorized to access this resource."


class Registry:
    """`calls` counts the calls for each DOI, `published` how often each became findable. In the file `kept` stands a
    line for each change; DOIs that an earlier server left there are known. What is counted is not kept."""

    def __init__(self, accounts: list[Account], kernel: Kernel, kept: Path | None = None) -> None:
        self._accounts = {one.id.lower(): one for one in accounts}
        self._kernel = kernel
        self._lock = threading.Lock()
        self._kept = kept
        self._dois = {} if kept is None else _read(kept)
        self.calls: Counter[str] = Counter()
        self.published: Counter[str] = Counter()

    def recognise(self, user: str, password: str) -> Account:
        """Whose credentials these are."""
        account = self._accounts.get(user.lower())
        if account is None or not hmac.compare_digest(account.password.encode(), password.encode()):
            raise refused(HTTPStatus.UNAUTHORIZED, "Bad credentials.")
        return account

    def put(
        self, account: Account | None, name: str, attributes: Attributes, *, is_late: bool = False
    ) -> tuple[Doi, bool]:
        """Make or change a DOI: (as it is now, whether it is new). `is_late`: the handle server did not answer."""
        doi = rules.name_of(name)
        if doi is None:
            raise refused(HTTPStatus.NOT_FOUND, _MISSING)
        with self._lock:
            self.calls[doi] += 1
            known = self._dois.get(doi)
            _require_owner(account, doi, known)
            assert account is not None
            return self._write(account, doi, known, attributes, is_late=is_late), known is None

    def post(self, account: Account | None, attributes: Attributes, *, is_late: bool = False) -> Doi:
        """Make a DOI, with a suffix of its own where none is said."""
        name = attributes.get("doi") or f"{attributes.get('prefix', '')}/{_suffix()}"
        doi = rules.name_of(str(name))
        if doi is None:
            raise _invalid(str(name), [("doi", "Is invalid")])
        with self._lock:
            self.calls[doi] += 1
            _require_owner(account, doi, None)
            assert account is not None
            if doi in self._dois:
                raise _invalid(doi, [("doi", "This DOI has already been taken")])
            return self._write(account, doi, None, attributes, is_late=is_late)

    def get(self, account: Account | None, name: str) -> Doi:
        """Only owners see what is not findable."""
        doi = rules.name_of(name)
        with self._lock:
            if doi is not None:
                self.calls[doi] += 1
            known = self._dois.get(doi or "")
            if known is None or (known.state != FINDABLE and not _is_owner(account, known)):
                raise refused(HTTPStatus.NOT_FOUND, _MISSING)
            return known

    def delete(self, account: Account | None, name: str) -> None:
        known = self.get(account, name)
        _require_owner(account, known.name, known)
        if known.state != DRAFT:
            raise refused(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed")
        with self._lock:
            self._dois.pop(known.name, None)
            self._keep({"name": known.name})

    def validate(self, account: Account | None, attributes: Attributes) -> Doi:
        """What it would be once it is findable; nothing is kept."""
        name = rules.name_of(str(attributes.get("doi", ""))) or "10.5072/none"
        now = _now()
        would_be = Doi(name, account.id if account else "", FINDABLE, _kept(attributes), now, now)
        self._require_valid(account, would_be)
        return would_be

    def list(self) -> list[Doi]:
        """All of them, for tests."""
        with self._lock:
            return [self._dois[name] for name in sorted(self._dois)]

    def forget(self) -> None:
        """All of them, and what was counted, for tests."""
        with self._lock:
            self._keep(*({"name": name} for name in self._dois))
            self._dois.clear()
            self.calls.clear()
            self.published.clear()

    def _write(
        self, account: Account, doi: str, known: Doi | None, attributes: Attributes, *, is_late: bool
    ) -> Doi:
        now = _now()
        before = known or Doi(doi, account.id, DRAFT, {}, now, now)
        merged = before.attributes | _kept(attributes)
        state = rules.step(before.state, attributes.get("event"))
        # What is not valid in its new state is not kept at all.
        after = Doi(doi, account.id, state, merged, before.created, now, before.registered, before.activities)
        self._require_valid(account, after)
        after.activities.append(_activity(known, after, now))
        if state != DRAFT and not is_late:
            after.registered = after.registered or now
        self.published[doi] += state == FINDABLE != before.state
        self._dois[doi] = after
        self._keep(asdict(after))
        return after

    def _keep(self, *changes: Attributes) -> None:
        if self._kept is not None:
            with self._kept.open("a", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(one)}\n" for one in changes)

    def _require_valid(self, account: Account | None, doi: Doi) -> None:
        faults = rules.faults_of_any(doi.attributes)
        if not faults and doi.state != DRAFT:
            domains, name = (account.domains, account.id) if account else ("*", "")
            faults = rules.faults_of_registered(doi.attributes, domains, name)
            faults = faults or self._kernel.faults(doi.name, doi.attributes)
        if faults:
            raise _invalid(doi.name, faults)


def _read(kept: Path) -> dict[str, Doi]:
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    last = {one["name"]: one for one in map(json.loads, lines)}
    return {name: Doi(**one) for name, one in last.items() if "state" in one}


def _require_owner(account: Account | None, doi: str, known: Doi | None) -> None:
    if account is None:
        raise refused(HTTPStatus.UNAUTHORIZED, "Bad credentials.")
    has_prefix = doi.partition("/")[0] in account.prefixes
    if not account.is_active or not has_prefix or (known is not None and not _is_owner(account, known)):
        raise refused(HTTPStatus.FORBIDDEN, _FORBIDDEN)


def _is_owner(account: Account | None, known: Doi) -> bool:
    return account is not None and known.account == account.id


def _invalid(doi: str, faults: list[Fault]) -> Refused:
    told = dict(reversed(faults))
    errors: list[Attributes] = [
        {"source": source, "title": title, "uid": doi} for source, title in reversed(told.items())
    ]
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, errors)


def _kept(attributes: Attributes) -> Attributes:
    return {key: attributes[key] for key in rules.WRITABLE if key in attributes}


def _activity(known: Doi | None, after: Doi, now: str) -> Attributes:
    before: dict[str, Any] = {} if known is None else {**known.attributes, "aasm_state": known.state}
    changed = {**after.attributes, "aasm_state": after.state}
    changes = {
        key: value if known is None else [before.get(key), value]
        for key, value in changed.items()
        if before.get(key) != value
    }
    return {
        "id": str(uuid.uuid4()),
        "type": "activities",
        "attributes": {
            "prov:generatedAtTime": now,
            "action": "create" if known is None else "update",
            "version": len(after.activities) + 1,
            "changes": changes,
        },
    }


def _suffix() -> str:
    letters = uuid.uuid4().hex[:8]
    return f"{letters[:4]}-{letters[4:]}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
