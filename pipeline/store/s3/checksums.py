"""Checksums that S3 verifies as bytes arrive: both can be computed for a whole object from those of its parts
(user guide, "Checking object integrity": full-object checksums)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from awscrt import checksums

from pipeline.model import Part

Content: TypeAlias = Any
"""Bytes in any form; awscrt says `bytes`, and takes all."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """An algorithm by its name in S3's API. `update(block, before)` and `combine(first, second, second's size)` answer
    numbers of `width` bytes."""

    name: str
    width: int
    update: Callable[[Content, int], int]
    combine: Callable[[int, int, int], int]

    @property
    def header(self) -> str:
        """Of a request or as a trailer."""
        return f"x-amz-checksum-{self.name.lower()}"

    @property
    def parameter(self) -> str:
        """Of botocore's calls."""
        return f"Checksum{self.name}"

    def encoded(self, value: int) -> str:
        """As S3 writes it: the big-endian bytes in base 64."""
        return base64.b64encode(value.to_bytes(self.width, "big")).decode()

    def of(self, content: Content) -> str:
        """The checksum of all the content."""
        return self.encoded(self.update(content, 0))

    def of_parts(self, parts: Sequence[Part]) -> str | None:
        """The checksum of the object that the parts make; None where one of them has none of this kind."""
        whole = 0
        for part in parts:
            raw = base64.b64decode(part.checksum)
            if len(raw) != self.width:
                return None
            whole = self.combine(whole, int.from_bytes(raw, "big"), part.size)
        return self.encoded(whole)


CRC64NVME = Checksum("CRC64NVME", 8, checksums.crc64nvme, checksums.combine_crc64nvme)
CRC32C = Checksum("CRC32C", 4, checksums.crc32c, checksums.combine_crc32c)
