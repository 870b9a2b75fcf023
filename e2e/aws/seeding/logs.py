"""Log files that have been written before, delivered as a trail delivers them."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seeding.accounts import OWN_ACCOUNT, Accounts
from seeding.own import QUEUE, TRAIL_BUCKET

# A share of the files is notified again, as SQS may do.
REPEATED = 0.3


def deliver(accounts: Accounts, folder: Path, seed: int) -> int:
    """Puts the log files of a folder into the trail bucket in a random order, with repeated notifications; returns their number."""
    root = accounts.root(OWN_ACCOUNT)
    s3, sqs = accounts.client(root, "s3"), accounts.client(root, "sqs")
    queue = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    keys = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json.gz"))
    chance = random.Random(seed)
    chance.shuffle(keys)

    def put(key: str) -> None:
        s3.put_object(Bucket=TRAIL_BUCKET, Key=key, Body=(folder / key).read_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, keys))
    # Several files in one message, in another order than they came.
    repeated = chance.sample(keys, int(len(keys) * REPEATED))
    for start in range(0, len(repeated), 3):
        records = [_record(key) for key in repeated[start : start + 3]]
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"Records": records}))
    return len(keys)


def _record(key: str) -> dict[str, object]:
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": TRAIL_BUCKET}, "object": {"key": key}}}
