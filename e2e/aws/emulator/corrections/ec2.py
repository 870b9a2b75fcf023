"""EC2: the regions of an ordinary account, images registered on the snapshot they name, and times as AWS writes them."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import InvalidAMIIdError, InvalidSnapshotIdError
from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import random_ami_id

from emulator.corrections.replacing import replaces
from emulator.errors import AwsError

ENABLED_REGIONS = {
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
}

RegionsAndZonesBackend.regions = [each for each in RegionsAndZonesBackend.regions if each.name in ENABLED_REGIONS]

_start = Instance.start
_modify_instance_attribute = InstanceBackend.modify_instance_attribute
_describe_images = AmiBackend.describe_images


@replaces(AmisResponse)
def register_image(self: AmisResponse) -> ActionResult:
    """Moto ignores the attributes of an image that is registered."""
    backend: EC2Backend = self.ec2_backend
    root_device = self._get_param("RootDeviceName", "/dev/sda1")
    mappings = self._get_param("BlockDeviceMappings", [])
    snapshot_id = next(
        (each.get("Ebs", {}).get("SnapshotId") for each in mappings if each.get("DeviceName") == root_device), None
    )
    snapshot = backend.snapshots.get(snapshot_id)
    if snapshot is None:
        raise InvalidSnapshotIdError()
    image = Ami(
        backend,
        random_ami_id(),
        name=self._get_param("Name"),
        description=self._get_param("Description", ""),
        architecture=self._get_param("Architecture", "i386"),
        virtualization_type=self._get_param("VirtualizationType", "hvm"),
        root_device_type="ebs",
        root_device_name=root_device,
        region_name=backend.region_name,
        hypervisor="xen",
        image_location=f"{backend.account_id}/{self._get_param('Name')}",
    )
    # Moto makes a snapshot for every image.
    del backend.snapshots[image.ebs_snapshot.id]
    image.ebs_snapshot = snapshot
    for specification in self._get_param("TagSpecifications", []):
        image.add_tags({tag["Key"]: tag["Value"] for tag in specification.get("Tags", [])})
    backend.amis[image.id] = image
    return ActionResult({"ImageId": image.id})


@replaces(Ami)
@property
def block_device_mappings(self: Ami) -> list[dict[str, Any]]:
    root = {
        "SnapshotId": self.ebs_snapshot.id,
        "VolumeSize": self.ebs_snapshot.volume_size,
        "DeleteOnTermination": True,
        "VolumeType": "gp3",
        "Encrypted": self.ebs_snapshot.encrypted,
    }
    return [{"DeviceName": self.root_device_name, "Ebs": root}]


@replaces(Ami)
@replaces(Instance)
@property
def platform_details(self: Ami | Instance) -> str:
    return "Windows" if self.platform == "windows" else "Linux/UNIX"


@replaces(Ami)
@replaces(Instance)
@property
def usage_operation(self: Ami | Instance) -> str:
    return "RunInstances:0002" if self.platform == "windows" else "RunInstances"


@replaces(AmiBackend)
def describe_images(self: AmiBackend, ami_ids: list[str] | None = None, **others: Any) -> list[Ami]:
    """One unknown id fails the whole call in AWS."""
    unknown = [each for each in ami_ids or [] if each not in self.amis and each not in self.deleted_amis]
    if unknown and all(each.startswith("ami-") for each in unknown):
        raise InvalidAMIIdError(unknown)
    return _describe_images(self, ami_ids=ami_ids, **others)


@replaces(Instance)
def start(self: Instance) -> Any:
    self.launch_time = utcnow()
    return _start(self)


@replaces(InstanceBackend)
def modify_instance_attribute(self: InstanceBackend, instance_id: str, key: str, value: Any) -> Instance:
    """A running machine cannot become another type."""
    instance = self.get_instance(instance_id)
    if key == "instance_type" and instance.state != "stopped":
        message = f"The instance '{instance_id}' is not in the 'stopped' state."
        raise AwsError("IncorrectInstanceState", message)
    return _modify_instance_attribute(self, instance_id, key, value)


@replaces(Instance)
@property
def state_transition_reason(self: Instance) -> str:
    return self._reason.replace(" UTC)", " GMT)")
