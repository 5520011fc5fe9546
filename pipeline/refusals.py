"""Refusals that clients of Zenodo know by their words, each said once (pure; Zenodo's REST API, error bodies)."""

from pipeline.errors import Denied, Missing, Rejected


def unknown_id() -> Missing:
    """Nothing of the kind that was asked for has this id."""
    return Missing("The persistent identifier does not exist.")


def not_found() -> Missing:
    """There is no such thing, and an address with this in it is as one without a route."""
    return Missing("Not found.")


def no_file(record_id: int, key: str) -> Missing:
    return Missing(f"Record '{record_id}' has no file '{key}'.")


def not_permitted() -> Denied:
    """It is somebody else's."""
    return Denied("Permission denied.")


def files_locked() -> Denied:
    """The record is published: its files stay as they are."""
    return Denied(
        "Bucket is locked for modifications.", remedy="Make a new version: its files can be changed."
    )


def file_exists(key: str) -> Rejected:
    """What only adds files does not replace one."""
    return Rejected(f"File with key {key} already exists.", remedy="Delete it first.")


def under_review(action: str) -> Rejected:
    """Curators are asked for a review of the draft: until that has come to an end, `action` has to wait."""
    return Rejected(
        f"You cannot {action} a draft with an open review request. Please cancel the review request first."
    )


def empty_file() -> Rejected:
    return Rejected("Empty files are not accepted.")


def transfer_failed() -> Rejected:
    """What came is not the whole file, or not what was announced."""
    return Rejected("The file upload transfer failed, please try again.")
