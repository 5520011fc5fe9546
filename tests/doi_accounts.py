"""Accounts at DataCite's double that behave in a way of their own."""

from infra.local.datacite_double.registry import Account

REFUSED = Account("ELSEWHERE.REPO", "of elsewhere", ("10.7777",), domains="elsewhere.example")
"""It may write, and its DOIs may lead only to where no archive of the tests is: each of them is refused."""

STRICT = Account("STRICT.REPO", "of the strict", ("10.8888",), domains="archive.example.org,*.pier.example")
"""Its DOIs may lead to the archives of the tests, as long as these do not move."""
