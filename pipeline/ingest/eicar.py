"""A `Scanner` that finds the EICAR test string and claims nothing else."""

from __future__ import annotations

from pipeline.model import JsonObject, ScanStatus, ScanVerdict
from pipeline.ports import ScanResumption

# Joined at run time, so that neither this file nor its compiled form is itself a detection.
_EICAR = b"".join((rb"X5O!P%@AP[4\PZX54(P^)7CC)7}", rb"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"))
_ENGINE = "headrace-eicar/1"


class EicarScanner:
    gives_clean = False

    def begin(self, size: int, resume: ScanResumption | None = None) -> EicarSession:  # noqa: ARG002 - any size will do
        session = EicarSession()
        if resume is not None:
            session.go_on(resume.checkpoint)
        return session

    def signatures(self) -> str:
        return ""

    def describe(self) -> str:
        return (
            f"{_ENGINE}: finds the EICAR test string only; everything else is called unscanned, never clean"
        )


class EicarSession:
    """Keeps the end of each block, so that the string is found across borders."""

    def __init__(self) -> None:
        self._end = b""
        self._found = False

    def go_on(self, checkpoint: JsonObject) -> None:
        """From where another session's `checkpoint` was made."""
        self._found = checkpoint["found"]
        self._end = bytes.fromhex(checkpoint["end"])

    def feed(self, block: bytes | memoryview) -> None:
        if self._found or not block:
            return
        overlap = len(_EICAR) - 1
        content = bytes(block)
        border = self._end + content[:overlap]
        self._found = _EICAR in border or _EICAR in content
        self._end = (border if len(content) < overlap else content)[-overlap:]

    def checkpoint(self) -> JsonObject:
        return {"found": self._found, "end": self._end.hex()}

    def finish(self) -> ScanVerdict:
        if self._found:
            return ScanVerdict(ScanStatus.INFECTED, _ENGINE, method="stream", signature="EICAR-Test-File")
        return ScanVerdict(ScanStatus.UNSCANNED, _ENGINE)

    def close(self) -> None:
        self._end = b""
