"""A gateway that is away for writing."""

from typing import NoReturn

from pipeline.catalogue import Catalogue
from pipeline.errors import Unavailable


class OnlyRead:
    """A catalogue that takes no writes now."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.read = catalogue.read
        self.glance = catalogue.glance
        self.ping = catalogue.ping

    def write(self) -> NoReturn:
        raise Unavailable("no writes are taken now")
