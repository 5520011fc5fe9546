"""The S3 servers of the tests: two real ones."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from pipeline.settings import StoreLocation


def test_each_test_has_a_place_of_its_own_on_s3(s3_location: StoreLocation, s3_keys: tuple[str, str]) -> None:
    """It is in a bucket that is there, and nothing is in it."""
    bucket, prefix = s3_location.url.removeprefix("s3://").split("/")
    with closing(_client(s3_location, s3_keys)) as client:
        assert client.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] == 0
    assert (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]) == s3_keys


def test_the_servers_want_their_keys(s3_location: StoreLocation) -> None:
    """Others are refused, so that a test of wrong keys means something."""
    with closing(_client(s3_location, ("headrace-tests", "wrong"))) as client, pytest.raises(ClientError):
        client.list_objects_v2(Bucket="tests")


def _client(location: StoreLocation, keys: tuple[str, str]) -> Any:
    return botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=location.s3_endpoint,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
    )
