"""Harvests by resumption token."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.feeds.oaipmh import OaiSet, answer
from tests.oai_conformance import OAI, schema
from tests.unit.feeds.memory_archive import FORMATS, FOUNDED, REPOSITORY, MemoryArchive, archive_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EVEN = OaiSet("user-even", "Even")


@dataclass
class Page:
    """One answer to a harvester. `token` is None without a resumptionToken, `""` with an empty one."""

    ids: list[int]
    stamps: list[str]
    token: str | None
    attributes: dict[str, str]
    codes: list[str]
    response_date: str


@dataclass
class Harvester:
    archive: MemoryArchive
    page_size: int = 100
    now: datetime = NOW
    secret: bytes = b"secret"
    verb: str = "ListRecords"
    asked: dict[str, str] = field(default_factory=lambda: {"metadataPrefix": "oai_dc"})

    def ask(self, **arguments: str) -> Page:
        body = answer(
            [("verb", self.verb), *((name.rstrip("_"), value) for name, value in arguments.items())],
            self.archive,
            REPOSITORY,
            now=self.now,
            secret=self.secret,
            formats=FORMATS,
            page_size=self.page_size,
        )
        root = etree.fromstring(body)
        schema().assertValid(root)
        token = root.find(f".//{{{OAI}}}resumptionToken")
        return Page(
            ids=[int(e.text.rpartition(":")[2]) for e in root.iter(f"{{{OAI}}}identifier")],
            stamps=[e.text for e in root.iter(f"{{{OAI}}}datestamp")],
            token=None if token is None else token.text or "",
            attributes={} if token is None else dict(token.attrib),
            codes=[e.get("code") for e in root.iter(f"{{{OAI}}}error")],
            response_date=root.findtext(f"{{{OAI}}}responseDate"),
        )

    def pages(self, **arguments: str) -> Iterator[Page]:
        page = self.ask(**{**self.asked, **arguments})
        yield page
        while page.token:
            page = self.ask(resumptionToken=page.token)
            yield page


@pytest.mark.parametrize("verb", ["ListRecords", "ListIdentifiers"])
def test_a_list_is_split_into_pages_that_tell_where_they_stand(verb: str) -> None:
    """Every page of a split list has its cursor and the size of the list; the last token is empty."""
    pages = list(Harvester(archive_of(7), page_size=3, verb=verb).pages())
    assert [page.ids for page in pages] == [[1, 2, 3], [4, 5, 6], [7]]
    assert [page.attributes["cursor"] for page in pages] == ["0", "3", "6"]
    assert {page.attributes["completeListSize"] for page in pages} == {"7"}
    assert [bool(page.token) for page in pages] == [True, True, False]
    assert pages[-1].token == ""
    assert [page.attributes.get("expirationDate") for page in pages] == [
        "2026-01-09T03:04:05Z",
        "2026-01-09T03:04:05Z",
        None,
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_list_that_fits_is_answered_whole(count: int) -> None:
    """A list of at most a page carries no resumptionToken at all."""
    assert [page.token for page in Harvester(archive_of(count), page_size=3).pages()] == [None]


def test_a_list_of_full_pages_ends_with_a_full_page() -> None:
    """No token leads to an empty page when the list is a multiple of the page size."""
    pages = list(Harvester(archive_of(6), page_size=3).pages())
    assert [page.ids for page in pages] == [[1, 2, 3], [4, 5, 6]]
    assert pages[-1].token == ""


def test_a_token_stands_for_the_whole_request() -> None:
    """Set, format and both bounds hold on every page, though only the token is sent."""
    archive = archive_of(40, EVEN)
    harvester = Harvester(archive, page_size=2)
    day = "2024-03-01"  # records 24 to 47
    pages = list(harvester.pages(set="user-even", from_=day, until=day))
    assert [record_id for page in pages for record_id in page.ids] == list(range(25, 40, 2))
    assert len(pages) == 4


def test_records_with_one_datestamp_are_paged_by_their_id() -> None:
    """A thousand records of one bulk ingest share a datestamp, and are split all the same."""
    archive = MemoryArchive()
    archive.stamp(*range(1, 1001), at=FOUNDED)
    ids = [record_id for page in Harvester(archive, page_size=99).pages() for record_id in page.ids]
    assert ids == list(range(1, 1001))


def test_a_token_sent_again_gives_the_same_page() -> None:
    """A harvester that lost an answer may ask for it again, as long as it likes before the expiry."""
    harvester = Harvester(archive_of(9), page_size=3)
    token = harvester.ask(metadataPrefix="oai_dc").token or ""
    first = harvester.ask(resumptionToken=token)
    list(harvester.pages())
    harvester.now += timedelta(days=6)
    assert harvester.ask(resumptionToken=token).ids == first.ids == [4, 5, 6]


def test_records_that_appear_meanwhile_wait_for_the_next_harvest() -> None:
    """The upper bound is frozen at the first answer, so that a list comes to its end; whoever harvests next
    from that answer's responseDate meets what was added."""
    archive = archive_of(4)
    harvester = Harvester(archive, page_size=2)
    first = harvester.ask(metadataPrefix="oai_dc")
    archive.stamp(5, at=FOUNDED + timedelta(hours=5))
    assert harvester.ask(resumptionToken=first.token or "").ids == [3, 4]
    assert harvester.ask(metadataPrefix="oai_dc", from_=first.response_date).ids == [4, 5]


def test_a_rest_that_is_gone_is_no_empty_list() -> None:
    """Where all that was left has been re-stamped, the resumption answers noRecordsMatch: an empty list
    would not be valid."""
    archive = archive_of(3)
    harvester = Harvester(archive, page_size=2)
    first = harvester.ask(metadataPrefix="oai_dc")
    archive.stamp(3, at=FOUNDED + timedelta(days=1))
    assert harvester.ask(resumptionToken=first.token or "").codes == ["noRecordsMatch"]


def test_a_token_belongs_to_its_verb() -> None:
    """A token of ListRecords is refused by ListIdentifiers."""
    archive = archive_of(3)
    token = Harvester(archive, page_size=2).ask(metadataPrefix="oai_dc").token or ""
    assert Harvester(archive, verb="ListIdentifiers").ask(resumptionToken=token).codes == [
        "badResumptionToken"
    ]


def test_a_token_expires() -> None:
    """A token is good until its expirationDate and refused after it."""
    harvester = Harvester(archive_of(3), page_size=2)
    token = harvester.ask(metadataPrefix="oai_dc").token or ""
    harvester.now += timedelta(days=7)
    assert harvester.ask(resumptionToken=token).codes == []
    harvester.now += timedelta(seconds=1)
    assert harvester.ask(resumptionToken=token).codes == ["badResumptionToken"]


def test_a_token_of_another_secret_is_refused() -> None:
    """Only those who know the secret can make a token."""
    archive = archive_of(3)
    token = Harvester(archive, page_size=2, secret=b"guessed").ask(metadataPrefix="oai_dc").token or ""
    assert Harvester(archive, page_size=2).ask(resumptionToken=token).codes == ["badResumptionToken"]


def test_a_token_needs_no_escaping() -> None:
    """Tokens hold only characters that are safe in a URL, since some harvesters do not encode them."""
    token = (
        Harvester(archive_of(3, EVEN), page_size=1).ask(metadataPrefix="oai_dc", set="user-even").token or ""
    )
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.data())
def test_a_token_that_was_tampered_with_is_refused(data: st.DataObject) -> None:
    """Changing, dropping or adding any character of a token makes it a badResumptionToken."""
    harvester = Harvester(archive_of(3), page_size=2)
    token = harvester.ask(metadataPrefix="oai_dc").token or ""
    place = data.draw(st.integers(0, len(token)))
    removed = data.draw(st.integers(0, 2))
    added = data.draw(st.text("ABCabc019-_=. +/\n\0é", max_size=2))
    forged = token[:place] + added + token[place + removed :]
    expected = [] if forged == token else ["badResumptionToken"]
    assert harvester.ask(resumptionToken=forged).codes == expected


# Between two pages: some records are stamped, after some tenths of a second (0: at the horizon itself).
_CHANGES = st.lists(
    st.tuples(st.integers(0, 25), st.frozensets(st.integers(1, 30), min_size=1, max_size=12)), max_size=3
)


@given(
    start=st.integers(1, 20),
    step=st.sampled_from([0.0, 0.3, 1.0, 3600.0]),
    page_size=st.integers(1, 22),
    between=st.lists(_CHANGES, max_size=12),
)
def test_a_harvest_misses_nothing_while_the_archive_moves(
    start: int, step: float, page_size: int, between: list[list[tuple[int, frozenset[int]]]]
) -> None:
    """Whatever is added or re-stamped between the pages, a record that stayed as it was is met exactly once,
    no page reaches beyond the size that it tells, and the next harvest, from the first answer's responseDate
    on, meets all that changed."""
    archive = MemoryArchive()
    for record_id in range(1, start + 1):
        archive.stamp(record_id, at=FOUNDED + timedelta(seconds=record_id * step))
    met: Counter[int] = Counter()
    moved: set[int] = set()
    response_dates = []
    upcoming = iter(between)
    for page in Harvester(archive, page_size).pages():
        met.update(page.ids)
        response_dates.append(page.response_date)
        if page.attributes:
            assert int(page.attributes["cursor"]) + len(page.ids) <= int(page.attributes["completeListSize"])
        for tenths, record_ids in next(upcoming, []):
            archive.stamp(*record_ids, at=archive.horizon() + timedelta(seconds=tenths / 10))
            moved |= record_ids
    stayed = set(range(1, start + 1)) - moved
    assert {record_id: met[record_id] for record_id in stayed} == dict.fromkeys(stayed, 1)
    next_harvest = Harvester(archive, page_size).pages(from_=response_dates[0])
    assert moved <= {record_id for page in next_harvest for record_id in page.ids}
