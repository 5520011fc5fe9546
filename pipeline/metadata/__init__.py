"""Descriptive metadata: read it from the forms depositors write, normalise it, say what is wrong with it.

The canonical form is `model.Description`, shaped as InvenioRDM's record JSON. Nothing is dropped in silence: what
cannot be kept is named in a `FieldProblem`. Nothing raises on user data but `deposit_form`, which answers requests.
"""

from pipeline.metadata.datacite import from_datacite
from pipeline.metadata.form import Reading
from pipeline.metadata.legacy import from_legacy
from pipeline.metadata.legacy_form import to_legacy
from pipeline.metadata.problems import REFUSED_ON_SAVE, FieldProblem
from pipeline.metadata.reading import read
from pipeline.metadata.validation import validate

__all__ = [
    "REFUSED_ON_SAVE",
    "FieldProblem",
    "Reading",
    "from_datacite",
    "from_legacy",
    "read",
    "to_legacy",
    "validate",
]
