"""A draft as InvenioRDM's draft API takes it in, and what its answers say is wrong with it.

Its body has the canonical form already. This module leaves out what only answers have, keeps what is valid, and names
everything else: a draft is saved with problems, which stop its publication.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.metadata import dates
from pipeline.metadata.deposit_form import DepositMetadata, Unsaid
from pipeline.metadata.form import Form, finish, unreported
from pipeline.metadata.problems import IGNORED, INVALID, MALFORMED, UNKNOWN_VALUE, WRONG_TYPE, FieldProblem
from pipeline.metadata.text import clean
from pipeline.model import Access, FilesAccess, FilesView, JsonObject
from pipeline.pid.doi import is_own, parse, prefix_is_managed, same

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pipeline.dissemination import Repository
    from pipeline.model import Description

_SHOWN = frozenset(
    {
        *(
            "id",
            "created",
            "updated",
            "revision_id",
            "is_published",
            "is_draft",
            "status",
            "versions",
            "parent",
        ),
        *("links", "errors", "expires_at", "stats", "swh", "ui", "expanded", "deletion_status", "tombstone"),
        "media_files",
    }
)
"""Members that only answers have (Zenodo's REST API, the draft API)."""
_FILES_SHOWN = frozenset({"count", "total_bytes", "entries"})
_MOST_ORDERED = 1_000
_NO_FILES = "Missing uploaded files."
_FOREVER_PUBLIC = "You don't have permissions to manage record access."
_ALWAYS_FILES = "You don't have permissions to manage files options."
_RIGHTS_ENTRY = re.compile(r"metadata\.rights\.([0-9]+)")


def read(body: object, *, repository: Repository, own_doi: str | None, today: date) -> DepositMetadata:
    """Read the JSON body of a request to create a draft, or to replace one, whose record has, or will be given, the DOI
    `own_doi`. Without `pids`, or without `files`, it says nothing of them; of communities it never does.

    Raises `InvalidFields` where it is no object, `Rejected` with Zenodo's words for a term that no vocabulary has.
    """
    if not isinstance(body, dict):
        raise InvalidFields((FieldFault("_schema", ("Invalid input type.",)),))
    form = Form({"metadata": body.get("metadata"), "custom_fields": body.get("custom_fields")})
    _name_unknown(form, "", body, {*_SHOWN, "metadata", "custom_fields", "access", "files", "pids"})
    form.access = _access(form, body.get("access"), today)
    form.doi = _doi(form, body.get("pids"), repository, own_doi)
    form.files = _files(form, body.get("files"))
    reading = finish(form, today=today)
    if reading.description is None:
        raise InvalidFields((FieldFault("metadata", ("Invalid input type.",)),))
    _refuse(reading.description, reading.problems)
    wrong = [each for each in reading.problems if each.code == WRONG_TYPE]
    said = {Unsaid.DOI: body.get("pids"), Unsaid.FILES_VIEW: body.get("files")}
    return DepositMetadata(
        reading.description,
        has_metadata=isinstance(body.get("metadata"), dict),
        dropped=(*wrong, *reading.dropped),
        unsaid=frozenset({Unsaid.COMMUNITIES, *(part for part, value in said.items() if value is None)}),
    )


def _refuse(description: Description, problems: Iterable[FieldProblem]) -> None:
    for each in problems:
        found = _RIGHTS_ENTRY.fullmatch(each.field)
        if found and each.code == MALFORMED:
            raise Rejected(f"Invalid value {clean(description.metadata['rights'][int(found[1])]['id'])}.")
        if each.code == UNKNOWN_VALUE and not each.field.endswith(".person_or_org.type"):
            raise Rejected(clean(each.reason))


def _name_unknown(form: Form, path: str, given: JsonObject, known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            form.problem(f"{path}{clean(key)}", IGNORED, "Unknown field.", "Remove it, or correct its name.")


def _object(form: Form, value: object, path: str) -> JsonObject:
    """`value`, or nothing where it is no object, which is named."""
    if value is None or isinstance(value, dict):
        return value or {}
    form.problem(path, INVALID, "Invalid input type.", "Write it as an object.")
    return {}


# ---------------------------------------------------------------- access


def _access(form: Form, value: object, today: date) -> Access:
    given = _object(form, value, "access")
    _name_unknown(form, "access.", given, {"record", "files", "embargo", "status"})
    record, files = given.get("record", "public"), given.get("files", "public")
    if record == "restricted":
        form.problem(
            "access", INVALID, _FOREVER_PUBLIC, "Restrict the files: descriptions are always public."
        )
    elif record != "public":
        form.problem("access.record", INVALID, "Must be one of: public, restricted.", "Write public.")
    if files not in ("public", "restricted"):
        form.problem(
            "access.files", INVALID, "Must be one of: public, restricted.", "Write public or restricted."
        )
        files = "public"
    return _embargoed(form, FilesAccess(files), given.get("embargo"), today)


def _embargoed(form: Form, files: FilesAccess, value: object, today: date) -> Access:
    """Access with its embargo: one that is over and not active stays only where it would open nothing."""
    path = "access.embargo"
    given = _object(form, value, path)
    _name_unknown(form, f"{path}.", given, {"active", "until", "reason"})
    active = given.get("active") or False
    if not isinstance(active, bool):
        form.problem(f"{path}.active", INVALID, "Not a valid boolean.", "Write true or false.")
        active = False
    until = _day(form, given.get("until"), f"{path}.until")
    if active and until is None and given.get("until") is None:
        form.problem(f"{path}.until", INVALID, "Missing data for required field.", "Give the day it ends.")
    elif not active and until is not None and until > today:
        reason = "An embargo that is not active cannot end in the future."
        form.problem(f"{path}.until", INVALID, reason, "Make it active, or remove the date.")
        until = None
    elif not active and until is not None and files is FilesAccess.RESTRICTED:
        reason = "An embargo that is over leaves no file restricted."
        form.problem(f"{path}.until", INVALID, reason, "Remove the date, or open the files.")
        until = None
    return Access(files, until, form.text(given.get("reason"), f"{path}.reason") or "")


def _day(form: Form, value: object, path: str) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat((isinstance(value, str) and dates.full_day(value.strip())) or "")
    except ValueError:
        form.problem(path, INVALID, "Not a valid date.", "Write it as YYYY-MM-DD.")
        return None


# ---------------------------------------------------------------- names and files


def _doi(form: Form, value: object, repository: Repository, own_doi: str | None) -> str | None:
    """The DOI that the depositor brought, also one that is not valid, or the record's own, where that is reserved."""
    pids = _object(form, value, "pids")
    _name_unknown(form, "pids.", pids, {"doi", "oai"})
    given = _object(form, pids.get("doi"), "pids.doi")
    _name_unknown(form, "pids.doi.", given, {"identifier", "provider", "client"})
    doi = form.word(given.get("identifier"), "pids.doi.identifier")
    provider = given.get("provider", "datacite")
    if provider not in ("external", "datacite"):
        form.problem("pids.doi.provider", INVALID, "Must be one of: external, datacite.", "Write external.")
    elif doi is None or (own_doi is not None and same(parse(doi) or doi, own_doi)):
        return own_doi if doi else None
    elif provider == "external":
        if not is_own(repository, doi):
            return parse(doi) or doi
        reason = f"{prefix_is_managed(repository)}."
        form.problem("pids.doi", INVALID, reason, "Leave the DOI out, or reserve the record's own.")
    else:
        reason = "Only the record's own DOI can be reserved."
        form.problem("pids.doi", INVALID, reason, "Leave it out; or say that its provider is external.")
    return None


def _files(form: Form, value: object) -> FilesView:
    given = _object(form, value, "files")
    _name_unknown(form, "files.", given, {*_FILES_SHOWN, "enabled", "order", "default_preview"})
    enabled = given.get("enabled", True)
    if enabled is False:
        form.problem("files.enabled", INVALID, _ALWAYS_FILES, "Records have files: upload one.")
    elif enabled is not True:
        form.problem("files.enabled", INVALID, "Not a valid boolean.", "Write true.")
    preview = form.text(given.get("default_preview"), "files.default_preview")
    return FilesView(preview or "", tuple(_order(form, given.get("order"))))


def _order(form: Form, value: Any) -> Iterable[str]:
    if value is None:
        return
    if not isinstance(value, list) or len(value) > _MOST_ORDERED:
        remedy = f"Write it as a list of keys, {_MOST_ORDERED} at most."
        form.problem("files.order", INVALID, "Not a valid list.", remedy)
        return
    for index, each in enumerate(value):
        if key := form.text(each, f"files.order.{index}"):
            yield key


# ---------------------------------------------------------------- what is wrong with a draft


def errors(
    dropped: Sequence[JsonObject], faults: Iterable[FieldFault], *, has_files: bool
) -> list[FieldFault]:
    """What the answer of a draft says is wrong with it: what was `dropped` of it (`{"field", "message", "remedy"?}`),
    then for which `faults` else it would not be published."""
    told: dict[str, FieldFault] = {}
    for each in dropped:
        field, before = each["field"], told.get(each["field"], FieldFault(each["field"], ()))
        messages = (*before.messages, each["message"])
        told[field] = FieldFault(field, messages, each.get("remedy") or before.remedy)
    found = list(faults)
    if not has_files:
        found.append(FieldFault("files.enabled", (_NO_FILES,)))
    return [*told.values(), *unreported(found, told.keys())]


def misunderstood_access(dropped: Sequence[JsonObject]) -> list[FieldFault]:
    """What was said of access and could not be kept: no files shall be opened, nor a record shown, by mistake."""
    return [
        FieldFault(each["field"], (each["message"],), "Say who may read the files, and save the draft again.")
        for each in dropped
        if each["field"].partition(".")[0] == "access"
    ]
