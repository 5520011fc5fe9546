"""Errors as answers: what a client is told of which."""

from gateway.problems import answer_to
from pipeline.errors import FieldFault, InvalidFields


def test_every_wrong_field_is_listed() -> None:
    """Fields of a document that are wrong are one 400 with an entry each, its messages in a list."""
    error = InvalidFields(
        (
            FieldFault("metadata.title", ("Not a valid string.",)),
            FieldFault("metadata.dates", ("Invalid date provided.", "Write it as text.")),
        )
    )
    assert answer_to(error).body() == {
        "status": 400,
        "message": "A validation error occurred.",
        "errors": [
            {"field": "metadata.title", "messages": ["Not a valid string."]},
            {"field": "metadata.dates", "messages": ["Invalid date provided.", "Write it as text."]},
        ],
    }
