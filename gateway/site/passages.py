"""Why a record was found, where its title and description do not say: a passage of a file that everybody may read."""

from collections.abc import Sequence
from typing import Final

from gateway.html import presentation
from pipeline.access import are_files_open
from pipeline.catalogue import file_texts
from pipeline.catalogue.file_texts import FileText
from pipeline.dissemination import Dissemination
from pipeline.index.fields import DESCRIPTION, FULL_TEXT, TITLE
from pipeline.index.highlights import Highlights
from pipeline.metadata import text
from pipeline.services import Services

_LOOKED_AT: Final = 100_000
"""Characters of texts that one page takes time for, all hits together."""


def passages(
    services: Services, hits: Sequence[Dissemination], highlights: Highlights
) -> dict[int, FileText]:
    """By record, the first in each that has a word which was asked for; of the last hits none where there was much to
    look through. `hits` are as they are today."""
    largest, today = services.settings.full_text, services.now().date()
    found: dict[int, FileText] = {}
    if not largest:
        return found
    left = _LOOKED_AT
    with services.catalogue.read() as tx:
        for one in hits:
            if left > 0 and are_files_open(one.record, today=today) and not _says_why(one, highlights):
                texts = file_texts.of_records(tx, [one.record.id], largest=largest)
                passage, looked_at = _first(texts.get(one.record.id, ()), highlights, left)
                left -= looked_at
                if passage is not None:
                    found[one.record.id] = passage
    return found


def _says_why(one: Dissemination, highlights: Highlights) -> bool:
    metadata = one.record.description.metadata
    description = text.plain(str(metadata.get("description") or ""))
    return any(
        highlights.find(each, field) is not None
        for each, field in ((str(metadata.get("title") or ""), TITLE), (description, DESCRIPTION))
    )


def _first(texts: Sequence[FileText], highlights: Highlights, most: int) -> tuple[FileText | None, int]:
    """The first passage, and how many characters that took, `most` at most."""
    looked_at = 0
    for each in texts:
        begins = highlights.find(each.text, FULL_TEXT, within=most - looked_at)
        if begins is not None:
            return FileText(each.key, presentation.excerpt(each.text, begins)), looked_at + begins
        looked_at = min(looked_at + len(each.text), most)
    return None, looked_at
