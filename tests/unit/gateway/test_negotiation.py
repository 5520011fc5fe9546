import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.negotiation import choose

OFFERED = ("application/json", "application/ld+json", "application/vnd.datacite.datacite+xml")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/ld+json", "application/ld+json"),
        ("APPLICATION/LD+JSON", "application/ld+json"),
        ("application/json; charset=utf-8", "application/json"),
        ("application/json;q=0.5, application/ld+json", "application/ld+json"),
        ("text/turtle, application/ld+json;q=0.1", "application/ld+json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("application/ld+json;q=0, application/json;q=0.1", "application/json"),
        ("application/*", None),
        ("text/turtle", None),
        ("application/json;q=0", None),
        ('application/ld+json;profile="a,b"', None),
    ],
)
def test_the_best_exact_name_is_chosen(accept: str | None, chosen: str | None) -> None:
    """Names match exactly, parameters included, in the order of quality; a range of types matches nothing."""
    assert choose(accept, OFFERED) == chosen


def test_a_profile_is_part_of_the_name() -> None:
    """Two formats of one type are told apart by their profile."""
    profiled = 'application/ld+json;profile="https://example.org/1"'
    assert (
        choose('application/ld+json ; profile="https://example.org/1"; q=0.9', (*OFFERED, profiled))
        == profiled
    )


@given(st.text(max_size=60) | st.from_regex(r"[a-z*]+/[a-z*+]+(;q=[0-9.]+)?(, [a-z*/;=\"]+)*"))
def test_any_header_is_understood_somehow(accept: str) -> None:
    """Whatever a client sends as Accept, the answer is an offered type or none."""
    assert choose(accept, OFFERED) in (*OFFERED, None)
