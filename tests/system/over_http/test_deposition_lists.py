"""Lists of depositions: what a page of them costs, and how much of each it shows."""

from tests.archive import Archive
from tests.statements import counted_statements
from tests.system.over_http.contract.depositor import DEPOSITIONS, Depositor


def test_a_page_asks_the_catalogue_as_much_however_many_it_shows(ida: Depositor) -> None:
    """Drafts, edits, new versions and published records come out of the same questions, one or many."""

    def one_of_each() -> None:
        ida.create()
        ida.published()
        ida.send("POST", ida.published()["links"]["edit"])
        ida.send("POST", ida.published()["links"]["newversion"])

    def cost() -> tuple[int, int]:
        with counted_statements() as asked:
            shown = ida.send("GET", DEPOSITIONS).json()
        return len(asked), len(shown)

    one_of_each()
    few = cost()
    for _ in range(3):
        one_of_each()
    many = cost()
    assert (few[1], many[1]) == (5, 20)
    assert many[0] == few[0]


def test_a_list_shows_the_first_hundred_files_of_a_record(archive: Archive, ida: Depositor) -> None:
    """As many as Zenodo lets a record have; all of them are behind its `files` link."""
    record = archive.publish(files={f"{number:03}.txt": b"%d" % number for number in range(101)})
    [listed] = ida.send("GET", DEPOSITIONS).json()
    assert [one["filename"] for one in listed["files"]] == [f"{number:03}.txt" for number in range(100)]
    alone = ida.send("GET", f"{DEPOSITIONS}/{record.id}").json()
    assert len(alone["files"]) == 101
