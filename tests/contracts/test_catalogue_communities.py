"""Communities, their members and their works, on each database."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.catalogue import Catalogue, accounts, communities, members
from pipeline.catalogue.communities import Question
from pipeline.communities.roles import Role
from pipeline.errors import InvalidFields, Rejected
from pipeline.metadata.community_form import Charter
from tests.contracts import rows

NOW = datetime(2026, 3, 9, 14, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_communities_are_looked_for(catalogue: Catalogue) -> None:
    """By words in any case, type, organisation and funder; in every order; of one's own."""
    details = {
        "organizations": [{"name": "Pier Institute"}, {"id": "00k4n6c32"}],
        "funding": [{"funder": {"id": "05dxps055"}}],
    }
    with catalogue.write() as tx:
        tides = communities.add(
            tx, Charter("tides", "Ebbe und Über-Flut", "Gauges", "topic", details), now=NOW
        )
        waves = communities.add(tx, Charter("waves", "Waves 100%", "of tides", "event"), now=NOW + HOUR)
        bo = accounts.create_account(tx, "bo@pier.example", admin=False, now=NOW)
        members.add(tx, waves.id, bo.id, Role.CURATOR, now=NOW)

    def slugs(**asked: object) -> list[str]:
        with catalogue.read() as tx:
            found, total = communities.page(tx, Question(**asked))
        assert total == len(found)
        return [one.slug for one in found]

    assert slugs() == slugs(sort="newest") == ["waves", "tides"]
    assert slugs(sort="oldest") == ["tides", "waves"]
    assert slugs(q="ÜBER gauges") == ["tides"]
    assert slugs(q="tides") == ["waves", "tides"]
    assert slugs(q="waves", sort="bestmatch") == ["waves"]
    assert (slugs(q="100%"), slugs(q="1%0"), slugs(q="_ides")) == (["waves"], [], [])
    assert (slugs(kind="topic"), slugs(kind="project")) == (["tides"], [])
    assert (
        slugs(bodies={"organization": "PIER institute"})
        == slugs(bodies={"organization": "00k4n6c32"})
        == ["tides"]
    )
    assert slugs(bodies={"funder": "05dxps055"}) == ["tides"]
    assert slugs(bodies={"organization": "05dxps055"}) == []
    assert (slugs(member=bo.id), slugs(featured=True)) == (["waves"], [])
    with pytest.raises(Rejected, match="Invalid sort option 'worst'"):
        slugs(sort="worst")
    with catalogue.write() as tx:
        communities.feature(tx, tides.id, NOW, now=NOW)
        members.remove_all(tx, waves.id)
        communities.delete(tx, waves.id, {"note": ""}, now=NOW)
    assert slugs() == slugs(featured=True) == ["tides"]
    with catalogue.write() as tx:
        assert communities.find(tx, "waves") is None
        assert communities.get(tx, waves.id).tombstone == {"note": ""}
        with pytest.raises(InvalidFields):
            communities.add(tx, Charter("waves", "Others"), now=NOW)
        with pytest.raises(InvalidFields):
            communities.rename(tx, tides, "waves", now=NOW)
        assert communities.get(tx, "tides").revision == 2


def test_a_work_has_one_default_community(catalogue: Catalogue) -> None:
    """Which comes first; a community that it is not in cannot be it."""
    with catalogue.write() as tx:
        rows.add_record(tx, 1)
        added = [communities.add(tx, Charter(slug, slug), now=NOW).id for slug in ("a", "b", "c")]
        communities.include(tx, [(1_000_001, one) for one in added[:2]])
        assert communities.set_default(tx, 1_000_001, added[1])
        found = communities.of_concepts(tx, [1_000_001])[1_000_001]
        assert [(one.slug, one.is_default) for one in found] == [("b", True), ("a", False)]
        assert not communities.set_default(tx, 1_000_001, added[2])
        assert communities.exclude(tx, added[0], [1_000_001, 7]) == [1_000_001]
        assert communities.exclude(tx, added[0], [1_000_001]) == []


def test_members_have_one_role_in_each_community(catalogue: Catalogue) -> None:
    """Whoever is a member stays what they are until that is changed."""
    with catalogue.write() as tx:
        ida, bo = (
            accounts.create_account(tx, f"{name}@pier.example", admin=False, now=NOW).id
            for name in ("ida", "bo")
        )
        tides, waves = (communities.add(tx, Charter(slug, slug), now=NOW).id for slug in ("tides", "waves"))
        assert members.add(tx, tides, ida, Role.OWNER, visible=True, now=NOW)
        assert not members.add(tx, tides, ida, Role.READER, now=NOW)
        assert members.add(tx, waves, ida, Role.READER, now=NOW)
        assert members.add(tx, tides, bo, Role.CURATOR, now=NOW)
        assert members.roles(tx, ida) == {tides: Role.OWNER, waves: Role.READER}
        assert (members.role(tx, waves, bo), members.roles(tx, None)) == (None, {})
        assert members.owners(tx, tides) == {ida}
        everyone, total = members.page(tx, tides, visible_only=False, page=1, size=10)
        assert ([one.account_id for one in everyone], total) == ([ida, bo], 2)
        seen, total = members.page(tx, tides, visible_only=True, page=1, size=10)
        assert ([one.account_id for one in seen], total) == ([ida], 1)
        members.change(tx, tides, [bo], role=Role.MANAGER, visible=True, now=NOW + HOUR)
        [changed] = members.find(tx, tides, [bo, 99]).values()
        assert (changed.role, changed.visible, changed.updated) == (Role.MANAGER, True, NOW + HOUR)
        members.remove(tx, tides, [bo])
        assert members.find(tx, tides, [bo]) == {}
