"""What a catalogue that an older release made becomes, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from pipeline.catalogue import communities, quarantine, quotas
from pipeline.catalogue.communities import Question
from pipeline.catalogue.engine import alembic_config, open_catalogue
from pipeline.model import QuarantineState, Quota
from tests.contracts.rows import NOW


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """`HEADRACE_DATABASE` of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/old"
    empty: str = request.getfixturevalue("postgres_database")
    return empty


@contextmanager
def older(url: str, revision: str) -> Iterator[sa.Connection]:
    """Have the database the tables of the release that had this revision, for rows to be put in."""
    engine, config = sa.create_engine(url), alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_ids_of_files_are_not_given_again_where_their_table_is_made_anew(url: str) -> None:
    """SQLite makes a table anew to change a check of it, and would begin behind the rows that there are."""
    with older(url, "0013") as connection:
        connection.exec_driver_sql(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('deposit_file', 41), ('transfer', 7)"
        )
    with closing(open_catalogue(url)) as catalogue, catalogue.read() as tx:
        found = tx.execute(sa.text("SELECT name, seq FROM sqlite_sequence WHERE name LIKE '%file%'")).all()
    assert [tuple(row) for row in found] == [("deposit_file", 41)]


def test_files_put_apart_by_an_older_version_are_known(url: str) -> None:
    """By the number of the planned file in their key; one that was put apart twice in the same place is one."""
    with older(url, "0001") as connection:
        connection.exec_driver_sql(
            "INSERT INTO accession (id, collection, source, state, started, options, flow_run, reason, unchanged,"
            " bytes_read) VALUES ('a1', 'tides', 'x', 'completed', '2026-03-09', '{}', '', '', 0, 0)"
        )
        for number, file in enumerate((7, 7, 8), 1):
            connection.execute(
                sa.text(
                    "INSERT INTO quarantine (id, accession_id, deposit_id, record, path, key, signature, digests,"
                    " size, at) VALUES (:id, 'a1', 1, 'r', :path, :key, 'worm', '{}', 5, '2026-03-09')"
                ),
                {"id": number, "path": b"r/f", "key": f"quarantine/a1/{file}"},
            )
    with closing(open_catalogue(url)) as catalogue, catalogue.read() as tx:
        found = list(quarantine.listed(tx, everything=False))
    assert [(one.id, one.file_id, one.state, one.decision) for one in found] == [
        (2, 7, QuarantineState.QUARANTINED, None),
        (3, 8, QuarantineState.QUARANTINED, None),
    ]


def test_what_owners_raised_in_an_older_version_stays_theirs(url: str) -> None:
    """And what administrators set stays theirs."""
    with older(url, "0030") as connection:
        connection.exec_driver_sql(
            "INSERT INTO account (id, email, admin, created) VALUES (3, 'ida@pier.example', false, '2026-03-09')"
        )
        for concept_id, account in ((1, "3"), (2, "NULL")):
            connection.exec_driver_sql(
                "INSERT INTO concept (id, collection, key, owner, created)"
                f" VALUES ({concept_id}, 'tides', 'r{concept_id}', '', '2026-03-09')"
            )
            connection.exec_driver_sql(
                "INSERT INTO work_quota (concept_id, account_id, quota_size, max_file_size, notes, changed)"
                f" VALUES ({concept_id}, {account}, 60, 50, '', '2026-03-09 00:00:00')"
            )
    with closing(open_catalogue(url)) as catalogue, catalogue.read() as tx:
        assert [quotas.of_work(tx, one) for one in (1, 2)] == [None, Quota(60, 50)]
        assert [quotas.taken(tx, 3, beyond=40, besides=besides) for besides in (2, 1)] == [20, 0]


def test_communities_of_an_older_release_keep_their_works(url: str) -> None:
    """They are given ids, and stay what they are called."""
    with older(url, "0014") as connection:
        for slug in ("tides", "waves"):
            connection.execute(
                sa.text(
                    "INSERT INTO community (slug, title, description, created) VALUES (:slug, :title, 'x', :now)"
                ),
                {"slug": slug, "title": slug.title(), "now": "2026-03-09 14:10:00.000000"},
            )
        connection.exec_driver_sql(
            "INSERT INTO concept (id, collection, key, owner, created) VALUES (5, '', '', '', '2026-03-09')"
        )
        connection.exec_driver_sql("INSERT INTO concept_community (concept_id, slug) VALUES (5, 'tides')")
    with closing(open_catalogue(url)) as catalogue, catalogue.write() as tx:
        found = communities.get(tx, "tides")
        assert (found.charter.title, found.created, found.revision) == ("Tides", NOW, 1)
        assert [one.id for one in communities.of_concepts(tx, [5])[5]] == [found.id]
        assert communities.ensure(tx, "tides", title="again", now=NOW) is False
        assert [one.slug for one in communities.page(tx, Question(q="WAVES"))[0]] == ["waves"]
