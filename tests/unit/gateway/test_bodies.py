"""JSON in the bodies of requests."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.bodies import DEEPEST, MOST_VALUES, parse
from pipeline.errors import Rejected

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(DOCUMENTS, st.booleans(), st.booleans())
def test_what_is_json_is_read(document: object, escaped: bool, marked: bool) -> None:
    """Whatever it is a document of, with letters escaped or not, behind a byte order mark or not."""
    text = json.dumps(document, ensure_ascii=escaped)
    assert parse(text.encode("utf-8-sig" if marked else "utf-8")) == document


@given(st.binary(max_size=60) | st.text('[]{}",:\\ud8-1.eE9naN', max_size=30).map(str.encode))
def test_nothing_else_gets_through(body: bytes) -> None:
    """Any bytes are refused with a reason, or are a document that can be written again."""
    try:
        document = parse(body)
    except Rejected:
        return
    assert parse(json.dumps(document, ensure_ascii=False, allow_nan=False).encode()) == document


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"[1e999]",
        b'{"a": -Infinity}',
        b'"\\ud800"',
        b'{"\\udc00": 1}',
        b"\xff",
        b"9" * 5000,
    ],
)
def test_what_only_python_takes_for_json_is_refused(body: bytes) -> None:
    """Numbers that are none, halves of surrogate pairs, and more digits than a number has."""
    with pytest.raises(Rejected, match=r"^Unable to decode JSON data in request body\.$"):
        parse(body)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    """Arrays and objects may be in each other fifty deep, and however deep they are nothing breaks."""

    def nested(levels: int) -> bytes:
        return (opening * levels + "0" + closing * levels).encode()

    parse(nested(DEEPEST))
    for levels in (DEEPEST + 1, 100_000):
        with pytest.raises(Rejected, match="deeper than 50"):
            parse(nested(levels))


def test_the_number_of_values_is_bounded() -> None:
    """An array counts as well as what is in it, at every level."""
    parse(json.dumps([0] * (MOST_VALUES - 1)).encode())
    for document in (
        [0] * MOST_VALUES,
        [[0]] * (MOST_VALUES // 2),
        {"a": {str(n): n for n in range(MOST_VALUES)}},
    ):
        with pytest.raises(Rejected, match=f"more than {MOST_VALUES} values"):
            parse(json.dumps(document).encode())
