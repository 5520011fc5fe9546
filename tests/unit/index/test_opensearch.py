"""Where OpenSearch is, as a setting says it, and what it is sent."""

import pytest

from pipeline.errors import Misconfigured
from pipeline.index.document import terms
from pipeline.index.fields import EVERYWHERE, PRESENT
from pipeline.index.nodes import NOTHING, Bool, MatchAll, Term
from pipeline.index.opensearch_server import OpenSearchServer, parse_server
from pipeline.index.query_dsl import MAPPINGS, translate
from tests.index_corpus import CORPUS


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("opensearch://127.0.0.1/archive", OpenSearchServer("127.0.0.1", 9200, "archive", False, "", "pw")),
        ("opensearch://[::1]:9250/a_b-1/", OpenSearchServer("::1", 9250, "a_b-1", False, "", "pw")),
        ("opensearchs://me%40x@search.example/a", OpenSearchServer("search.example", 9200, "a", True, "me@x", "pw")),
    ],
)  # fmt: skip
def test_a_server_and_an_alias_are_named_by_a_url(url: str, server: OpenSearchServer) -> None:
    """Port 9200 where none is named; the password is shown nowhere."""
    assert parse_server(url, "pw") == server
    assert "pw" not in repr(server)


@pytest.mark.parametrize(
    "url",
    ["opensearch:", "opensearch://", "opensearch://host", "opensearch://me:secret@host/a", "opensearch://host:x/a",
     "opensearch://host/a/b", "opensearch://host/A", "opensearch://host/a.b", "opensearch://host/_all",
     "opensearch://host/a*", "opensearch://host/a?tls=no"],
)  # fmt: skip
def test_what_is_no_server_or_alias_is_refused(url: str) -> None:
    """A password has a setting of its own, and is not told."""
    with pytest.raises(Misconfigured) as refused:
        parse_server(url, "pw")
    assert refused.value.field == "HEADRACE_INDEX"
    assert "secret" not in str(refused.value) + refused.value.remedy


def test_every_field_of_a_document_is_mapped() -> None:
    """The mapping is strict: what it lacks would be refused."""
    stored = {name for one in CORPUS if one.body is not None for name in terms(one.body)}
    assert stored <= MAPPINGS["properties"].keys()
    assert {EVERYWHERE, PRESENT} < stored
    assert MAPPINGS["dynamic"] == "strict"


def test_nothing_and_all_but_something_are_told_apart() -> None:
    """Lucene takes a prohibited clause alone for all but that; the tree says that nothing is found."""
    assert translate(NOTHING) == translate(Bool(must_not=(Term("id", 1),))) == {"match_none": {}}
    assert translate(Bool(must=(MatchAll(),), must_not=(Term("id", 1),)))["bool"]["must_not"] == [
        {"term": {"id": {"value": 1}}}
    ]


def test_choices_within_a_facet_are_one_look_up() -> None:
    """A hundred of them would else be a tenth of what the server looks up at once."""
    chosen = Bool(should=(Term("facet.year", "2024"), Term("facet.year", "2025")))
    assert translate(chosen)["constant_score"]["filter"] == {"terms": {"facet.year": ["2024", "2025"]}}
