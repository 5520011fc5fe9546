"""Reading Zenodo's deposit metadata, field by field, as its REST API takes it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from pipeline.metadata import dates, geometry, identifiers, vocabulary
from pipeline.metadata.form import Form, Path, Reading, finish
from pipeline.metadata.problems import (
    IGNORED,
    INVALID,
    MALFORMED,
    NO_DATE,
    UNKNOWN_ACCESS,
    UNKNOWN_FIELD,
    UNKNOWN_VALUE,
    WRONG_TYPE,
    FieldProblem,
)
from pipeline.metadata.text import clean
from pipeline.model import Access, FilesAccess, JsonObject
from pipeline.pid import doi

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS: dict[str, Path] = {
    "title": ("metadata", "title"),
    "description": ("metadata", "description"),
    "version": ("metadata", "version"),
    "imprint_publisher": ("metadata", "publisher"),
    "journal_title": ("custom_fields", "journal:journal", "title"),
    "journal_volume": ("custom_fields", "journal:journal", "volume"),
    "journal_issue": ("custom_fields", "journal:journal", "issue"),
    "journal_pages": ("custom_fields", "journal:journal", "pages"),
    "conference_title": ("custom_fields", "meeting:meeting", "title"),
    "conference_acronym": ("custom_fields", "meeting:meeting", "acronym"),
    "conference_dates": ("custom_fields", "meeting:meeting", "dates"),
    "conference_place": ("custom_fields", "meeting:meeting", "place"),
    "conference_url": ("custom_fields", "meeting:meeting", "url"),
    "conference_session": ("custom_fields", "meeting:meeting", "session"),
    "conference_session_part": ("custom_fields", "meeting:meeting", "session_part"),
    "imprint_isbn": ("custom_fields", "imprint:imprint", "isbn"),
    "imprint_place": ("custom_fields", "imprint:imprint", "place"),
    "partof_title": ("custom_fields", "imprint:imprint", "title"),
    "partof_pages": ("custom_fields", "imprint:imprint", "pages"),
    "thesis_university": ("custom_fields", "thesis:thesis", "university"),
}
"""Fields that are one text in both forms."""

DESCRIPTIONS = {"notes": "notes", "method": "methods"}
"""Fields that are additional descriptions, with the types of these."""

ACCESS_RIGHTS = ("open", "embargoed", "restricted", "closed")
ALTERNATE = "isAlternateIdentifier"
_EUROPEAN_COMMISSION = "00k4n6c32"

_OTHER_FIELDS = (
    "upload_type publication_date creators contributors thesis_supervisors access_right access_conditions"
    " embargo_date license doi prereserve_doi keywords subjects related_identifiers references communities"
    " grants language locations dates custom"
)
_RELATIONS = {entry["legacy"].lower(): key for key, entry in vocabulary.relation_types().items()} | {
    "isorignialformof": "isoriginalformof"  # a misspelling of the old site that old clients still send
}


def from_legacy(document: object, *, today: date) -> Reading:
    """Read a deposit's metadata, bare or as `{"metadata": {…}}`. Never raises on user data.

    Defaults are Zenodo's: publication today, open access, CC0 for datasets and CC BY for all else. Fields of
    problems begin with `metadata.` in either case.
    """
    if not isinstance(document, dict):
        return Reading(
            None, (FieldProblem("metadata", WRONG_TYPE, "Invalid input type.", "Write it as an object."),)
        )
    form = Form()
    legacy = document
    if "metadata" in document:
        legacy = document["metadata"]
        for key in sorted(map(str, document.keys() - {"metadata"})):
            form.problem(key, UNKNOWN_FIELD, "Unknown field.", "Put the description inside `metadata` alone.")
    if not isinstance(legacy, dict):
        form.problem("metadata", WRONG_TYPE, "Invalid input type.", "Write it as an object.")
        return Reading(None, tuple(form.problems))
    for read_part in _PARTS:
        read_part(form, legacy)
    _dated(form, legacy, today)
    _unknown_fields(form, legacy)
    return finish(form, today=today)


# ---------------------------------------------------------------- type, texts, dates


def _resource_type(form: Form, legacy: JsonObject) -> None:
    path: Path = ("metadata", "resource_type")
    form.name(("metadata", "resource_type"), "metadata.upload_type")
    main = form.word(legacy.get("upload_type"), "metadata.upload_type")
    if main is None:
        return
    form.put((*path, "id"), main, "metadata.upload_type")
    field = f"{main}_type"
    sub = form.word(legacy.get(field), f"metadata.{field}") if main in vocabulary.resource_types() else None
    if sub:
        sub = "dissertation" if (main, sub) == ("publication", "thesis") else sub
        form.put((*path, "id"), f"{main}-{sub}", f"metadata.{field}")


def _texts(form: Form, legacy: JsonObject) -> None:
    for field, path in TEXTS.items():
        form.put(path, legacy.get(field), f"metadata.{field}")
    for field, kind in DESCRIPTIONS.items():
        text = form.text(legacy.get(field), f"metadata.{field}")
        if text is not None:
            entry = {"description": text, "type": {"id": kind}}
            form.append(("metadata", "additional_descriptions"), entry, f"metadata.{field}")


def _dated(form: Form, legacy: JsonObject, today: date) -> None:
    given = legacy.get("publication_date")
    form.undated = given in (None, "")
    written = today.isoformat() if form.undated else given
    form.put(("metadata", "publication_date"), written, "metadata.publication_date")


def _dates(form: Form, legacy: JsonObject) -> None:
    for source, entry in form.objects(legacy.get("dates"), "metadata.dates"):
        start = form.word(entry.get("start"), f"{source}.start")
        end = form.word(entry.get("end"), f"{source}.end")
        if start is None and end is None:
            form.problem(source, MALFORMED, NO_DATE, "Give a start, an end, or both.")
            continue
        path = form.append(("metadata", "dates"), {}, source)
        written = f"{start}/{end}" if start and end and start != end else start or end
        form.put((*path, "date"), written, f"{source}.start" if start else f"{source}.end")
        form.put((*path, "description"), entry.get("description"), f"{source}.description")
        if kind := _required(form, entry, "type", source):
            form.put((*path, "type", "id"), kind, f"{source}.type")
        _ignore_others(form, entry, source, {"start", "end", "type", "description"})


def _required(form: Form, entry: JsonObject, key: str, source: str) -> str | None:
    """The text of a field that the translation cannot do without; Zenodo fails on its absence."""
    value = form.text(entry.get(key), f"{source}.{key}")
    if value is None and (entry.get(key) is None or isinstance(entry[key], str)):
        form.problem(f"{source}.{key}", MALFORMED, "Missing data for required field.", f"Give the {key}.")
    return value


# ---------------------------------------------------------------- people


def _people(form: Form, legacy: JsonObject) -> None:
    for source, person in form.objects(legacy.get("creators"), "metadata.creators"):
        _person(form, ("metadata", "creators"), person, source)
    for source, person in form.objects(legacy.get("thesis_supervisors"), "metadata.thesis_supervisors"):
        path = _person(form, ("metadata", "contributors"), person, source)
        form.put((*path, "role", "id"), "supervisor", source)
    for source, person in form.objects(legacy.get("contributors"), "metadata.contributors"):
        path = _person(form, ("metadata", "contributors"), person, source)
        form.put((*path, "role", "id"), person.get("type"), f"{source}.type")
        form.name((*path, "role"), f"{source}.type")


def _person(form: Form, people: Path, person: JsonObject, source: str) -> Path:
    path = form.append(people, {}, source)
    who = (*path, "person_or_org")
    form.put(who, {}, f"{source}.name")
    form.put((*who, "name"), person.get("name"), f"{source}.name")
    for scheme in ("orcid", "gnd"):
        if value := form.word(person.get(scheme), f"{source}.{scheme}"):
            form.append((*who, "identifiers"), {"scheme": scheme, "identifier": value}, f"{source}.{scheme}")
    if affiliation := form.text(person.get("affiliation"), f"{source}.affiliation"):
        form.append((*path, "affiliations"), {"name": affiliation}, f"{source}.affiliation")
    _ignore_others(form, person, source, {"name", "affiliation", "orcid", "gnd", "type"})
    return path


def _ignore_others(form: Form, entry: JsonObject, source: str, known: set[str]) -> None:
    for key in sorted(map(str, entry.keys() - known)):
        form.problem(f"{source}.{key}", IGNORED, "Unknown field.", "Remove it, or correct its name.")


# ---------------------------------------------------------------- access and licence


def _access(form: Form, legacy: JsonObject) -> None:
    form.name(("access", "embargo", "until"), "metadata.embargo_date")
    right = legacy.get("access_right")
    right = "open" if right in (None, "") else right
    if right not in ACCESS_RIGHTS:
        form.problem(
            "metadata.access_right",
            MALFORMED,
            UNKNOWN_ACCESS,
            f"Use one of: {', '.join(ACCESS_RIGHTS)}.",
        )
        # What is not understood must not be shown.
        form.access = Access(FilesAccess.RESTRICTED)
    elif right != "open":
        form.access = Access(FilesAccess.RESTRICTED, _embargo(form, legacy) if right == "embargoed" else None)
    if right != "embargoed" and legacy.get("embargo_date"):
        reason = "Only embargoed records have an embargo date."
        form.problem(
            "metadata.embargo_date", IGNORED, reason, "Set access_right to embargoed, or remove the date."
        )
    if legacy.get("access_conditions"):
        reason = "Conditions of access are not kept."
        form.problem(
            "metadata.access_conditions", IGNORED, reason, "State them in the description or the notes."
        )


def _embargo(form: Form, legacy: JsonObject) -> date | None:
    field = "metadata.embargo_date"
    given = form.word(legacy.get("embargo_date"), field)
    if given is None:
        form.problem(field, MALFORMED, UNKNOWN_ACCESS, "Give the day the embargo ends.")
        return None
    if not dates.full_day(given) or given.startswith("0000"):
        # Without it the files would stay closed for ever, which nobody asked for.
        form.problem(field, MALFORMED, "Please provide a valid date.", "Write it as YYYY-MM-DD.")
        return None
    return date.fromisoformat(given)


def _licence(form: Form, legacy: JsonObject) -> None:
    given = legacy.get("license")
    if given is None:
        default = _default_licence(legacy)
        if default:
            form.append(("metadata", "rights"), {"id": default}, "metadata.license")
        return
    if isinstance(given, dict) and "id" in given:
        given = given["id"]
    elif isinstance(given, dict):
        reason = "Invalid license object provided (missing 'id' key)."
        form.problem("metadata.license", MALFORMED, reason, 'Write {"id": "cc-by-4.0"}, or the id alone.')
        return
    _named_licence(form, given)


def _named_licence(form: Form, given: object) -> None:
    remedy = "Give an SPDX id such as cc-by-4.0, or other-open, other-closed, notspecified."
    if not isinstance(given, str):
        form.problem("metadata.license", MALFORMED, "Invalid license value provided.", remedy)
    elif vocabulary.licence_id(given):
        form.append(("metadata", "rights"), {"id": given}, "metadata.license")
    elif vocabulary.is_legacy_licence_title(given):
        entry = {"title": {"en": given.strip().lower()}}
        form.append(("metadata", "rights"), entry, "metadata.license")
    else:
        form.problem("metadata.license", MALFORMED, f"Invalid license provided: {given}", remedy)


def _default_licence(legacy: JsonObject) -> str | None:
    if not legacy or legacy.get("access_right") not in (None, "", "open", "embargoed"):
        return None
    return "cc0-1.0" if legacy.get("upload_type") == "dataset" else "cc-by-4.0"


# ---------------------------------------------------------------- identifiers and relations


def _doi(form: Form, legacy: JsonObject) -> None:
    form.name(("pids", "doi"), "metadata.doi")
    given = form.word(legacy.get("doi"), "metadata.doi")
    form.doi = (doi.parse(given) or given) if given else None


def _related(form: Form, legacy: JsonObject) -> None:
    field, entries = "metadata.related_identifiers", legacy.get("related_identifiers")
    if entries is None:
        return
    if not isinstance(entries, list):
        form.problem(
            field, WRONG_TYPE, "related_identifiers must be a list", "Write it as a list of objects."
        )
        return
    for index, entry in enumerate(entries):
        if isinstance(entry, dict):
            _relation(form, entry, f"{field}.{index}")
        else:
            reason = "Each related identifier must be an object"
            form.problem(f"{field}.{index}", WRONG_TYPE, reason, "Write identifier and relation.")


def _relation(form: Form, entry: JsonObject, source: str) -> None:
    relation = entry.get("relation")
    if not isinstance(relation, str):
        form.problem(f"{source}.relation", WRONG_TYPE, "relation must be a string", "Write e.g. cites.")
        return
    alternate = relation == ALTERNATE
    if alternate:
        path = form.append(("metadata", "identifiers"), {}, source)
    else:
        path = form.append(("metadata", "related_identifiers"), {}, source)
        kind = _RELATIONS.get(relation.lower(), relation)
        form.put((*path, "relation_type", "id"), kind, f"{source}.relation")
    form.name((*path, "identifier"), f"{source}.identifier")
    form.put((*path, "identifier"), _required(form, entry, "identifier", source), f"{source}.identifier")
    kind_of_work = form.word(entry.get("resource_type"), f"{source}.resource_type")
    if kind_of_work and alternate:
        reason = "An alternate identifier has no resource type of its own."
        form.problem(f"{source}.resource_type", IGNORED, reason, "Remove it.")
    elif kind_of_work:
        kind_of_work = kind_of_work.replace("publication-thesis", "publication-dissertation")
        form.put((*path, "resource_type", "id"), kind_of_work, f"{source}.resource_type")
    _ignore_others(form, entry, source, {"identifier", "relation", "resource_type", "scheme"})


def _communities(form: Form, legacy: JsonObject) -> None:
    given = legacy.get("communities")
    if given is None:
        return
    entries = given if isinstance(given, list) else [given]
    slugs = [entry.get("identifier") if isinstance(entry, dict) else None for entry in entries]
    named = [text for slug in slugs if isinstance(slug, str) and (text := clean(slug))]
    if not isinstance(given, list) or len(named) < len(slugs):
        # The one field that Zenodo names without its prefix.
        reason = "Communities must be an array of objects with an 'identifier' key."
        form.problem("communities", MALFORMED, reason, 'Write [{"identifier": "<slug>"}].')
    form.communities = tuple(dict.fromkeys(named))


# ---------------------------------------------------------------- subjects, funding, places


def _subjects(form: Form, legacy: JsonObject) -> None:
    for source, keyword in _items(form, legacy.get("keywords"), "metadata.keywords"):
        path = form.append(("metadata", "subjects"), {}, source)
        form.put((*path, "subject"), keyword, source)
    for source, entry in form.objects(legacy.get("subjects"), "metadata.subjects"):
        path = form.append(("metadata", "subjects"), {}, source)
        form.put((*path, "subject"), entry.get("term"), f"{source}.term")
        form.put((*path, "identifier"), entry.get("identifier"), f"{source}.identifier")
        form.put((*path, "scheme"), entry.get("scheme"), f"{source}.scheme")
        _ignore_others(form, entry, source, {"term", "identifier", "scheme"})


def _references(form: Form, legacy: JsonObject) -> None:
    for source, reference in _items(form, legacy.get("references"), "metadata.references"):
        path = form.append(("metadata", "references"), {}, source)
        form.put((*path, "reference"), reference, source)


def _items(form: Form, value: object, source: str) -> Iterator[tuple[str, Any]]:
    if value is None:
        return
    if not isinstance(value, list):
        form.problem(source, WRONG_TYPE, "Not a valid list.", "Write it as a list of texts.")
        return
    for index, item in enumerate(value):
        yield f"{source}.{index}", item


def _grants(form: Form, legacy: JsonObject) -> None:
    for source, grant in form.objects(legacy.get("grants"), "metadata.grants"):
        given = _required(form, grant, "id", source)
        if given is None:
            continue
        funder, mark, number = map(str.strip, given.partition("::"))
        # A bare number is one of the European Commission's.
        key, number = (_funder(funder), number) if mark else (_EUROPEAN_COMMISSION, funder)
        if key is None or not number:
            remedy = "Write <funder DOI>::<award number>, or the number alone for the European Commission."
            form.problem(f"{source}.id", UNKNOWN_VALUE, f"Invalid value {given}.", remedy)
            continue
        entry = {"funder": {"id": key}, "award": {"id": f"{key}::{number}", "number": number}}
        form.append(("metadata", "funding"), entry, f"{source}.id")
        _ignore_others(form, grant, source, {"id"})


def _funder(name: str) -> str | None:
    # A funder beyond those that Zenodo knows has no word of its own here; its ROR id is one.
    return vocabulary.funder_id(name) or identifiers.normal_person_id("ror", name)


def _language(form: Form, legacy: JsonObject) -> None:
    if given := form.word(legacy.get("language"), "metadata.language"):
        form.append(("metadata", "languages"), {"id": given}, "metadata.language")


def _locations(form: Form, legacy: JsonObject) -> None:
    for source, entry in form.objects(legacy.get("locations"), "metadata.locations"):
        path = form.append(("metadata", "locations", "features"), {}, source)
        if place := _required(form, entry, "place", source):
            form.put((*path, "place"), place, f"{source}.place")
        form.put((*path, "description"), entry.get("description"), f"{source}.description")
        latitude = _degrees(form, entry, "lat", source)
        longitude = _degrees(form, entry, "lon", source)
        if latitude is not None and longitude is not None:
            worse = "lat" if abs(latitude) > 90 else "lon"
            form.put((*path, "geometry"), geometry.point(longitude, latitude), f"{source}.{worse}")
        elif (entry.get("lat") is None) != (entry.get("lon") is None):
            absent = "lat" if entry.get("lat") is None else "lon"
            # INVALID: the coordinate that was given is left out, as one that says nothing alone.
            reason = "Missing data for required field."
            form.problem(f"{source}.{absent}", INVALID, reason, "Give lat and lon, or neither.")
        _ignore_others(form, entry, source, {"place", "description", "lat", "lon"})


def _degrees(form: Form, entry: JsonObject, key: str, source: str) -> float | None:
    value = entry.get(key)
    if value is None:
        return None
    try:
        degrees = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        degrees = None
    if degrees is None or not abs(degrees) <= 360:
        form.problem(
            f"{source}.{key}", MALFORMED, "Not a valid number.", "Write decimal degrees, such as 52.37."
        )
        return None
    return degrees


# ---------------------------------------------------------------- the rest


def _custom(form: Form, legacy: JsonObject) -> None:
    custom = legacy.get("custom")
    if custom is None:
        return
    if not isinstance(custom, dict):
        form.problem("metadata.custom", WRONG_TYPE, "Invalid input type.", "Write it as an object.")
        return
    for key, value in custom.items():
        if key.partition(":")[0] in ("journal", "meeting", "imprint", "thesis"):
            form.problem(f"metadata.custom.{key}", IGNORED, "Unknown field.", "Use the field of its own.")
        else:
            form.put(("custom_fields", key), value, f"metadata.custom.{key}")


def _unknown_fields(form: Form, legacy: JsonObject) -> None:
    known = {*TEXTS, *DESCRIPTIONS, *_OTHER_FIELDS.split()}
    if isinstance(main := legacy.get("upload_type"), str):
        known = known | {f"{main}_type"}
    for key in sorted(map(str, legacy.keys() - known)):
        form.problem(f"metadata.{key}", IGNORED, "Unknown field.", "Remove it, or correct its name.")


_PARTS = (
    _resource_type,
    _texts,
    _people,
    _access,
    _licence,
    _doi,
    _related,
    _communities,
    _subjects,
    _references,
    _grants,
    _language,
    _locations,
    _dates,
    _custom,
)
