"""What `requirements/` pins."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parents[3] / "requirements"


def entries(purpose: str) -> list[str]:
    """One pinned requirement each, with its marker and hashes, on one line."""
    text = (_FOLDER / f"{purpose}.txt").read_text()
    return text.replace("\\\n", " ").splitlines()


def pinned(purpose: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", "\n".join(entries(purpose)), re.MULTILINE))
