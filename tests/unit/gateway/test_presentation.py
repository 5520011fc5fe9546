"""What pages are put together from."""

import pytest

from gateway.html.presentation import pager


@pytest.mark.parametrize(
    ("page", "has_next", "leads_to"),
    [(1, False, []), (1, True, ["?page=2"]), (2, False, ["?page=1"]), (2, True, ["?page=1", "?page=3"])],
)
def test_a_list_leads_to_the_pages_that_there_are(page: int, has_next: bool, leads_to: list[str]) -> None:
    found = pager(page, lambda number: f"?page={number}", has_next=has_next)
    assert [one.url for one in found] == leads_to
