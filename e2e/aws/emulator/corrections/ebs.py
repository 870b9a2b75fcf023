"""EBS direct API: blocks of 512 KiB, pages, checked tokens and checksums, errors for missing snapshots."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ebs.models import EBSBackend, EBSSnapshot
from moto.ebs.responses import EBSResponse

from emulator.corrections.replacing import replaces
from emulator.errors import AwsError

BLOCK_SIZE = 512 * 1024
# AWS's own limits; a page of ListSnapshotBlocks holds at least 100 blocks there.
_DEFAULT_PAGE, _LARGEST_PAGE = 10_000, 10_000
_TOKENS_LAST = timedelta(days=7)

_init = EBSSnapshot.__init__


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


@replaces(EBSSnapshot, "__init__")
def init_pending(self: EBSSnapshot, account_id: str, snapshot: Any) -> None:
    _init(self, account_id, snapshot)
    self.block_size = BLOCK_SIZE
    self.ec2_snapshot = snapshot
    snapshot.status = "pending"


def _snapshot(backend: EBSBackend, snapshot_id: str) -> EBSSnapshot:
    if snapshot_id in backend.snapshots:
        return backend.snapshots[snapshot_id]
    raise AwsError("ResourceNotFoundException", f"The snapshot '{snapshot_id}' does not exist.", 404)


def _completed(backend: EBSBackend, snapshot_id: str) -> EBSSnapshot:
    snapshot = _snapshot(backend, snapshot_id)
    if snapshot.status != "completed":
        raise _invalid(f"The snapshot '{snapshot_id}' is not completed.")
    return snapshot


def _checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


@replaces(EBSBackend)
def complete_snapshot(self: EBSBackend, snapshot_id: str) -> str:
    snapshot = _snapshot(self, snapshot_id)
    snapshot.status = snapshot.ec2_snapshot.status = "completed"
    return "completed"


@replaces(EBSBackend)
def put_snapshot_block(
    self: EBSBackend,
    snapshot_id: str,
    block_index: int,
    block_data: bytes,
    checksum: str | None,
    checksum_algorithm: str | None,
    data_length: int | None,
) -> tuple[str | None, str | None]:
    snapshot = _snapshot(self, snapshot_id)
    if snapshot.status != "pending":
        raise _invalid(f"The snapshot '{snapshot_id}' is not pending.")
    if len(block_data) != BLOCK_SIZE:
        raise _invalid(f"The block data is {len(block_data)} bytes, not {BLOCK_SIZE}.")
    if checksum != _checksum(block_data):
        raise _invalid("The checksum does not match the block data.")
    snapshot.put_block(block_index, block_data, checksum, checksum_algorithm, data_length)
    return checksum, checksum_algorithm


@replaces(EBSResponse)
def list_snapshot_blocks(self: EBSResponse) -> ActionResult:
    snapshot = _completed(self.ebs_backend, self._get_param("SnapshotId"))
    size = min(self._get_int_param("MaxResults", _DEFAULT_PAGE), _LARGEST_PAGE)
    first = int(self._get_param("NextToken") or self._get_int_param("StartingBlockIndex", 0))
    indexes = sorted(index for index in snapshot.blocks if index >= first)
    page, rest = indexes[:size], indexes[size:]
    return ActionResult(
        {
            "Blocks": [{"BlockIndex": index, "BlockToken": snapshot.blocks[index].block_token} for index in page],
            "ExpiryTime": datetime.now(UTC) + _TOKENS_LAST,
            "VolumeSize": snapshot.volume_size,
            "BlockSize": BLOCK_SIZE,
            "NextToken": str(rest[0]) if rest else None,
        }
    )


@replaces(EBSResponse)
def get_snapshot_block(self: EBSResponse) -> ActionResult:
    snapshot = _completed(self.ebs_backend, self._get_param("SnapshotId"))
    block = snapshot.blocks.get(self._get_int_param("BlockIndex"))
    if block is None or block.block_token != self._get_param("BlockToken"):
        raise _invalid("The block token is not valid for this block.")
    return ActionResult(
        {
            "DataLength": BLOCK_SIZE,
            "BlockData": block.block_data,
            "Checksum": block.checksum,
            "ChecksumAlgorithm": "SHA256",
        }
    )
