"""Published records: reading them, and the rows that publishing writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from pipeline import codec
from pipeline.catalogue import Catalogue, Transaction, communities, outbox, record_files, sharing
from pipeline.catalogue.sqlite import Glance
from pipeline.catalogue.tables import (
    concept,
    deposit_file,
    doi,
    record,
    record_file,
    user,
)
from pipeline.dissemination import Dissemination, Repository, VersionRef
from pipeline.errors import Missing
from pipeline.lifecycle import RecordEvent, record_steps, step_record
from pipeline.model import Concept, JsonObject, Record, RecordState, Tombstone

LISTED = 1000
"""Files of a record that outputs list at most."""

# ---------------------------------------------------------------- reading


_WANTED: sa.BindParameter[Any] = sa.bindparam("wanted", expanding=True)
# Said once: to put a statement together takes longer than to carry it out.
_BY_ID = sa.select(record).where(record.c.id == sa.bindparam("wanted"))
_BY_IDS = (
    sa.select(record, concept.c.access_settings)
    .join(concept, concept.c.id == record.c.concept_id)
    .where(record.c.id.in_(_WANTED))
)
_CHANGES = sa.select(record.c.id, record.c.change).where(
    record.c.id.in_(_WANTED), record.c.state == RecordState.PUBLISHED
)
_SIZES = sa.select(record.c.id, record.c.file_count).where(record.c.id.in_(_WANTED))
_CHANGE = Glance(
    sa.select(record.c.change).where(
        record.c.id == sa.bindparam("wanted"), record.c.state == RecordState.PUBLISHED
    )
)
_NAMES_OF = sa.select(doi.c.concept_id, doi.c.record_id, doi.c.name).where(doi.c.concept_id.in_(_WANTED))
_ACCOUNTS_OF = sa.select(user.c.email, user.c.id).where(user.c.email.in_(_WANTED))
_VERSIONS_OF = (
    sa.select(
        record.c.id,
        record.c.concept_id,
        record.c.version,
        record.c.is_latest,
        record.c.state,
        record.c.description[("metadata", "version")].as_string().label("label"),
        record.c.description[("metadata", "publication_date")].as_string().label("published"),
    )
    .where(record.c.concept_id.in_(_WANTED))
    .order_by(record.c.version)
)
_LINEAGES = (
    sa.select(
        concept.c.id,
        sa.func.coalesce(record.c.owner, concept.c.owner).label("owner"),
        sa.func.coalesce(record.c.version, 0).label("last_version"),
    )
    .outerjoin(record, sa.and_(record.c.concept_id == concept.c.id, record.c.is_latest))
    .where(concept.c.id.in_(_WANTED))
)


def get(tx: Transaction, record_id: int) -> Record:
    """Raises `Missing`."""
    row = tx.execute(_BY_ID, {"wanted": record_id}).one_or_none()
    if row is None:
        raise Missing(f"there is no record {record_id}")
    return _record(row)


def changes(tx: Transaction, record_ids: Sequence[int]) -> dict[int, int]:
    """The `change` of those of the records that are published: another whenever what outputs show of one is."""
    return {row.id: row.change for row in tx.execute(_CHANGES, {"wanted": list(record_ids)})}


def listed(tx: Transaction, record_ids: Sequence[int]) -> dict[int, int]:
    """How many files of each of the records outputs list."""
    return {row.id: min(row.file_count, LISTED) for row in tx.execute(_SIZES, {"wanted": list(record_ids)})}


def change_at_a_glance(catalogue: Catalogue, record_id: int) -> int | None:
    """The `change` of a record, as `changes` has it: in microseconds, for the thread that asks for the catalogue's
    state. None for one that is not published, and where the database cannot tell."""
    found = catalogue.glance(_CHANGE, wanted=record_id)
    return None if found is None else int(found.change)


def of_works(tx: Transaction, concept_ids: Collection[int], *, all_versions: bool) -> list[Record]:
    """What is published of works: their newest versions, or all."""
    chosen = sa.select(record).where(
        record.c.concept_id.in_(concept_ids),
        record.c.state == RecordState.PUBLISHED,
        sa.true() if all_versions else record.c.is_latest,
    )
    return [_record(row) for row in tx.execute(chosen)]


def concepts(tx: Transaction, concept_ids: Collection[int]) -> dict[int, Concept]:
    """Works, by id."""
    rows = tx.execute(sa.select(concept).where(concept.c.id.in_(concept_ids)))
    return {row.id: Concept(row.id, row.collection, row.key, row.owner) for row in rows}


@dataclass(frozen=True, slots=True)
class Lineage:
    """Whom a work belongs to: the owner of its latest version, where there is none yet whoever began it. And how many
    versions it has had."""

    owner: str
    last_version: int


def lineages(tx: Transaction, concept_ids: Sequence[int]) -> dict[int, Lineage]:
    """Of works, by id."""
    rows = tx.execute(_LINEAGES, {"wanted": list(concept_ids)})
    return {row.id: Lineage(row.owner, row.last_version) for row in rows}


def owners(tx: Transaction, concept_ids: Sequence[int]) -> dict[int, str]:
    """Whom works belong to, by id."""
    return {id_: one.owner for id_, one in lineages(tx, concept_ids).items()}


NEWEST_FIRST = (
    sa.case((record.c.state == RecordState.PUBLISHED, 1), else_=0).desc(),
    record.c.version.desc(),
)
"""The order of a work's versions whose first one stands for the work."""


def newest_published(tx: Transaction, concept_id: int, *, besides: int = 0) -> int:
    """The newest version of a work that is still published; of a work that is withdrawn altogether, its newest.
    The version `besides` does not count. Raises `Missing`."""
    found = tx.execute(_NEWEST_PUBLISHED, {"wanted": concept_id, "besides": besides}).scalar_one_or_none()
    if found is None:
        raise Missing(f"there is no record {concept_id}")
    return int(found)


_NEWEST_PUBLISHED = (
    sa.select(record.c.id)
    .where(record.c.concept_id == sa.bindparam("wanted"), record.c.id != sa.bindparam("besides"))
    .order_by(*NEWEST_FIRST)
    .limit(1)
)


def beside(tx: Transaction, one: Record) -> list[int]:
    """The published versions of the same work next before and next after a version, if there are any."""
    others = sa.select(record.c.id).where(
        record.c.concept_id == one.concept_id, record.c.state == RecordState.PUBLISHED
    )
    before = others.where(record.c.version < one.version).order_by(record.c.version.desc()).limit(1)
    after = others.where(record.c.version > one.version).order_by(record.c.version).limit(1)
    return [int(id_) for each in (before, after) for id_ in tx.execute(each).scalars()]


def resolve_doi(tx: Transaction, name: str) -> int:
    """The record id that a DOI of this repository stands for (a concept's: `newest_published`).
    Raises `Missing`."""
    row = tx.execute(sa.select(doi).where(doi.c.name == name.lower())).one_or_none()
    if row is None:
        raise Missing(f"no record here has the DOI {name}")
    return int(row.record_id) if row.record_id is not None else newest_published(tx, row.concept_id)


def disseminate(
    tx: Transaction, repository: Repository, record_ids: Sequence[int], *, file_limit: int = LISTED
) -> dict[int, Dissemination]:
    """What outputs need of each record; ids that are no records are left out. The latest of a work is for outputs its
    newest version that is still published. A handful of queries whatever the number of ids."""
    found = tx.execute(_BY_IDS, {"wanted": list(record_ids)}).all()
    rows = [_record(row) for row in found]
    settings = {row.concept_id: sharing.settings_from_json(row.access_settings) for row in found}
    concept_ids = list({one.concept_id for one in rows})
    names = _names(tx, concept_ids)
    versions = _versions(tx, concept_ids, names)
    belongs = communities.of_concepts(tx, concept_ids)
    listed = record_files.first_files(tx, rows, file_limit)
    owner_ids = _accounts(tx, [one.owner for one in rows])
    return {
        one.id: Dissemination(
            repository=repository,
            record=replace(one, is_latest=one.id == _newest(versions[one.concept_id])),
            doi=one.description.doi or names.get((one.concept_id, one.id), ""),
            concept_doi=names.get((one.concept_id, None)),
            files=listed.get(one.id, ()),
            versions=versions[one.concept_id],
            communities=belongs.get(one.concept_id, ()),
            owner_id=owner_ids.get(one.owner),
            settings=settings[one.concept_id],
        )
        for one in rows
    }


def _accounts(tx: Transaction, emails: Sequence[str]) -> dict[str, int]:
    return {row.email: row.id for row in tx.execute(_ACCOUNTS_OF, {"wanted": list(set(emails))})}


def _names(tx: Transaction, concept_ids: Sequence[int]) -> dict[tuple[int, int | None], str]:
    rows = tx.execute(_NAMES_OF, {"wanted": list(concept_ids)})
    return {(row.concept_id, row.record_id): row.name for row in rows}


def _versions(
    tx: Transaction, concept_ids: Sequence[int], names: Mapping[tuple[int, int | None], str]
) -> dict[int, tuple[VersionRef, ...]]:
    found: dict[int, tuple[VersionRef, ...]] = {}
    for row in tx.execute(_VERSIONS_OF, {"wanted": list(concept_ids)}):
        reference = VersionRef(
            record_id=row.id,
            version=row.version,
            doi=names.get((row.concept_id, row.id), ""),
            label=str(row.label or ""),
            published=str(row.published or ""),
            is_latest=row.is_latest,
            state=RecordState(row.state),
        )
        found[row.concept_id] = (*found.get(row.concept_id, ()), reference)
    return {
        concept_id: tuple(replace(one, is_latest=one.record_id == _newest(refs)) for one in refs)
        for concept_id, refs in found.items()
    }


def _newest(versions: Sequence[VersionRef]) -> int:
    """As `newest_published`, of versions in order."""
    published = [one for one in versions if one.state is RecordState.PUBLISHED]
    return (published or versions)[-1].record_id


def published_between(tx: Transaction, first: int, last: int) -> list[tuple[int, datetime]]:
    """Ids from `first` to `last` of published records, in order, with the time of their last change."""
    rows = tx.execute(
        sa.select(record.c.id, record.c.modified)
        .where(record.c.id.between(first, last), record.c.state == RecordState.PUBLISHED)
        .order_by(record.c.id)
    )
    return [(row.id, row.modified) for row in rows]


def count(tx: Transaction) -> int:
    """How many records are published (withdrawn ones left out)."""
    return tx.execute(
        sa.select(sa.func.count()).select_from(record).where(record.c.state == RecordState.PUBLISHED)
    ).scalar_one()


def ids(tx: Transaction, *, after: int = 0, limit: int) -> list[int]:
    """Ids of all records, withdrawn ones too, from behind `after` on."""
    statement = sa.select(record.c.id).where(record.c.id > after).order_by(record.c.id).limit(limit)
    return list(tx.execute(statement).scalars())


def of_accession(tx: Transaction, accession_id: str, *, after: int = 0, limit: int = 10_000) -> list[Record]:
    """Records that the accession published or revised last, by id from behind `after` on."""
    rows = tx.execute(
        sa.select(record)
        .where(record.c.accession_id == accession_id, record.c.id > after)
        .order_by(record.c.id)
        .limit(limit)
    )
    return [_record(row) for row in rows]


# ---------------------------------------------------------------- writing


def add_concepts(tx: Transaction, concepts: Sequence[Concept], *, now: datetime) -> None:
    if concepts:
        tx.execute(
            _ADD_CONCEPT,
            [
                {
                    "id": one.id,
                    "collection": one.collection,
                    "key": one.key,
                    "owner": one.owner,
                    "created": now,
                }
                for one in concepts
            ],
        )


def add_records(tx: Transaction, rows: Sequence[JsonObject]) -> None:
    """Add record versions (columns of `record`) as the latest of their works. Those that stood for these until then
    are to be told of that (`tell`)."""
    if not rows:
        return
    older = [row["concept_id"] for row in rows if row["version"] > 1]
    if older:
        tx.execute(
            sa.update(record)
            .where(record.c.concept_id.in_(older), record.c.is_latest)
            .values(is_latest=False)
        )
    tx.execute(_ADD, list(rows))


_ADD_CONCEPT, _ADD = sa.insert(concept), sa.insert(record)


def measure(tx: Transaction, record_ids: Sequence[int]) -> None:
    """Set file counts and bytes of records from their files."""
    tx.execute(_MEASURE, {"wanted": list(record_ids)})


_MINE = record_file.c.record_id == record.c.id
_MEASURE = (
    sa.update(record)
    .where(record.c.id.in_(_WANTED))
    .values(
        file_count=sa.select(sa.func.count()).where(_MINE).scalar_subquery(),
        total_bytes=sa.select(sa.func.coalesce(sa.func.sum(record_file.c.size), 0))
        .where(_MINE)
        .scalar_subquery(),
    )
)


def refresh_times(tx: Transaction, record_id: int, deposit_id: int, fingerprint: str) -> None:
    """The files are the same, only their times at the source are new: note them, so that the next run need not
    read the files again."""

    def newer(column: sa.Column[Any], known: sa.Column[Any]) -> sa.ColumnElement[Any]:
        found = sa.select(column).where(
            deposit_file.c.deposit_id == deposit_id, deposit_file.c.key == record_file.c.key
        )
        return sa.func.coalesce(found.scalar_subquery(), known)

    tx.execute(
        sa.update(record_file)
        .where(record_file.c.record_id == record_id)
        .values(
            mtime_ns=newer(deposit_file.c.mtime_ns, record_file.c.mtime_ns),
            stamp=newer(deposit_file.c.stamp, record_file.c.stamp),
        )
    )
    tx.execute(sa.update(record).where(record.c.id == record_id).values(fingerprint=fingerprint))


def _change(
    tx: Transaction,
    event: RecordEvent,
    chosen: sa.ColumnElement[bool],
    *,
    now: datetime,
    accession_id: str | None = None,
    values: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    """What outputs show of records changes by an event, where it can happen; to how many it does. The one place that
    raises `change`: whatever else shows what changed is wanted with it. `chosen` goes by nothing that is set."""
    steps = record_steps(event)
    changed = sa.update(record).where(chosen, record.c.state.in_([state.value for state in steps]))
    number = tx.execute(changed.values(change=record.c.change + 1, **values)).rowcount
    if number:
        # Behind the rows of the records: all lock them in this order.
        outbox.want_chosen(tx, dict(steps.values()), chosen, now=now, accession_id=accession_id)
    return number


def _change_one(
    tx: Transaction,
    event: RecordEvent,
    record_id: int,
    *,
    now: datetime,
    accession_id: str | None = None,
    values: Mapping[str, Any],
) -> None:
    """The same, of a record. Raises `Missing`, and `Conflict` where it cannot happen."""
    mine = record.c.id == record_id
    if not _change(tx, event, mine, now=now, accession_id=accession_id, values=values):
        step_record(get(tx, record_id).state, event)


def revise(
    tx: Transaction,
    record_id: int,
    values: Mapping[str, Any],
    *,
    now: datetime,
    accession_id: str | None = None,
) -> None:
    """A new description of the same version. Raises `Missing`, and `Conflict` where it was withdrawn."""
    raised = {"revision": record.c.revision + 1, "modified": now, **values}
    _change_one(tx, RecordEvent.REVISE, record_id, now=now, accession_id=accession_id, values=raised)


def tell(
    tx: Transaction,
    event: RecordEvent,
    record_ids: Collection[int],
    *,
    now: datetime,
    accession_id: str | None = None,
) -> None:
    """What outputs show of the records changes with something that is not theirs, such as another of their work."""
    _change(tx, event, record.c.id.in_(record_ids), now=now, accession_id=accession_id)


def tell_owned(tx: Transaction, owner: str, *, now: datetime) -> None:
    """What outputs show of all records of an address changes: they name its account, once it has one."""
    _change(tx, RecordEvent.GAIN_ACCOUNT, record.c.owner == owner, now=now)


def tell_works(
    tx: Transaction,
    event: RecordEvent,
    concept_ids: Collection[int],
    *,
    besides: Collection[int] = (),
    now: datetime,
) -> None:
    """What outputs show of all versions of works changes, `besides` some."""
    if concept_ids:
        chosen = sa.and_(record.c.concept_id.in_(concept_ids), record.c.id.not_in(besides))
        _change(tx, event, chosen, now=now)


def stage_again(tx: Transaction, record_id: int, home: str) -> None:
    """A record that is preserved, and whose places are remembered, brings further bytes, which wait below the key
    `home`."""
    tx.execute(sa.update(record).where(record.c.id == record_id).values(staged=home, ocfl_version=None))


def withdraw(tx: Transaction, record_id: int, tombstone: Tombstone) -> None:
    """Raises `Missing`, and `Conflict` where it is withdrawn already."""
    values = {
        "state": RecordState.WITHDRAWN,
        "modified": tombstone.removed_at,
        "tombstone": {
            "reason": tombstone.reason,
            "note": tombstone.note,
            "removed_by": tombstone.removed_by,
            "removed_at": codec.time_to_json(tombstone.removed_at),
            "policy": tombstone.policy,
        },
    }
    _change_one(tx, RecordEvent.WITHDRAW, record_id, now=tombstone.removed_at, values=values)


def restore(tx: Transaction, record_id: int, *, now: datetime) -> None:
    """Put a withdrawn record into service again. Raises `Missing`, and `Conflict` where it is in service."""
    values = {"state": RecordState.PUBLISHED, "modified": now, "tombstone": sa.null()}
    _change_one(tx, RecordEvent.RESTORE, record_id, now=now, values=values)


def note_preserved(tx: Transaction, versions: Mapping[int, int | None]) -> None:
    """The records are in the storage root; those that brought bytes, in that version of their object."""
    rows = [{"b_id": record_id, "b_version": number} for record_id, number in versions.items()]
    if rows:
        known = sa.func.coalesce(sa.bindparam("b_version", type_=sa.Integer), record.c.ocfl_version)
        tx.execute(
            sa.update(record)
            .where(record.c.id == sa.bindparam("b_id"))
            .values(staged=None, ocfl_version=known),
            rows,
        )


# ---------------------------------------------------------------- rows


def _record(row: sa.Row[Any]) -> Record:
    tombstone = row.tombstone
    return Record(
        id=row.id,
        concept_id=row.concept_id,
        version=row.version,
        revision=row.revision,
        is_latest=row.is_latest,
        state=RecordState(row.state),
        description=codec.description_from_json(row.description),
        owner=row.owner,
        created=row.created,
        modified=row.modified,
        file_count=row.file_count,
        total_bytes=row.total_bytes,
        change=row.change,
        datestamp=row.datestamp,
        ocfl_version=row.ocfl_version,
        staged=row.staged,
        accession_id=row.accession_id,
        tombstone=None
        if tombstone is None
        else Tombstone(
            reason=tombstone["reason"],
            note=tombstone["note"],
            removed_by=tombstone["removed_by"],
            removed_at=codec.time_from_json(tombstone["removed_at"]),
            policy=tombstone.get("policy", ""),
        ),
        missing_files=tuple(row.missing_files),
    )
