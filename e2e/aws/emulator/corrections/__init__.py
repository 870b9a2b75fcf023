"""Where moto answers differently from AWS: methods of moto's classes, replaced when this package is imported."""

from emulator.corrections import cloudtrail, ebs, ec2, s3, sts

__all__ = ["cloudtrail", "ebs", "ec2", "s3", "sts"]
