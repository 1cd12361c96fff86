"""A bucket without a key in the settings: the machine's role gives it."""

import json
from datetime import UTC, datetime, timedelta

import obstore
import pytest

from core.adapters.blobs import open_blobs
from core.config import Settings
from tests.support.s3 import answering

ROLE = "/latest/meta-data/iam/security-credentials/"
BLANK = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL_S3")


def credentials() -> bytes:
    """What the machine's metadata have of its role."""
    until = datetime.now(UTC) + timedelta(hours=1)
    key = {"AccessKeyId": "role-key", "SecretAccessKey": "role-secret", "Token": "role-token"}
    return json.dumps({**key, "Expiration": until.isoformat()}).encode()


@pytest.fixture
async def asked(monkeypatch):
    """What the machine's metadata are asked for."""
    requests = []

    async def answer(request):
        _, path, _ = request.split()
        requests.append(path)
        return "200 OK", {"/latest/api/token": b"a-token", ROLE: b"worker"}.get(path) or credentials()

    async with answering(answer) as address:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", address)
        yield requests


async def test_with_blank_variables_the_key_is_that_of_the_role(s3, monkeypatch, asked):
    """As a compose file passes them on: a blob comes and goes by the role's key, not by an empty one."""
    for name in BLANK:
        monkeypatch.setenv(name, "")
    where = {"storage_url": f"s3://{s3.make_bucket()}", "aws_endpoint_url": s3.url}
    blobs = await open_blobs(Settings(_env_file=None, **where))
    await blobs.put("uploads/a", b"audio")
    assert await blobs.get("uploads/a") == b"audio"
    assert asked == ["/latest/api/token", ROLE, f"{ROLE}worker"]
    assert "role-key" in await obstore.sign_async(blobs._store, "GET", "uploads/a", timedelta(minutes=1))
