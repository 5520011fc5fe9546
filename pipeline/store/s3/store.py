"""An `ObjectStore` below a prefix of a bucket.

What is sent goes by `wire`, everything else by botocore. Nothing is renamed on S3: what moves is copied by the server,
then deleted. Names are durable as soon as objects are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TypeVar

from pipeline.errors import Conflict, Missing
from pipeline.model import PartLedger
from pipeline.ports import OpenUpload, StoredObject, StoreTraits
from pipeline.settings import StoreLocation
from pipeline.store.s3 import reading
from pipeline.store.s3.bucket import Bucket
from pipeline.store.s3.buffers import Budget, BufferPool
from pipeline.store.s3.collected import COLLECTED_PART, LARGEST_COLLECTED, CollectedUpload
from pipeline.store.s3.copying import copy
from pipeline.store.s3.open_uploads import begin_upload, end_upload, listed_uploads
from pipeline.store.s3.parts import LooseParts, seen_parts
from pipeline.store.s3.refusals import refusal, translated
from pipeline.store.s3.uploads import Assembly, MultipartUpload, SingleUpload
from pipeline.store.s3.wire import Target
from pipeline.store.transfer import MIB, OpenPlan, PartPlan, agreed, plan_parts

Item = TypeVar("Item")

_AT_ONCE = 16
_PAGE = 1000
_TRIES = 3

# Of the whole process, however many uploads and stores there are.
_PARTS = BufferPool(64)
_SINGLES = Budget(32 * MIB)
# Beyond these, each upload has the one part that it always has: a few have more, of many each waits for none.
_COLLECTED = Budget(12 * COLLECTED_PART)


class S3Store:
    """Objects below `location.url`, `s3://bucket/prefix`. `least_part` bytes are the smallest parts, and copies of
    `copy_in_parts_from` bytes and more go in parts.

    Raises `Misconfigured` where location, environment or bucket will not do, `Unavailable` where S3 does not answer.
    """

    traits = StoreTraits(renames_trees=False, largest_unsized=LARGEST_COLLECTED)

    def __init__(
        self, location: StoreLocation, *, least_part: int = 16 * MIB, copy_in_parts_from: int = 5 << 30
    ) -> None:
        self._bucket = Bucket(location)
        self._least_part = least_part
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="s3")
        self._senders = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="s3-collected")
        self._copy_in_parts_from = copy_in_parts_from
        self._bucket.require()

    def describe(self) -> str:
        """Where it is, and how its server guards what is sent."""
        return self._bucket.describe()

    # ------------------------------------------------------------ writing

    def begin(
        self, key: str, size: int | None, resume: PartLedger | None = None, *, from_network: bool = False
    ) -> SingleUpload | MultipartUpload | CollectedUpload:
        name = self._bucket.full(key)
        if size is None or (from_network and size <= LARGEST_COLLECTED):
            return self._collected(name, size, resume)
        plan = plan_parts(size, least=self._least_part)
        if not plan.part_size:
            return SingleUpload(self._bucket, name, size, _SINGLES)
        if resume and (assembly := self._resumed(name, PartPlan(size, resume.part_size), resume)):
            return MultipartUpload(assembly, PartPlan(size, resume.part_size), _PARTS)
        return MultipartUpload(self._afresh(name), plan, _PARTS)

    def _collected(self, name: str, size: int | None, resume: PartLedger | None) -> CollectedUpload:
        goes_on = resume is not None and resume.part_size == COLLECTED_PART
        under_way = self._resumed(name, OpenPlan(COLLECTED_PART), resume) if resume and goes_on else None
        afresh = partial(self._afresh, name)
        return CollectedUpload(self._bucket, name, size, self._senders, _COLLECTED, afresh, under_way)

    def _resumed(self, name: str, plan: PartPlan | OpenPlan, ledger: PartLedger) -> Assembly | None:
        try:
            seen = list(seen_parts(self._bucket, name, ledger.upload_id))
        except Conflict:  # it was ended
            return None
        if not agreed(ledger, seen) or not plan.is_border(ledger.offset):
            return None
        return Assembly(self._bucket, name, ledger.upload_id, ledger)

    def _afresh(self, name: str) -> Assembly:
        checksum = self._bucket.abilities().checksum
        kind = {"ChecksumAlgorithm": checksum.name, "ChecksumType": "FULL_OBJECT"} if checksum else {}
        return Assembly(self._bucket, name, begin_upload(self._bucket, name, **kind))

    def begin_parts(self, key: str, plan: PartPlan) -> LooseParts:
        name = self._bucket.full(key)
        return LooseParts(self._bucket, name, begin_upload(self._bucket, name), plan)

    def open_parts(self, key: str, plan: PartPlan, upload_id: str) -> LooseParts:
        return LooseParts(self._bucket, self._bucket.full(key), upload_id, plan)

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        for found in listed_uploads(self._bucket, self._bucket.below(prefix)):
            yield OpenUpload(self._bucket.key(found["Key"]), found["UploadId"], found["Initiated"])

    def end_upload(self, upload: OpenUpload) -> None:
        end_upload(self._bucket, self._bucket.full(upload.key), upload.upload_id)

    def requests(self, size: int) -> int:
        plan = plan_parts(size, least=self._least_part)
        # In parts: other uploads of the key are looked for, one is begun, its parts are sent, it is completed, and what
        # came of it is looked at.
        return plan.count + 4 if plan.part_size else 1

    def settle(self, keys: Sequence[str]) -> None:
        pass

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        named = {self._bucket.full(key): content for key, content in objects.items()}
        checksum = self._bucket.abilities().checksum
        self._each(lambda item: self._bucket.wire.put(Target(item[0]), item[1], checksum), named.items())

    def swap_many(self, changes: Mapping[str, tuple[bytes | None, bytes]]) -> None:
        self._each(lambda item: self._swap(item[0], *item[1]), changes.items())

    def _swap(self, key: str, before: bytes | None, after: bytes) -> None:
        name = self._bucket.full(key)
        abilities = self._bucket.abilities()
        for _ in range(_TRIES):
            found, etag = self._content(name)
            if found == after:
                return
            if found != before:
                break
            condition = {"if-none-match": "*"} if before is None else {"if-match": etag}
            target = Target(name, headers=condition if abilities.conditions else {})
            # Refused, it may be done nevertheless: the answer to a first try may have been lost.
            with suppress(Conflict, Missing):
                self._bucket.wire.put(target, after, abilities.checksum)
                return
        raise Conflict(f"{key} is not what it was")

    def _content(self, name: str) -> tuple[bytes | None, str]:
        """An object and its ETag with its quotes; None where there is none."""
        try:
            with translated(f"read {name}"):
                answer = self._bucket.client.get_object(Bucket=self._bucket.name, Key=name)
                return answer["Body"].read(), answer["ETag"]
        except Missing:
            return None, ""

    # ------------------------------------------------------------ reading

    def read(
        self,
        key: str,
        offset: int = 0,
        length: int | None = None,
        *,
        fresh: bool = False,  # noqa: ARG002 - nothing is kept on this machine
    ) -> Iterator[bytes]:
        return reading.read(self._bucket, self._bucket.full(key), offset, length)

    def size(self, key: str) -> int:
        name = self._bucket.full(key)
        with translated(f"look at {name}"):
            size: int = self._bucket.client.head_object(Bucket=self._bucket.name, Key=name)["ContentLength"]
        return size

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self._bucket.full(prefix)
        return self._below(prefix)

    def _below(self, prefix: str) -> Iterator[StoredObject]:
        for page in self._bucket.pages("list_objects_v2", Prefix=self._bucket.below(prefix)):
            for found in page.get("Contents", ()):
                yield StoredObject(self._bucket.key(found["Key"]), found["Size"], found["LastModified"])

    def room(self) -> tuple[int, int] | None:
        return None

    # ------------------------------------------------------------ moving, copying, deleting

    def move_many(self, moves: Mapping[str, str]) -> None:
        is_due = list(self._pool.map(self._is_due, moves.keys(), moves.values()))
        due = [move for move, is_due_ in zip(moves.items(), is_due, strict=True) if is_due_]
        for batch in _batches(
            (key, target + key.removeprefix(source))
            for source, target in due
            for key in self._objects(source)
        ):
            self.copy_many(dict(batch))
            self._delete_objects([key for key, _ in batch])

    def _is_due(self, source: str, target: str) -> bool:
        self._bucket.full(target)
        if next(self._objects(source), None) is not None:
            return True
        if next(self._objects(target), None) is None:
            raise Missing(f"the store has no {source}")
        return False

    def copy_many(self, copies: Mapping[str, str]) -> None:
        names = [(self._bucket.full(source), self._bucket.full(target)) for source, target in copies.items()]
        self._each(lambda item: copy(self._bucket, *item, in_parts_from=self._copy_in_parts_from), names)

    def delete(self, prefix: str) -> None:
        for batch in _batches(self._objects(prefix)):
            self._delete_objects(batch)

    def _objects(self, prefix: str) -> Iterator[str]:
        """Keys of the object `prefix`, if there is one, and of all below `prefix/`."""
        with suppress(Missing):
            self.size(prefix)
            yield prefix
        for found in self.list(prefix):
            yield found.key

    def _delete_objects(self, keys: Sequence[str]) -> None:
        wanted = {"Objects": [{"Key": self._bucket.full(key)} for key in keys], "Quiet": True}
        with translated("delete objects"):
            answer = self._bucket.client.delete_objects(Bucket=self._bucket.name, Delete=wanted)
        for failed in answer.get("Errors", ()):
            raise refusal(failed.get("Code", "nothing known"), f"delete {failed.get('Key', 'an object')}")

    # ------------------------------------------------------------ all of it

    def close(self) -> None:
        self._senders.shutdown()
        self._pool.shutdown()
        self._bucket.close()

    def _each(self, action: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Several at once; when one fails, those that have not begun do not."""
        under_way = [self._pool.submit(action, item) for item in items]
        try:
            for done in under_way:
                done.result()
        finally:
            for waiting in under_way:
                waiting.cancel()
            wait(under_way)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _PAGE)):
        yield batch
