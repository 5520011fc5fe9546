"""Objects whose parts come in any order: straight from whoever has a signed URL, or through this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from urllib.parse import urlencode

from pipeline.errors import HeadraceError, Missing, Rejected, Unavailable
from pipeline.store.s3.bucket import Bucket
from pipeline.store.s3.refusals import translated
from pipeline.store.s3.uploads import multipart_etag
from pipeline.store.s3.wire import Target
from pipeline.store.transfer import PartPlan, SeenPart, exactly, require_parts


class LooseParts:
    """The parts of the upload `id` of an object. Its bytes are verified by whoever reads the object, not on arrival."""

    def __init__(self, bucket: Bucket, name: str, upload_id: str, plan: PartPlan) -> None:
        self.id = upload_id
        self._bucket = bucket
        self._name = name
        self._plan = plan

    def url(self, number: int, lifetime: timedelta) -> str:
        return self._bucket.wire.signed_url(self._target(number), self._plan.length(number), lifetime)

    def write(self, number: int, blocks: Iterable[bytes]) -> None:
        length = self._plan.length(number)
        self._bucket.wire.stream(self._target(number), map(memoryview, exactly(blocks, length)), length, None)

    def _target(self, number: int) -> Target:
        return Target(self._name, urlencode({"partNumber": number, "uploadId": self.id}))

    def commit(self) -> str:
        """The answer may get lost: what counts is what the bucket has under the name then."""
        failure: HeadraceError | None = None
        sent: str | None = None
        try:
            seen = list(seen_parts(self._bucket, self._name, self.id))
            require_parts(self._plan, {one.number: one.size for one in seen})
            sent = multipart_etag(seen)
            self._complete(seen)
        except Rejected:
            raise
        except HeadraceError as error:
            failure = error
        found = self._appeared()
        if found is None:
            raise failure or Unavailable(f"S3 has something else under {self._name} than was sent")
        return self._md5_of_parts(sent or found)

    def _complete(self, seen: Iterable[SeenPart]) -> None:
        parts = [{"PartNumber": one.number, "ETag": one.etag} for one in seen]
        with translated(f"complete {self._name}"):
            self._bucket.client.complete_multipart_upload(
                Bucket=self._bucket.name,
                Key=self._name,
                UploadId=self.id,
                MultipartUpload={"Parts": parts},
            )

    def _appeared(self) -> str | None:
        """The object's ETag; None where there is none of its size."""
        try:
            with translated(f"look at {self._name}"):
                found = self._bucket.client.head_object(Bucket=self._bucket.name, Key=self._name)
        except Missing:
            return None
        etag: str = found["ETag"].strip('"')
        return etag if found["ContentLength"] == self._plan.size else None

    def _md5_of_parts(self, etag: str) -> str:
        digest, _, count = etag.partition("-")
        is_known = self._bucket.abilities().md5_etags and count == str(self._plan.count)
        return digest if is_known else ""


def seen_parts(bucket: Bucket, name: str, upload_id: str) -> Iterator[SeenPart]:
    """Raises `Conflict` where the upload is over."""
    for page in bucket.pages("list_parts", Key=name, UploadId=upload_id):
        for part in page.get("Parts", ()):
            yield SeenPart(part["PartNumber"], part["Size"], part["ETag"].strip('"'))
