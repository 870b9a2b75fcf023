"""Presigned URLs, S3 notifications, and the EBS direct API."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from conftest import Emulator, snapshot_of
from seeding.own import QUEUE, RESULTS_BUCKET, TRAIL_BUCKET

BLOCK = 512 * 1024
KEY = "InspectionResults/uid/1.json"


def put(url: str, body: bytes) -> int:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def presigned(emulator: Emulator, key: str = KEY, seconds: int = 60) -> str:
    s3 = emulator.client("own", "s3")
    return s3.generate_presigned_url("put_object", {"Bucket": RESULTS_BUCKET, "Key": key}, seconds)


def test_a_presigned_put_writes_its_one_object(emulator: Emulator) -> None:
    assert put(presigned(emulator), b'{"cloud": "aws"}') == 200
    read = emulator.client("own", "s3").get_object(Bucket=RESULTS_BUCKET, Key=KEY)
    assert json.load(read["Body"]) == {"cloud": "aws"}


def test_a_presigned_url_is_good_for_nothing_else(emulator: Emulator) -> None:
    url = presigned(emulator)
    assert put(url.replace("uid/1.json", "uid/2.json"), b"") == 403
    assert put(url[:-1] + ("0" if url[-1] != "0" else "1"), b"") == 403
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url, timeout=10)
    assert put(presigned(emulator, "elsewhere.json"), b"") == 403, "the signer may not write there"


def test_a_presigned_url_ends(emulator: Emulator) -> None:
    url = presigned(emulator, seconds=1)
    deadline = time.monotonic() + 10
    while put(url, b"") == 200:
        assert time.monotonic() < deadline
    assert put(url, b"") == 403


def test_only_log_files_are_told_to_the_queue(emulator: Emulator) -> None:
    s3, sqs = emulator.client("admin", "s3"), emulator.client("admin", "sqs")
    queue = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for key in ("other/x.json.gz", "AWSLogs/x.txt", "AWSLogs/x.json.gz"):
        s3.put_object(Bucket=TRAIL_BUCKET, Key=key, Body=b"x")
    told = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            told += [each["s3"]["object"]["key"] for each in json.loads(message["Body"]).get("Records", [])]
    assert [key for key in told if "/x." in key] == ["AWSLogs/x.json.gz"]


def test_a_snapshot_has_only_the_blocks_that_were_put(emulator: Emulator) -> None:
    snapshot = snapshot_of(emulator, b"content")
    ebs = emulator.client(emulator.assume(), "ebs")
    listed = ebs.list_snapshot_blocks(SnapshotId=snapshot)
    assert (listed["BlockSize"], listed["VolumeSize"]) == (BLOCK, 1)
    [block] = listed["Blocks"]
    assert block["BlockIndex"] == 3
    read = ebs.get_snapshot_block(SnapshotId=snapshot, **block)
    data = read["BlockData"].read()
    assert data == b"content".ljust(BLOCK, b"\0")
    assert read["Checksum"] == base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_blocks_are_listed_in_pages(emulator: Emulator) -> None:
    snapshot = snapshot_of(emulator, b"x" * (120 * BLOCK))
    ebs = emulator.client(emulator.assume(), "ebs")
    first = ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=100, StartingBlockIndex=10)
    indexes = [block["BlockIndex"] for block in first["Blocks"]]
    second = ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=1000, NextToken=first["NextToken"])
    indexes += [block["BlockIndex"] for block in second["Blocks"]]
    assert indexes == list(range(10, 123))
    assert "NextToken" not in second


def test_what_is_not_there_is_not_found(emulator: Emulator) -> None:
    snapshot = snapshot_of(emulator, b"x")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        emulator.client(emulator.assume(), "ebs", "eu-west-1").list_snapshot_blocks(SnapshotId=snapshot)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        emulator.client("admin", "ebs").list_snapshot_blocks(SnapshotId=snapshot)
    with pytest.raises(ClientError, match="ValidationException"):
        emulator.client(emulator.assume(), "ebs").get_snapshot_block(
            SnapshotId=snapshot, BlockIndex=3, BlockToken="wrong"
        )
