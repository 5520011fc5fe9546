"""Multipart uploads of a bucket as long as they are open: begun, listed, ended. Of each name one is open at most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.errors import Conflict
from pipeline.store.s3.bucket import Bucket
from pipeline.store.s3.refusals import translated


def begin_upload(bucket: Bucket, name: str, **kind: str) -> str:
    """The id of a new upload under the name. All others under it are ended: whoever writes one will fail to complete
    it. `kind` are further parameters of CreateMultipartUpload."""
    _end_all(bucket, name)
    with translated(f"begin {name}"):
        begun = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=name, **kind)
    upload_id: str = begun["UploadId"]
    if begun["ResponseMetadata"]["RetryAttempts"]:
        # S3 may have begun one before, and its answer may have been lost: nobody else would ever know of it.
        _end_all(bucket, name, but=upload_id)
    return upload_id


def listed_uploads(bucket: Bucket, prefix: str) -> Iterator[dict[str, Any]]:
    """`Key` (the whole name), `UploadId` and `Initiated` of each whose name begins so."""
    for page in bucket.pages("list_multipart_uploads", Prefix=prefix):
        yield from page.get("Uploads", ())


def end_upload(bucket: Bucket, name: str, upload_id: str) -> None:
    """Abort an upload; idempotent."""
    try:
        with translated(f"end the upload of {name}"):
            bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=name, UploadId=upload_id)
    except Conflict:
        pass  # it has been ended


def _end_all(bucket: Bucket, name: str, *, but: str = "") -> None:
    for found in listed_uploads(bucket, name):
        if found["Key"] == name and found["UploadId"] != but:
            end_upload(bucket, name, found["UploadId"])
