"""Where things lie in the object store (pure).

root/                                the OCFL 1.1 storage root, layout extension 0004
root/3c0/ff4/240/3c0ff4240c1e…/      an object: a work with all its versions, or a system object
staging/<record>/content/…           bytes of record versions that are not preserved yet
staging/tails/<upload>/<transfer>/…  what an upload in several requests has behind its last whole part
quarantine/<accession>/<file>        infected files, kept apart
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from datetime import datetime

ROOT = "root"
LAYOUT = "0004-hashed-n-tuple-storage-layout"
_TUPLES, _TUPLE_SIZE = 3, 3

# Common file systems bound a name to 255 bytes, S3 a whole key to 1,024: this leaves room for a prefix of the store's
# own, the object's root and the version.
_NAME_BYTES = 255
_PATH_BYTES = 800
_UNSAFE = '\\:*?"<>|'
# 128 bits: nobody can make two names with one tag.
_TAG = 32
_TAGGED = re.compile(r"~[0-9a-f]{32}$")


def concept_object(repository_id: str, concept_id: int) -> str:
    """The OCFL id of a work. It never changes, so nothing that may change (DOI, base URL) is in it."""
    return f"urn:x-headrace:{repository_id}:concept:{concept_id}"


REPOSITORY_OBJECT = "urn:x-headrace:system:repository"
"""The OCFL id of the system object that says whose the root is; the same in every root, so that it can be found."""


def object_root(object_id: str) -> str:
    """The key of an object's root by layout 0004: three tuples of three of the id's sha256, then all of it."""
    digest = hashlib.sha256(object_id.encode()).hexdigest()
    tuples = [digest[at : at + _TUPLE_SIZE] for at in range(0, _TUPLES * _TUPLE_SIZE, _TUPLE_SIZE)]
    return "/".join([ROOT, *tuples, digest])


def root_files(repository_id: str) -> dict[str, bytes]:
    """What makes a folder a storage root (OCFL 1.1 §4), but for its declaration."""
    layout = {
        "extension": LAYOUT,
        "description": "Objects lie at three 3-character tuples of the sha256 of their id, then all of it.",
    }
    config = {
        "extensionName": LAYOUT,
        "digestAlgorithm": "sha256",
        "tupleSize": _TUPLE_SIZE,
        "numberOfTuples": _TUPLES,
        "shortObjectRoot": False,
    }
    about = (
        f"Storage root of the Headrace repository {repository_id}.\n"
        f"A work with all its versions is the object {concept_object(repository_id, 0)[:-1]}<concept id>.\n"
        "Each version holds the files below data/, and below metadata/ the record's own JSON, its DataCite\n"
        "metadata and its PREMIS events.\n"
    )
    return {
        f"{ROOT}/extensions/{LAYOUT}/config.json": _json(config),
        f"{ROOT}/ocfl_layout.json": _json(layout),
        f"{ROOT}/ocfl_1.1.txt": about.encode(),
    }


DECLARATION = {f"{ROOT}/0=ocfl_1.1": b"ocfl_1.1\n"}


def staged(record_id: int) -> str:
    """The key below which a record version's new bytes wait to be preserved, from whichever run they came."""
    return f"staging/{record_id}"


def restaged(record_id: int, deposit_id: int) -> str:
    """The key below which the bytes wait that an edit brings to a record version which is preserved already: what
    clears away after that never comes across them."""
    return f"{staged(record_id)}.{deposit_id}"


def home(repository_id: str, concept_id: int, record_id: int, *, is_first: bool, renames_trees: bool) -> str:
    """The key below which a version-to-be keeps its bytes until it is preserved (architecture, S3 commits). Where a
    store cannot rename trees, the first version of a work has them at once where they shall stay: nothing else can be
    committed to that object before."""
    if is_first and not renames_trees:
        return f"{object_root(concept_object(repository_id, concept_id))}/v1"
    return staged(record_id)


def place(home_key: str, key: str) -> str:
    """The key of the bytes of the file with a logical path, in a version-to-be at home below `home_key`."""
    return content(home_key, content_path(key))


def content(home_key: str, path: str) -> str:
    """The key of what lies at a path of the content folder of a version-to-be."""
    return f"{home_key}/content/{path}"


def assembled(staged_key: str) -> str:
    """The key below which a new object is put together from its staged first version, before it appears in the root."""
    return f"{staged_key}.object"


def tails(number: int) -> str:
    """The key below which is what an upload in several requests has behind its last whole part."""
    return f"staging/tails/{number}"


def tail(number: int, transfer: int) -> str:
    """The key below which is what one of its requests left there: what was overtaken by another never lies in its
    place."""
    return f"{tails(number)}/{transfer}"


def tail_piece(number: int, transfer: int, start: int) -> str:
    """The key of those of its bytes that begin at the file's byte `start`."""
    return f"{tail(number, transfer)}/{start}"


def quarantined(accession_id: str, file_id: int) -> str:
    return f"quarantine/{accession_id}/{file_id}"


def purge_log(purge_id: int, at: datetime) -> str:
    """Where an object tells of a purge, relative to its root: in its logs folder, which is no part of any version
    (OCFL 1.1, logs directory)."""
    return f"logs/purge-{at:%Y%m%dT%H%M%SZ}-{purge_id}.json"


def content_path(key: str) -> str:
    """Where a file with a logical path lies inside a version's content folder: `data/<key>`, as near to the key
    as file systems bear. Different keys have different paths."""
    path = "/".join(["data", *map(_content_name, key.split("/"))])
    return path if len(path.encode()) <= _PATH_BYTES else f"data/{_tagged('', key)}"


def deposited_path(key: str, number: int) -> str:
    """The same for a file that somebody sent: a new one with each sending, so that what takes the place of another
    never lies in its place."""
    return f"deposited/{number}/{_content_name(key.rpartition('/')[2])}"


def resumable_path(key: str, number: int, transfer: int) -> str:
    """The same for one that comes in several requests, of which `transfer` begins to write it: should one that was
    overtaken still complete its object, it is another than that of those behind it."""
    return f"{resumable_folder(number)}/{transfer}/{_content_name(key.rpartition('/')[2])}"


def resumable_folder(number: int) -> str:
    """The path below which is whatever any request of an upload began."""
    return f"deposited/{number}"


def _content_name(name: str) -> str:
    """The name itself where it is plain, else a readable form with a tag of the whole name behind it. A plain
    name that looks tagged is tagged too, so that nothing can be made to collide."""
    readable = unicodedata.normalize("NFC", name)
    readable = "".join(char if char.isprintable() and char not in _UNSAFE else "_" for char in readable)
    is_plain = (
        readable == name
        and len(name.encode()) <= _NAME_BYTES
        and name not in ("", ".", "..")
        and name[-1] not in " ."
        and not _TAGGED.search(name)
    )
    return name if is_plain else _tagged(readable, name)


def _tagged(readable: str, name: str) -> str:
    tag = hashlib.sha256(name.encode()).hexdigest()[:_TAG]
    return readable.encode()[: _NAME_BYTES - 40].decode(errors="ignore").rstrip(". ") + "~" + tag


def _json(document: object) -> bytes:
    return json.dumps(document, indent=2).encode() + b"\n"
