"""Errors as answers: what a client is told of which."""

from gateway.http.problems import answer_to
from pipeline.errors import Conflict, Denied, FieldFault, InvalidFields, Rejected, Stale


def test_every_wrong_field_is_listed() -> None:
    """Fields of a document that are wrong are one 400 with an entry each, its messages in a list."""
    error = InvalidFields(
        (
            FieldFault("metadata.title", ("Not a valid string.",)),
            FieldFault("metadata.dates", ("Invalid date provided.", "Write it as text."), "Name a day."),
        )
    )
    assert answer_to(error).body() == {
        "status": 400,
        "message": "A validation error occurred.",
        "errors": [
            {"field": "metadata.title", "messages": ["Not a valid string."]},
            {
                "field": "metadata.dates",
                "messages": ["Invalid date provided.", "Write it as text."],
                "remedy": "Name a day.",
            },
        ],
    }


def test_what_to_do_next_is_told_beside_what_is_wrong() -> None:
    """Where it is known, and with the field where one is to blame."""
    refused = answer_to(Denied("No.", remedy="Ask its owner."))
    assert refused.body() == {"status": 403, "message": "No.", "remedy": "Ask its owner."}
    assert "remedy" not in answer_to(Denied("No.")).body()
    [entry] = answer_to(Rejected("Not a date.", field="from", remedy="Write YYYY-MM-DD.")).errors
    assert entry == {"field": "from", "messages": ["Not a date."], "remedy": "Write YYYY-MM-DD."}


def test_a_revision_that_is_no_more_is_a_precondition_that_failed() -> None:
    """Another conflict is none (RFC 9110 §15.5.10 and §15.5.13)."""
    assert (answer_to(Stale("Changed.")).status, answer_to(Conflict("Held.")).status) == (412, 409)
