"""Buckets on a local S3 server."""

from __future__ import annotations

from contextlib import closing, suppress

import botocore.session


def make_bucket(endpoint: str, name: str, access_key: str, secret_key: str) -> str:
    """Make a bucket unless it is there; answers its URL, as `HEADRACE_STORE` wants it."""
    client = botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )
    already_there = client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou
    with closing(client), suppress(*already_there):
        client.create_bucket(Bucket=name)
    return f"s3://{name}"
