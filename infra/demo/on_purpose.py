"""The records of the sample collection that something is wrong with, on purpose, and what must become of each
(the fates of docs/architecture.md, "Meanings that stay")."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from infra.demo.formats import csv_table
from infra.demo.samples import Files, checksum_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random


class Fate(StrEnum):
    """What the ingest did with a record, in words for people."""

    PUBLISHED = "published"
    WARNED = "published, warned"
    REJECTED = "held: rejected"
    QUARANTINED = "held: quarantined"


@dataclass(frozen=True, slots=True)
class Oddity:
    """A record with one thing wrong: what it is, its fate, its files, and symbolic links as path → target.
    Paths that are not UTF-8 are `surrogateescape`d."""

    what: str
    fate: Fate
    files: Callable[[Random], Files]
    links: Mapping[str, str] = field(default_factory=dict)


def _series(random: Random, name: str) -> bytes:
    return csv_table([name, "value"], [(day, random.gauss(10, 2)) for day in range(1, 32)])


def _wrong_checksum(random: Random) -> Files:
    files = {f"plot-{plot}.csv": _series(random, "day") for plot in "abc"}
    intact = checksum_file("md5", files)
    return {**files, "plot-b.csv": files["plot-b.csv"].replace(b"1", b"7", 1), "checksums.md5": intact}


def _infected(random: Random) -> Files:
    # Joined at run time, so that neither this file nor its bytecode is taken for a virus itself.
    # Source: EICAR, "Anti-Malware Testfile".
    test_string = b"".join(
        (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}", b"$EICAR-STANDARD-ANTI", b"VIRUS-TEST-FILE!$H+H*")
    )
    return {"answers.csv": _series(random, "person"), "attachments/reply.com": test_string}


def _empty(random: Random) -> Files:
    return {"2020-01.csv": _series(random, "day"), "2020-02.csv": b"", "2020-03.csv": _series(random, "day")}


def _japanese(random: Random) -> Files:
    return {"観測/水温_2021年.csv": _series(random, "日")}


def _not_utf8(random: Random) -> Files:
    name = "relevés-été.csv".encode("latin-1").decode("utf-8", "surrogateescape")
    return {name: _series(random, "jour"), "stations.csv": _series(random, "station")}


def _duplicate(random: Random) -> Files:
    table = _series(random, "day")
    return {"pollen-2020.csv": table, "copy of pollen-2020.csv": table}


ODDITIES: Mapping[str, Oddity] = {
    "on-purpose/wrong-checksum": Oddity(
        "a digest that is not the declared one", Fate.REJECTED, _wrong_checksum
    ),
    "on-purpose/infected-file": Oddity("the EICAR test virus", Fate.QUARANTINED, _infected),
    "on-purpose/invalid-metadata": Oddity(
        "metadata with four errors", Fate.REJECTED, lambda random: {"data.csv": _series(random, "day")}
    ),
    "on-purpose/empty-file": Oddity("a file of no bytes", Fate.PUBLISHED, _empty),
    "on-purpose/japanese-name": Oddity("a name in Japanese", Fate.PUBLISHED, _japanese),
    "on-purpose/name-not-utf8": Oddity("a name that is not UTF-8", Fate.WARNED, _not_utf8),
    "on-purpose/link-out-of-tree": Oddity(
        "a symbolic link out of the tree",
        Fate.WARNED,
        lambda random: {"lines.csv": _series(random, "line")},
        links={"more-lines.csv": "/etc/passwd"},
    ),
    "on-purpose/duplicate-file": Oddity("the same bytes under two names", Fate.WARNED, _duplicate),
}
"""By the record's key; its description is `descriptions/<key>.json`."""
