"""Requests that several answer, take back and talk about at once: one after the other, whoever comes first
(Zenodo's REST API, requests)."""

from functools import partial
from random import Random

from tests.at_once import at_once, statuses
from tests.system.over_http.contract.curators import Document, communities_of, founded, saying
from tests.system.over_http.contract.depositor import Depositor

ENDS = {"accept": "accepted", "decline": "declined", "cancel": "cancelled", "expire": "expired"}


def asked(who: Depositor, community: Document) -> Document:
    """An inclusion that is asked for, of a new record."""
    record = who.published()
    body = {"communities": [{"id": community["id"]}]}
    answer = who.send("POST", f"/api/records/{record['id']}/communities", body)
    assert answer.status_code == 200, answer.text
    request: Document = answer.json()["processed"][0]["request"]
    return request


def timeline(who: Depositor, request: Document) -> list[str]:
    hits = who.send("GET", f"/api/requests/{request['id']}/timeline?size=50").json()["hits"]["hits"]
    return [one["payload"].get("content") or one["payload"]["event"] for one in hits]


def test_5_4_whatever_is_done_to_a_request_at_once_one_end_comes_of_it(
    ida: Depositor, bo: Depositor, root: Depositor
) -> None:
    """In any mix of steps, comments and locks: of all that would end it one does, and what follows is what that one
    said; the timeline tells exactly what was answered to have been done, and nothing comes behind what forbids it."""
    made = founded(ida, "mixed")
    random = Random(7)
    by = {"accept": ida, "decline": ida, "cancel": bo, "expire": root}
    for _ in range(5):
        request = asked(bo, made)
        path = f"/api/requests/{request['id']}"
        ends = random.choices(sorted(ENDS), k=3)
        acts = [partial(by[end].send, "POST", f"{path}/actions/{end}") for end in ends]
        acts += [partial(bo.send, "POST", f"{path}/comments", saying("Hello")) for _ in range(2)]
        acts += [partial(ida.send, "POST", f"{path}/lock") for _ in range(2)]
        answers = at_once(*acts)
        assert statuses(answers[:3]) == [200, 400, 400]
        assert set(statuses(answers[3:5])) <= {201, 403}
        assert statuses(answers[5:]) == [200, 400]
        [end] = [ENDS[end] for end, one in zip(ends, answers, strict=False) if one.status_code == 200]
        after = bo.send("GET", path).json()
        assert (after["status"], after["is_locked"]) == (end, True)
        assert (communities_of(bo, int(request["topic"]["record"])) == ["mixed"]) == (end == "accepted")
        said = statuses(answers[3:5]).count(201)
        told = timeline(bo, request)
        assert sorted(told) == sorted(["Hello"] * said + [end, "locked"])
        assert "Hello" not in told[told.index("locked") :]
        # One for each of them, on top of what it began with.
        assert after["revision_id"] == request["revision_id"] + len(told)


def test_5_4_a_comment_is_changed_and_taken_back_in_turn(ida: Depositor, bo: Depositor) -> None:
    """It is gone, whether it was changed before or not."""
    comments = f"/api/requests/{asked(bo, founded(ida, 'turns'))['id']}/comments"
    for _ in range(3):
        comment = bo.send("POST", comments, saying("Hello")).json()["links"]["self"]
        edit = partial(bo.send, "PUT", comment, saying("Bye"))
        first, erased, second = at_once(edit, partial(bo.send, "DELETE", comment), edit)
        assert {first.status_code, second.status_code} <= {200, 404}
        assert erased.status_code == 204
        assert bo.send("GET", comment).status_code == 404


def test_5_4_of_what_is_asked_for_twice_at_once_one_is(ida: Depositor, bo: Depositor) -> None:
    """The others are told that there is such a request."""
    made = founded(ida, "twice")
    record = bo.published()
    ask = partial(
        bo.send,
        "POST",
        f"/api/records/{record['id']}/communities",
        {"communities": [{"id": made["id"]}]},
    )
    assert statuses(at_once(*[ask] * 4)) == [200, 400, 400, 400]


def test_5_1_a_community_is_deleted_or_asked(ida: Depositor, bo: Depositor) -> None:
    """Never is something asked of one that is gone."""
    for number in range(3):
        made = founded(ida, f"leaving-{number}")
        record = bo.published()
        body = {"communities": [{"id": made["id"]}]}
        deleted, included = at_once(
            partial(ida.send, "DELETE", f"/api/communities/{made['id']}"),
            partial(bo.send, "POST", f"/api/records/{record['id']}/communities", body),
        )
        assert (deleted.status_code, included.status_code) in ((204, 400), (400, 200))
