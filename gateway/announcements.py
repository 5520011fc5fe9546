"""What a client says of files that it is going to send into a draft (pure; InvenioRDM's draft files API)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.catalogue.pending_files import AnnouncedFile
from pipeline.errors import FieldFault, InvalidFields, Rejected
from pipeline.model import JsonObject

_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_LARGEST = (1 << 63) - 1


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
    dropped = [each for number, one in enumerate(body) for each in _dropped(number, one)]
    return Announcements(tuple(map(_announced, body)), tuple(dropped))


def _announced(one: Mapping[str, object]) -> AnnouncedFile:
    size = one.get("size")
    algorithm, _, value = str(one.get("checksum") or "").partition(":")
    return AnnouncedFile(
        key=str(one["key"]),
        size=size if isinstance(size, int) else None,
        declared={algorithm: value.lower()} if algorithm else {},
    )


def _faults(number: int, one: object) -> Iterator[FieldFault]:
    if not isinstance(one, dict):
        yield FieldFault(str(number), ("Invalid input type.",))
        return
    for name, fault in (
        ("key", _fault_of_key(one)),
        ("size", _fault_of_size(one.get("size"))),
        ("checksum", _fault_of_checksum(one.get("checksum"))),
        ("transfer.type", _fault_of_transfer(one.get("transfer"))),
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


def _fault_of_transfer(transfer: object) -> str:
    if transfer is None:
        return ""
    kind = transfer.get("type", "L") if isinstance(transfer, dict) else transfer
    return "" if kind == "L" else f"Unsupported value: {kind}. Files are sent to this server (L)."


def _dropped(number: int, one: Mapping[str, object]) -> Iterator[JsonObject]:
    """Files have no metadata of their own here, and are as open as their record."""
    if one.get("metadata"):
        yield {"field": f"{number}.metadata", "message": "Files have no metadata of their own here."}
    access = one.get("access")
    if isinstance(access, dict) and access.get("hidden"):
        yield {"field": f"{number}.access.hidden", "message": "No file of a record is hidden here."}
