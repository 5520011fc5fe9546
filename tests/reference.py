"""Where the reference data lies: published schemas, examples and fixtures that the tests compare with."""

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent


def reference(*parts: str) -> Path:
    """The file or folder `parts` below HEADRACE_REFERENCE (by default `shared`, beside the checkout).
    Raises `FileNotFoundError` when it is not there: a test without its data fails, it does not skip."""
    root = Path(os.environ.get("HEADRACE_REFERENCE") or _CHECKOUT.parent / "shared")
    path = root.joinpath(*parts)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; HEADRACE_REFERENCE names the folder of reference data")
    return path
