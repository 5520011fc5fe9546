"""What befalls a site while it ingests: who is killed or stopped, and at which point of the work. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import cycle, islice
from typing import TypeVar

from tests.faults import HOLD, Fault

T = TypeVar("T")


class Victim(StrEnum):
    WORKER = "worker"
    NANNY = "nanny"
    """The process that starts workers again."""
    SCHEDULER = "scheduler"
    FLOW = "flow"
    PREFECT = "prefect"
    DISPATCHER = "dispatcher"
    S3 = "s3"
    POSTGRES = "postgres"


KILLED = tuple(victim for victim in Victim if victim not in (Victim.S3, Victim.POSTGRES))
"""Those that get a `kill -9`; the others are stopped in order and started again."""

_WITH_FILES_IN_HAND = (Victim.WORKER, Victim.NANNY, Victim.SCHEDULER, Victim.FLOW)

# Where somebody is at work, by stage; what of it is called several times in every run comes with the numbers of calls.
_POINTS: dict[str, tuple[tuple[Fault, int], ...]] = {
    "survey": ((Fault("pipeline.ingest.manifest:write_survey", after=True), 1),),
    "plan": ((Fault("pipeline.catalogue.deposits:add", after=True), 1),),
    "intake": (
        (Fault("pipeline.store.s3.uploads:MultipartUpload.write"), 25),
        (Fault("pipeline.ingest.custody:take_unit", after=True), 1),
        (Fault("pipeline.store.s3.uploads:MultipartUpload.commit", after=True), 1),
    ),
    "settle": (
        (Fault("pipeline.ingest.accession:settle"), 2),
        (Fault("pipeline.catalogue.ledger:note", after=True), 1),
    ),
    "seal": ((Fault("pipeline.ingest.accession:seal", after=True), 1),),
    "publish": ((Fault("pipeline.publication:publish_sealed", after=True), 1),),
    "preserve": ((Fault("pipeline.catalogue.records:note_preserved"), 1),),
    "register": ((Fault("pipeline.pid.local:LocalRegistry.put_many", after=True), 1),),
    "index": ((Fault("pipeline.index.embedded:EmbeddedIndex.write", after=True), 1),),
    "announce": ((Fault("pipeline.catalogue.harvest:stamp"), 1),),
    "finish": ((Fault("pipeline.ingest.accession:finish"), 1),),
}
STAGES = tuple(_POINTS)


@dataclass(frozen=True, slots=True)
class Blow:
    """When somebody gets to the point `at` in a stage, and waits there, the victim is struck."""

    stage: str
    victim: Victim
    at: Fault

    def __str__(self) -> str:
        return f"{self.stage}: {self.victim} at {self.at.place} #{self.at.call}"


def blows(seed: int, kills: int) -> list[Blow]:
    """So many kills, and one stop each of S3 and of PostgreSQL. The stages take turns, the intake of files more often
    than others, and so do the victims, among whom those that have files in hand meet their fate in the intake; the
    seed draws who meets whom."""
    draw = random.Random(seed)
    at_work, anyone = _turns(draw, _WITH_FILES_IN_HAND), _turns(draw, KILLED)
    stages = islice(_turns(draw, (*STAGES, *["intake"] * 4)), kills)
    struck = [(stage, next(at_work if stage == "intake" else anyone)) for stage in stages]
    struck += [("intake", Victim.S3), (draw.choice(("settle", "publish")), Victim.POSTGRES)]
    points = {stage: cycle(_POINTS[stage]) for stage in STAGES}
    return [Blow(stage, victim, _held(draw, *next(points[stage]))) for stage, victim in struck]


def _turns(draw: random.Random, among: Sequence[T]) -> Iterator[T]:
    """All of them in an order by chance, then all of them again."""
    while True:
        yield from draw.sample(among, len(among))


def _held(draw: random.Random, fault: Fault, calls: int) -> Fault:
    return replace(fault, call=draw.randint(1, calls), signal=HOLD)
