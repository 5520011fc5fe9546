"""What a client says of files that it is going to send into a draft (pure; InvenioRDM's draft files API)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.catalogue.pending_files import AnnouncedFile
from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.model import JsonObject
from pipeline.store.transfer import MOST_PARTS, fault_of_parts

_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_LARGEST = (1 << 63) - 1
_MOST_IN_PARTS = 100
"""Files in parts that one request announces: the store is asked to begin each of them."""


@dataclass(frozen=True, slots=True)
class Announcements:
    """`dropped` are the fields that were given and are not kept, as `{"field", "message"}`."""

    files: tuple[AnnouncedFile, ...]
    dropped: tuple[JsonObject, ...]


def read(body: object) -> Announcements:
    """Raises `Rejected` for what is no list of files, or an empty one; `InvalidFields` for what is wrong with them."""
    if not isinstance(body, list) or not body:
        raise Rejected("No files to upload.", field="_schema")
    faults = [fault for number, one in enumerate(body) for fault in _faults(number, one)]
    if faults:
        raise InvalidFields(tuple(faults))
    files = tuple(map(_announced, body))
    in_parts = [one for one in files if one.part_size]
    if len(in_parts) > _MOST_IN_PARTS:
        raise Rejected(
            f"One request announces {_MOST_IN_PARTS} files in parts at most.",
            remedy="Announce the others in further requests.",
            field="_schema",
        )
    if sum(one.plan.count for one in in_parts) > MOST_PARTS:
        raise Rejected(f"One request announces {MOST_PARTS:,} parts at most.", field="_schema")
    dropped = [each for number, one in enumerate(body) for each in _dropped(number, one)]
    return Announcements(files, tuple(dropped))


def _announced(one: Mapping[str, object]) -> AnnouncedFile:
    size, transfer = one.get("size"), one.get("transfer")
    part_size = transfer.get("part_size") if isinstance(transfer, dict) and _kind(transfer) == "M" else 0
    algorithm, _, value = str(one.get("checksum") or "").partition(":")
    return AnnouncedFile(
        key=str(one["key"]),
        size=size if isinstance(size, int) else None,
        declared={algorithm: value.lower()} if algorithm else {},
        part_size=part_size if isinstance(part_size, int) else 0,
    )


def _faults(number: int, one: object) -> Iterator[FieldFault]:
    if not isinstance(one, dict):
        yield FieldFault(str(number), ("Invalid input type.",))
        return
    for name, fault in (
        ("key", _fault_of_key(one)),
        ("size", _fault_of_size(one.get("size"))),
        ("checksum", _fault_of_checksum(one.get("checksum"))),
        ("transfer.type", _fault_of_kind(one.get("transfer"))),
        *_faults_of_parts(one),
    ):
        if fault:
            yield FieldFault(f"{number}.{name}", (fault,))


def _fault_of_key(one: Mapping[str, object]) -> str:
    if "key" not in one:
        return "Missing data for required field."
    return "" if isinstance(one["key"], str) else "Not a valid string."


def _fault_of_size(size: object) -> str:
    is_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= _LARGEST
    return "" if size is None or is_size else "Not a valid integer."


def _fault_of_checksum(checksum: object) -> str:
    if checksum is None:
        return ""
    algorithm, _, value = checksum.partition(":") if isinstance(checksum, str) else ("", "", "")
    if re.fullmatch("[0-9a-fA-F]+", value) and len(value) == _DIGITS.get(algorithm):
        return ""
    return f"Not a checksum: give {', '.join(_DIGITS)}, a colon and the digest in hexadecimal."


def _kind(transfer: object) -> object:
    return transfer.get("type", "L") if isinstance(transfer, dict) else "L"


def _fault_of_kind(transfer: object) -> str:
    if transfer is not None and not isinstance(transfer, dict):
        return "Invalid input type."
    kind = _kind(transfer)
    if kind in ("L", "M"):
        return ""
    return f"Unsupported value: {kind}. Files are sent to this server, in one piece (L) or in parts (M)."


def _faults_of_parts(one: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Size, parts and part size have to agree, and be what S3 takes (`pipeline.store.transfer`)."""
    transfer = one.get("transfer")
    if _kind(transfer) != "M" or not isinstance(transfer, dict):
        return
    size, parts, part_size = one.get("size"), transfer.get("parts"), transfer.get("part_size")
    given = {"size": size, "transfer.parts": parts, "transfer.part_size": part_size}
    wrong = {name: value for name, value in given.items() if not _is_count(value)}
    for name, value in wrong.items():
        if value is None:
            yield name, "Missing data for required field."
        elif name != "size":
            yield name, "Not a valid integer."
    if isinstance(size, int) and isinstance(parts, int) and isinstance(part_size, int) and not wrong:
        yield "transfer.part_size", fault_of_parts(size, parts, part_size)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST


def _dropped(number: int, one: Mapping[str, object]) -> Iterator[JsonObject]:
    """Files have no metadata of their own here, and are as open as their record."""
    if one.get("metadata"):
        yield {"field": f"{number}.metadata", "message": "Files have no metadata of their own here."}
    access = one.get("access")
    if isinstance(access, dict) and access.get("hidden"):
        yield {"field": f"{number}.access.hidden", "message": "No file of a record is hidden here."}
