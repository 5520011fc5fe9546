"""How pages call requests."""

from gateway.site import request_pages
from pipeline.communities import requests


def test_people_read_no_word_of_ours_for_any_type() -> None:
    assert set(request_pages.TYPES) == set(requests.TYPES)
