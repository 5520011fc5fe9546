"""What is told of rebuilds and of what other code made, in the same words by every index."""

from __future__ import annotations

from typing import Final

from pipeline.errors import Unavailable

UNDER_WAY: Final = "Another rebuild of the index has begun, or this one is finished."
NONE_BEGAN: Final = "No rebuild has begun on this index."
_REMEDY: Final = "Run `headrace index rebuild`."


def made_elsewhere() -> Unavailable:
    """The index in use is missing, or its fields are others than those of this code."""
    return Unavailable(
        "The search index is missing, or was written by another version of Headrace.", remedy=_REMEDY
    )


def rebuilt_elsewhere() -> Unavailable:
    """What is written now could not go into the index that comes next."""
    return Unavailable(
        "Another version of Headrace is rebuilding the search index.",
        remedy="Wait until that is done; or run `headrace index rebuild`, which ends it.",
    )


def described(*, is_alive: bool) -> str:
    """A rebuild that has begun and did not finish, for people."""
    return ", being rebuilt" if is_alive else ", with a rebuild that died and goes with the next write"
