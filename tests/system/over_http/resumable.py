"""An upload in several requests, as a client of tus 1.0.0 makes it."""

import base64
import os
from collections.abc import AsyncIterable
from dataclasses import dataclass, replace

import httpx

from pipeline.store.transfer import IN_PARTS_FROM, MIB
from tests.system.over_http.contract.depositor import Depositor, path_of

SPOKEN = {"tus_resumable": "1.0.0"}
BODY = os.urandom(2 * IN_PARTS_FROM + MIB + 7)


def named(filename: str) -> str:
    return f"filename {base64.b64encode(filename.encode()).decode()},other"


@dataclass
class Upload:
    """An upload into a deposition of its own."""

    ida: Depositor
    path: str
    bucket: str
    deposition: str
    size: int

    def ask(self, method: str, content: bytes | AsyncIterable[bytes] = b"", **headers: str) -> httpx.Response:
        return self.ida.client.ask(method, self.path, content=content, **{**SPOKEN, **headers})

    def send(self, offset: int, content: bytes | AsyncIterable[bytes], **headers: str) -> httpx.Response:
        kind = {"content_type": "application/offset+octet-stream", "upload_offset": str(offset)}
        return self.ask("PATCH", content, **kind, **headers)

    def offset(self) -> int:
        return int(self.ask("HEAD").headers["upload-offset"])

    def by(self, other: Depositor) -> "Upload":
        """The same, asked of another gateway or by somebody else."""
        return replace(self, ida=other)

    def file(self) -> httpx.Response:
        return self.ida.client.get(f"{self.bucket}/large.bin")


def begun(ida: Depositor, size: int = len(BODY)) -> Upload:
    links = ida.create()["links"]
    answer = ida.client.ask(
        "POST",
        path_of(links["self"]) + "/uploads",
        upload_length=str(size),
        upload_metadata=named("large.bin"),
        **SPOKEN,
    )
    assert answer.status_code == 201, answer.text
    return Upload(
        ida, path_of(answer.headers["location"]), path_of(links["bucket"]), path_of(links["self"]), size
    )
