"""Sessions of the accounts, and the files that hand their credentials to others."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

OWN_ACCOUNT = "123456789012"
HOME_REGION = "us-east-1"

_CONFIG = Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"})


class Keys(NamedTuple):
    """An access key."""

    key_id: str
    secret: str


class Accounts:
    """The accounts of the emulator whose state folder is `state`."""

    def __init__(self, state: Path) -> None:
        self.state = state
        # One session for all: it keeps the service models it has read, which takes longer than all calls together.
        self._session = boto3.Session(region_name=HOME_REGION)
        self._clients: dict[tuple[Keys, str, str], Any] = {}

    @cached_property
    def _emulator(self) -> dict[str, str]:
        path = self.state / "emulator.json"
        if not path.exists():
            raise SystemExit(f"{path} is not there: start the emulator with --state {self.state} first")
        return json.loads(path.read_text())

    @property
    def endpoint(self) -> str:
        """Where the emulator listens."""
        return self._emulator["endpoint"]

    def root(self, account: str) -> Keys:
        """The account's root user, who may do everything; only seeding is root."""
        return Keys(f"AKIAROOT{account}", self._emulator["rootSecret"])

    def customer(self, name: str) -> Keys:
        """The administrator of a customer made before."""
        path = self.state / "customers" / f"{name}.env"
        if not path.exists():
            raise SystemExit(f"there is no customer {name}: seed customer {name} first")
        lines = dict(line.split("=", 1) for line in path.read_text().splitlines())
        return Keys(lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"])

    def client(self, keys: Keys, service: str, region: str = HOME_REGION) -> Any:
        """A client of one service in one region."""
        wanted = (keys, service, region)
        if wanted not in self._clients:
            self._clients[wanted] = self._session.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                aws_access_key_id=keys.key_id,
                aws_secret_access_key=keys.secret,
                config=_CONFIG,
            )
        return self._clients[wanted]

    def make_user(self, account: str, name: str, policy: dict[str, Any], env: Path) -> None:
        """An IAM user with one inline policy, whose access key goes into the file `env`."""
        iam = self.client(self.root(account), "iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        env.parent.mkdir(parents=True, exist_ok=True)
        env.touch(mode=0o600)
        env.write_text(
            f"AWS_ACCESS_KEY_ID={key['AccessKeyId']}\n"
            f"AWS_SECRET_ACCESS_KEY={key['SecretAccessKey']}\n"
            f"AWS_ENDPOINT_URL={self.endpoint}\n"
            f"AWS_REGION={HOME_REGION}\n"
            f"AWS_DEFAULT_REGION={HOME_REGION}\n"
            f"AWS_ACCOUNT_ID={account}\n"
        )


def allow(*statements: tuple[list[str], str | list[str]]) -> dict[str, Any]:
    """A policy that allows actions on resources."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": resources} for actions, resources in statements
        ],
    }


ADMINISTRATOR = allow((["*"], "*"))
