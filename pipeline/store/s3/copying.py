"""Copies that the server makes: no byte comes through here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pipeline.errors import Conflict, Unavailable
from pipeline.store.s3.bucket import Bucket
from pipeline.store.s3.open_uploads import begin_upload, end_upload
from pipeline.store.s3.refusals import translated
from pipeline.store.s3.uploads import PARTS_AT_ONCE
from pipeline.store.transfer import MIB, PartPlan, plan_parts

_LEAST_PART = 512 * MIB


def copy(bucket: Bucket, source: str, target: str, *, in_parts_from: int) -> None:
    """Copy an object; from `in_parts_from` bytes on in parts, for CopyObject takes 5 GiB at most. The target appears
    whole. Raises `Missing` where the source is."""
    with _unchanged(source), translated(f"copy {source}"):
        found = bucket.client.head_object(Bucket=bucket.name, Key=source)
        origin = {
            "Bucket": bucket.name,
            "Key": target,
            "CopySource": {"Bucket": bucket.name, "Key": source},
            "CopySourceIfMatch": found["ETag"],
        }
        if found["ContentLength"] < in_parts_from:
            bucket.client.copy_object(**origin)
            return
        plan = plan_parts(found["ContentLength"], least=min(_LEAST_PART, in_parts_from))
        _copy_in_parts(bucket, origin, plan)
        size = bucket.client.head_object(Bucket=bucket.name, Key=target)["ContentLength"]
    if size != found["ContentLength"]:
        raise Unavailable(f"S3 has {size:,} bytes under {target}, copied from {found['ContentLength']:,}")


@contextmanager
def _unchanged(source: str) -> Iterator[None]:
    try:
        yield
    except Conflict:
        raise Unavailable(f"{source} changed while S3 copied it") from None


def _copy_in_parts(bucket: Bucket, origin: dict[str, Any], plan: PartPlan) -> None:
    target = {"Bucket": bucket.name, "Key": origin["Key"]}
    upload_id = begin_upload(bucket, origin["Key"])

    def copy_part(number: int) -> dict[str, Any]:
        start = (number - 1) * plan.part_size
        answer = bucket.client.upload_part_copy(
            **origin,
            UploadId=upload_id,
            PartNumber=number,
            CopySourceRange=f"bytes={start}-{start + plan.length(number) - 1}",
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    try:
        with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3-copy") as pool:
            parts = list(pool.map(copy_part, range(1, plan.count + 1)))
        bucket.client.complete_multipart_upload(
            **target, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
    except BaseException:
        end_upload(bucket, origin["Key"], upload_id)
        raise
