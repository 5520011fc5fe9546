"""What communities say of themselves, as InvenioRDM's JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.communities.roles import Policy, ReviewPolicy
from pipeline.errors import InvalidFields, Rejected
from pipeline.metadata.community_form import Charter, read, read_slug, to_json
from pipeline.model import JsonObject

LEAST: JsonObject = {
    "slug": "Tides",
    "metadata": {"title": "Tide tables"},
    "access": {"visibility": "public"},
}


def wrong_fields(document: object) -> list[str]:
    with pytest.raises(InvalidFields) as refused:
        read(document)
    return sorted(one.field for one in refused.value.faults)


def test_5_1_the_least_that_is_needed() -> None:
    """A slug, which is kept in lower case, a title and the visibility; the rest is as on Zenodo."""
    charter = read(LEAST)
    assert charter == Charter("tides", "Tide tables")
    metadata, access = to_json(charter)
    assert metadata == {"title": "Tide tables"}
    assert access == {
        "visibility": "public",
        "members_visibility": "public",
        "member_policy": "closed",
        "record_submission_policy": "open",
        "review_policy": "closed",
    }
    assert wrong_fields({}) == ["access", "metadata", "slug"]
    assert wrong_fields({**LEAST, "access": {}, "metadata": {}}) == ["access.visibility", "metadata.title"]


def test_5_1_all_of_it_reads_back() -> None:
    """HTML within bounds; organisations and funders by id or name; policies by either of their names."""
    metadata = {
        "title": "Tide tables",
        "description": "Gauge data",
        "type": {"id": "topic"},
        "website": "https://pier.example.org/",
        "curation_policy": "<p>Gauges only.</p>",
        "page": "<p>About</p>",
        "organizations": [{"name": "Pier Institute"}, {"id": "00k4n6c32"}],
        "funding": [{"funder": {"id": "00k4n6c32"}, "award": {"number": "1", "title": {"en": "Tides"}}}],
    }
    access = {
        "visibility": "public",
        "members_visibility": "restricted",
        "member_policy": "open",
        "record_policy": "closed",
        "review_policy": "members",
    }
    charter = read({**LEAST, "metadata": metadata, "access": access})
    assert charter.policies.record_submission_policy is Policy.CLOSED
    assert charter.policies.review_policy is ReviewPolicy.MEMBERS
    shown, policies = to_json(charter)
    assert shown == {**metadata, "type": {"id": "topic", "title": {"en": "Topic"}}}
    access["record_submission_policy"] = access.pop("record_policy")
    assert policies == access
    assert ("organization", "pier institute") in charter.bodies()
    assert ("funder", "00k4n6c32") in charter.bodies()
    again = read({"slug": charter.slug, "metadata": shown, "access": policies})
    assert again == charter


def test_5_1_scripts_are_left_out() -> None:
    shown = read({**LEAST, "metadata": {"title": "T", "page": "<p onclick=x()>a<script>b</script></p>"}})
    assert shown.details["page"] == "<p>ab</p>"


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"title": "x" * 251}, "title"),
        ({"title": 5}, "title"),
        ({"description": "x" * 251}, "description"),
        ({"page": "x" * 50_001}, "page"),
        ({"website": "javascript:alert(1)"}, "website"),
        ({"website": "http://[x"}, "website"),
        ({"organizations": {}}, "organizations"),
        ({"organizations": [{"name": "a"}, {}]}, "organizations.1"),
        ({"organizations": [{"name": "a"}] * 101}, "organizations"),
        ({"funding": [{"award": {"number": "5"}}]}, "funding.0"),
        ({"type": {"id": 5}}, "type.id"),
    ],
)
def test_5_1_what_is_wrong_is_named(metadata: JsonObject, field: str) -> None:
    assert wrong_fields({**LEAST, "metadata": {"title": "T", **metadata}}) == [f"metadata.{field}"]


def test_5_1_what_is_too_long_is_not_read() -> None:
    """Lengths are those of composed characters, but of a text that is far too long nothing is composed or cleaned."""
    composed = {**LEAST, "metadata": {"title": "a\u0308" * 250}}
    assert read(composed).title == "ä" * 250
    assert wrong_fields({**LEAST, "metadata": {"title": "ä" * 251}}) == ["metadata.title"]
    assert wrong_fields({**LEAST, "metadata": {"title": "T" + "\x00" * 1_000}}) == ["metadata.title"]


def test_5_1_unknown_types_and_policies_are_refused() -> None:
    with pytest.raises(Rejected, match="Invalid value choir"):
        read({**LEAST, "metadata": {"title": "T", "type": {"id": "choir"}}})
    wrong = {"visibility": "restricted", "member_policy": "members", "review_policy": ["open"]}
    assert wrong_fields({**LEAST, "access": wrong}) == [
        "access.member_policy", "access.review_policy", "access.visibility",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "slug",
    ["", "a b", "a/b", "räk", "x" * 101, "featured", "0c8f3b52-7d1e-4b0b-bb43-1f2f6a5d9e77", 5, None],
)
def test_5_1_slugs_that_no_address_can_hold_are_refused(slug: object) -> None:
    with pytest.raises(InvalidFields) as refused:
        read_slug(slug)
    assert [one.field for one in refused.value.faults] == ["slug"]


_NAMES = st.sampled_from(["id", "name", "funder", "award", "title", "en"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("aB-<>&/:\0\ud800é ", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_OBJECT = st.dictionaries(
    st.sampled_from(
        ["title", "description", "type", "website", "page", "organizations", "funding", "visibility"]
    ),
    _JSON,
)


@given(
    st.fixed_dictionaries(
        {}, optional={"slug": _JSON, "metadata": _OBJECT | _JSON, "access": _OBJECT | _JSON}
    )
)
def test_5_1_whatever_comes_is_read_or_refused(document: JsonObject) -> None:
    """And what is read reads back."""
    try:
        charter = read(document)
    except Rejected:
        return
    metadata, access = to_json(charter)
    assert read({"slug": charter.slug, "metadata": metadata, "access": access}) == charter
