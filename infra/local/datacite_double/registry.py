"""Accounts, their DOIs, and what was done to each: in memory, under one lock, and in a file where one is given."""

from __future__ import annotations

import hmac
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from infra.local.datacite_double import rules
from infra.local.datacite_double.kernel import Kernel
from infra.local.datacite_double.rules import DRAFT, FINDABLE, Attributes, Error


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
    """A DOI. `handle` is where the handle server sends who follows it, which may be behind `attributes`."""

    name: str
    account: str
    state: str
    attributes: Attributes
    created: str
    updated: str
    registered: str | None = None
    handle: str | None = None
    changes: int = 0


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

    def list(self) -> list[Doi]:
        """All of them, for tests."""
        with self._lock:
            return [self._dois[name] for name in sorted(self._dois)]

    def move(self, states: Mapping[str, str]) -> None:
        """Have DOIs in any state, as DataCite's own people can."""
        with self._lock:
            for name, state in states.items():
                self._dois[name].state = state

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
        after = replace(before, state=state, attributes=merged, updated=now, changes=before.changes + 1)
        self._require_valid(account, after)
        if state != DRAFT and not is_late:
            after.registered = after.registered or now
            after.handle = merged["url"]
        self.published[doi] += state == FINDABLE != before.state
        self._dois[doi] = after
        self._keep(asdict(after))
        return after

    def _keep(self, *changes: Attributes) -> None:
        if self._kept is not None:
            with self._kept.open("a", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(one)}\n" for one in changes)

    def _require_valid(self, account: Account, doi: Doi) -> None:
        errors = rules.errors_of_any(doi.attributes)
        if not errors and doi.state != DRAFT:
            errors = rules.errors_of_registered(doi.attributes, account.domains, account.id)
            errors = errors or self._kernel.errors(doi.name, doi.attributes)
        if errors:
            raise _invalid(doi.name, errors)


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


def _invalid(doi: str, found: list[Error]) -> Refused:
    told = dict(reversed(found))
    errors: list[Attributes] = [
        {"source": source, "title": title, "uid": doi} for source, title in reversed(told.items())
    ]
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, errors)


def _kept(attributes: Attributes) -> Attributes:
    return {key: attributes[key] for key in rules.WRITABLE if key in attributes}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
