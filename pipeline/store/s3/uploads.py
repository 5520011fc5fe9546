"""Objects being written to a bucket: small ones in one piece, large ones in parts that stream side by side."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

import xxhash

from pipeline.errors import HeadraceError, Missing, Rejected, Unavailable
from pipeline.model import Part, PartLedger
from pipeline.store.s3.bucket import Bucket
from pipeline.store.s3.buffers import Budget, BufferPool, PartPipe
from pipeline.store.s3.checksums import Checksum
from pipeline.store.s3.open_uploads import end_upload
from pipeline.store.s3.refusals import translated
from pipeline.store.s3.wire import Answer, Target, Trailer
from pipeline.store.transfer import (
    MIB,
    PartPlan,
    SeenPart,
    before_checkpoint,
    behind_checkpoint,
    md5_of_parts,
    require_unchanged,
)

PARTS_AT_ONCE = 4
HELD_PART = 16 * MIB
"""Parts up to here are held in memory for a checksum before them, where a server takes none after them."""

_MD5 = re.compile("[0-9a-f]{32}")


class SingleUpload:
    """An object that goes in one piece at `commit`; until then its bytes are held."""

    id = ""
    part_size = 0
    offset = 0

    def __init__(self, bucket: Bucket, name: str, size: int, budget: Budget) -> None:
        self._bucket = bucket
        self._name = name
        self._size = size
        self._budget = budget
        budget.take(size)
        self._is_held = True
        self._content = bytearray()
        self._came = 0

    def write(self, block: bytes | memoryview) -> None:
        # What comes beyond the size is counted only: such an object is not committed.
        self._content += memoryview(block)[: self._size - len(self._content)]
        self._came += len(block)

    def parts(self) -> Sequence[Part]:
        return ()

    def commit(self) -> None:
        require_size(self._size, self._came)
        self._bucket.wire.put(Target(self._name), self._content, self._bucket.abilities().checksum)
        self.leave()

    def abort(self) -> None:
        self.leave()

    def leave(self) -> None:
        if self._is_held:
            self._is_held = False
            self._content = bytearray()
            self._budget.give(self._size)


class Assembly:
    """An object that S3 puts together of parts: which have arrived, and how it is completed. Its methods may be called
    by many threads; with a `ledger`, parts before its checkpoint are there, and those behind must come out as it
    says."""

    def __init__(self, bucket: Bucket, name: str, upload_id: str, ledger: PartLedger | None = None) -> None:
        self.bucket = bucket
        self.name = name
        self.id = upload_id
        self.offset = ledger.offset if ledger else 0
        self._arrived = {part.number: part for part in before_checkpoint(ledger)} if ledger else {}
        self._expected = behind_checkpoint(ledger) if ledger else {}

    def target(self, number: int) -> Target:
        """Where a part is put."""
        return Target(self.name, urlencode({"partNumber": number, "uploadId": self.id}))

    def verify(self, number: int, xxh3: str) -> None:
        """Raises `SourceChanged` where the part was another when it was first written."""
        require_unchanged(self._expected, number, xxh3)

    def send(self, number: int, content: memoryview) -> None:
        """Put a part whose bytes are at hand; tries again where that may help."""
        xxh3 = xxhash.xxh3_128_hexdigest(content)
        self.verify(number, xxh3)
        algorithm = self.bucket.abilities().checksum
        checksum = algorithm.of(content) if algorithm else ""
        headers = {algorithm.header: checksum} if algorithm else {}
        answer = self.bucket.wire.put(replace(self.target(number), headers=headers), content, None)
        self.note(number, len(content), answer, xxh3, checksum)

    def note(self, number: int, size: int, answer: Answer, xxh3: str, checksum: str) -> None:
        """A part has arrived. Raises `Unavailable` where the answer does not tell by what name."""
        if not answer.etag:
            raise Unavailable(f"S3 answered without an ETag for part {number} of {self.name}")
        self._arrived[number] = Part(number, size, answer.etag, xxh3, checksum)

    def parts(self) -> Sequence[Part]:
        """Those that have arrived, in order."""
        return sorted(self._arrived.copy().values(), key=lambda part: part.number)

    def complete(self, size: int) -> None:
        """Make it visible. The answer may get lost, and may lie: what counts is what the bucket has then."""
        parts = self.parts()
        algorithm = self.bucket.abilities().checksum
        whole = algorithm.of_parts(parts) if algorithm else None
        checksum = {algorithm.parameter: whole} if algorithm and whole else {}
        of_whole = {"ChecksumType": "FULL_OBJECT"} if checksum else {}
        etags, failure = {multipart_etag(parts)}, None
        try:
            with translated(f"complete {self.name}"):
                answer = self.bucket.client.complete_multipart_upload(
                    Bucket=self.bucket.name,
                    Key=self.name,
                    UploadId=self.id,
                    MultipartUpload={"Parts": [_told(part, algorithm) for part in parts]},
                    **checksum,
                    **of_whole,
                )
            etags.add(answer["ETag"].strip('"'))
        except HeadraceError as error:
            failure = error
        if not self._has_appeared(size, etags, checksum):
            raise failure or Unavailable(f"S3 has something else under {self.name} than was sent")

    def _has_appeared(self, size: int, etags: set[str | None], checksum: Mapping[str, str]) -> bool:
        try:
            with translated(f"look at {self.name}"):
                found = self.bucket.client.head_object(
                    Bucket=self.bucket.name, Key=self.name, ChecksumMode="ENABLED"
                )
        except Missing:
            return False
        is_same = found["ETag"].strip('"') in etags or any(
            found.get(name) == value for name, value in checksum.items()
        )
        return is_same and found["ContentLength"] == size

    def end(self) -> None:
        # Where S3 is away now, the upload is found open later, and swept.
        with suppress(Unavailable):
            end_upload(self.bucket, self.name, self.id)


class MultipartUpload:
    """An object in parts, each streamed by a thread of its own while the next is being written.

    What fails in a sender is raised by the next `write` or by `commit`; whoever writes then leaves, and resumes.
    """

    def __init__(self, assembly: Assembly, plan: PartPlan, pool: BufferPool) -> None:
        self.id = assembly.id
        self.part_size = plan.part_size
        self.offset = self._position = assembly.offset
        self._assembly = assembly
        self._plan = plan
        self._pool = pool
        self._filling: PartPipe | None = None
        self._sending: set[PartPipe] = set()
        self._slots = threading.Semaphore(PARTS_AT_ONCE)
        self._senders = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3-part")
        self._failure: BaseException | None = None
        self._is_over = False

    def write(self, block: bytes | bytearray | memoryview) -> None:
        view = memoryview(block).cast("B")
        while view and self._position < self._plan.size:
            self._raise_failure()
            self._filling = self._filling or self._next_part()
            taken = self._filling.feed(view)
            if self._filling.is_full:
                self._filling = None
            self._position += taken
            view = view[taken:]
        # What comes beyond the size is counted only: such an object is not committed.
        self._position += len(view)

    def _next_part(self) -> PartPipe:
        self._slots.acquire()
        number = self._position // self.part_size + 1
        pipe = PartPipe(self._pool, self._plan.length(number))
        self._sending.add(pipe)
        self._senders.submit(self._send, number, pipe)
        return pipe

    def _send(self, number: int, pipe: PartPipe) -> None:
        try:
            self._stream(number, pipe)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            pipe.close()
            self._sending.discard(pipe)
            self._slots.release()

    def _stream(self, number: int, pipe: PartPipe) -> None:
        assembly = self._assembly
        # Closed at once: an error keeps what it has passed through, and the last block with it.
        with closing(pipe.blocks()) as blocks:
            algorithm = assembly.bucket.abilities().checksum
            bytes_ = _PartBytes(blocks, pipe.size, algorithm, partial(assembly.verify, number))
            answer = self._put(assembly.target(number), bytes_, pipe.size)
        assembly.note(number, pipe.size, answer, bytes_.xxh3(), bytes_.checksum())

    def _put(self, target: Target, bytes_: _PartBytes, size: int) -> Answer:
        abilities, wire = self._assembly.bucket.abilities(), self._assembly.bucket.wire
        if abilities.checksum and abilities.trailers:
            return wire.stream(target, bytes_, size, Trailer(abilities.checksum, bytes_.checksum))
        if abilities.checksum and size <= HELD_PART:
            held = bytearray()
            for block in bytes_:
                held += block
            checked = {abilities.checksum.header: bytes_.checksum()}
            return wire.put(replace(target, headers=checked), held, None, tries=1)
        return wire.stream(target, bytes_, size, None)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def parts(self) -> Sequence[Part]:
        return self._assembly.parts()

    def commit(self) -> None:
        require_size(self._plan.size, self._position)
        self._senders.shutdown()
        self._raise_failure()
        self._assembly.complete(self._position)
        self._is_over = True

    def abort(self) -> None:
        if not self._is_over:
            for pipe in self._sending.copy():
                pipe.cut()
            self.leave()
            self._assembly.end()

    def leave(self) -> None:
        """Parts that have all their bytes still arrive."""
        if not self._is_over:
            self._is_over = True
            if self._filling is not None:
                self._filling.cut()
            self._senders.shutdown()


class _PartBytes:
    """The bytes of a part as they go out, and what is computed of them on the way. Before the last of them goes,
    raises `SourceChanged` where the part was another when it was first written."""

    def __init__(
        self,
        blocks: Iterator[memoryview],
        size: int,
        algorithm: Checksum | None,
        verify: Callable[[str], None],
    ) -> None:
        self._blocks = blocks
        self._left = size
        self._algorithm = algorithm
        self._verify = verify
        self._hash = xxhash.xxh3_128()
        self._value = 0

    def __iter__(self) -> Iterator[memoryview]:
        for block in self._blocks:
            self._left -= len(block)
            self._hash.update(block)
            if self._algorithm:
                self._value = self._algorithm.update(block, self._value)
            if not self._left:
                self._verify(self.xxh3())
            yield block

    def xxh3(self) -> str:
        """Hexadecimal, of what has gone out."""
        return self._hash.hexdigest()

    def checksum(self) -> str:
        """As S3 writes it, of what has gone out; `""` without an algorithm."""
        return self._algorithm.encoded(self._value) if self._algorithm else ""


def multipart_etag(parts: Sequence[Part] | Sequence[SeenPart]) -> str | None:
    """The ETag that the object of these parts gets where ETags are MD5 digests (user guide, "Checking object
    integrity"); None where they are not."""
    if not all(_MD5.fullmatch(part.etag) for part in parts):
        return None
    return f"{md5_of_parts(bytes.fromhex(part.etag) for part in parts)}-{len(parts)}"


def _told(part: Part, algorithm: Checksum | None) -> dict[str, object]:
    told = {"PartNumber": part.number, "ETag": part.etag}
    return {**told, algorithm.parameter: part.checksum} if algorithm and part.checksum else told


def require_size(expected: int, came: int) -> None:
    """Raises `Rejected` where other than the expected number of bytes came."""
    if came != expected:
        raise Rejected(f"{expected:,} bytes were to come, and {came:,} came")
