"""What files of drafts may be called, by the door that they come in through (pure; Zenodo's REST API, deposition
files, bucket and draft files).

| Door | The name |
|---|---|
| bucket | one segment of the path (`segment`) |
| form | made plain (`from_form`) |
| draft files, tus | a path: segments set apart by slashes, as they are given |

What no file is called, whichever way it comes, `arrival.require_key` refuses. However it came, a file is read and
deleted at every address that it has.
"""

import re
import unicodedata

from pipeline import refusals


def segment(key: str) -> str:
    """The rest of a bucket's path as a name. Raises `Missing`, for on Zenodo no route has more segments."""
    if "/" in key:
        raise refusals.not_found()
    return key


def from_form(name: str) -> str:
    """A name without folders, of plain letters: accents go, other letters too, blanks become `_`; `""` where nothing is
    left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    joined = "_".join(plain.replace("/", " ").replace("\\", " ").split())
    return re.sub(r"[^A-Za-z0-9_.-]", "", joined).strip("._")
