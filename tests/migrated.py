"""The catalogue's tables on SQLite, made once in a process: to make them takes longer than most of what tests do with
them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.catalogue.engine import open_catalogue


def add_catalogue(home: Path) -> Path:
    """The file of the catalogue at `home`, as an instance without `HEADRACE_DATABASE` has it: with nothing in it where
    there was none."""
    file = home / "catalogue.sqlite"
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_tables())
    return file


@cache
def _tables() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder, "catalogue.sqlite")
        open_catalogue(f"sqlite:///{file}").close()
        return file.read_bytes()
