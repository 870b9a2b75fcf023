"""requestParameters of a record: each EC2 call has a shape of its own in CloudTrail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.call import Call


def request_parameters(call: Call) -> dict[str, Any] | None:
    """The request's parameters, as CloudTrail records them."""
    asked = dict(call.parameters)
    shape = _SHAPES.get(call.operation) if call.service == "ec2" else None
    return shape(asked) if shape else _camel_case(asked) or None


def _instances(asked: Mapping[str, Any]) -> dict[str, Any]:
    """StartInstances, StopInstances, TerminateInstances, RebootInstances."""
    instances = [{"instanceId": each} for each in asked.get("InstanceIds", [])]
    return {"instancesSet": {"items": instances}} | ({"force": asked["Force"]} if "Force" in asked else {})


def _run_instances(asked: dict[str, Any]) -> dict[str, Any]:
    image = {"imageId": asked.get("ImageId"), "minCount": asked.get("MinCount"), "maxCount": asked.get("MaxCount")}
    shown: dict[str, Any] = {
        "instancesSet": {"items": [{name: value for name, value in image.items() if value is not None}]},
        "blockDeviceMapping": {},
        "monitoring": {"enabled": asked.get("Monitoring", {}).get("Enabled", False)},
        "disableApiTermination": asked.get("DisableApiTermination", False),
        "disableApiStop": asked.get("DisableApiStop", False),
    }
    for name in ("InstanceType", "SubnetId", "ClientToken", "EbsOptimized"):
        if name in asked:
            shown[name[0].lower() + name[1:]] = asked[name]
    if "UserData" in asked:
        shown["userData"] = "<sensitiveDataRemoved>"
    if "TagSpecifications" in asked:
        shown["tagSpecificationSet"] = {
            "items": [
                {"resourceType": each.get("ResourceType"), "tags": _camel_case(each.get("Tags", []))}
                for each in asked["TagSpecifications"]
            ]
        }
    return shown


def _tags(asked: Mapping[str, Any]) -> dict[str, Any]:
    """CreateTags and DeleteTags."""
    return {
        "resourcesSet": {"items": [{"resourceId": each} for each in asked.get("Resources", [])]},
        "tagSet": {"items": _camel_case(asked.get("Tags", []))},
    }


_SHAPES = {
    "CreateTags": _tags,
    "DeleteTags": _tags,
    "RebootInstances": _instances,
    "RunInstances": _run_instances,
    "StartInstances": _instances,
    "StopInstances": _instances,
    "TerminateInstances": _instances,
}


def _camel_case(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name[:1].lower() + name[1:]: _camel_case(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_camel_case(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
