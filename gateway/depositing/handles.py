"""The UUIDs by which Zenodo's legacy API names buckets and files of drafts (pure). They say what they stand for, so
that none has to be kept; no right comes with knowing one."""

import hashlib
from enum import Enum
from uuid import UUID

from pipeline import refusals
from pipeline.dissemination import Repository

_NUMBER_BITS = 62


class Kind(Enum):
    """What a UUID stands for: the files of a record, published or drafted; those of an open edit, by its deposit; a
    file of a draft."""

    RECORD = b"record"
    EDIT = b"edit"
    FILE = b"file"


def handle(repository: Repository, kind: Kind, number: int) -> UUID:
    """A UUID of version 8 (RFC 9562 §5.8): who and what in its first half, the number in the second."""
    return UUID(int=_first_half(repository, kind) << 64 | 0b10 << _NUMBER_BITS | number)


def number_of(repository: Repository, kind: Kind, text: str) -> int | None:
    """The number that a handle of this kind stands for; None for any other text."""
    try:
        value = UUID(text).int
    except ValueError:
        return None
    number = value & (1 << _NUMBER_BITS) - 1
    return number if handle(repository, kind, number).int == value else None


def required(repository: Repository, kind: Kind, text: str) -> int:
    """Raises `Missing`."""
    number = number_of(repository, kind, text)
    if number is None:
        raise refusals.not_found()
    return number


def _first_half(repository: Repository, kind: Kind) -> int:
    digest = hashlib.sha256(repository.id.encode() + b"/" + kind.value).digest()
    whole = int.from_bytes(digest[:8])
    return whole & ~(0xF << 12) | 8 << 12
