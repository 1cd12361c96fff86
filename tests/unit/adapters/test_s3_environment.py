"""What obstore reads by itself from the environment: there, too, an empty variable is none."""

import os
from datetime import timedelta
from urllib.parse import parse_qs, urlparse

import obstore
import pytest

from core.adapters.blobs.s3 import s3_blobs
from core.config import Settings


@pytest.fixture
def environment(monkeypatch):
    """Sets variables; none of the machine's own is left."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)

    def set_to(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_to


async def signed(**given):
    """A request to the bucket as it would be sent: its address with the key's name in it."""
    settings = Settings(_env_file=None, storage_url="s3://bucket", **given)
    blobs = s3_blobs(urlparse(settings.blobs_url), settings)
    return urlparse(await obstore.sign_async(blobs._store, "GET", "a", timedelta(minutes=1)))


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_SESSION_TOKEN"])
async def test_a_blank_variable_is_as_good_as_none(environment, name):
    """A compose file passes on what is not set as an empty one: it is no address, no region and no token."""
    environment(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", **{name: ""})
    request = await signed()
    assert request.netloc == "bucket.s3.us-east-1.amazonaws.com"
    assert parse_qs(request.query)["X-Amz-Credential"][0].startswith("key/")
    assert "X-Amz-Security-Token" not in parse_qs(request.query, keep_blank_values=True)


async def test_a_blank_line_of_a_file_is_as_good_as_none(environment, tmp_path):
    """`.env` as the example has it, uncommented."""
    names = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    (tmp_path / "env").write_text("".join(f"{name}=\n" for name in names))
    environment(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    settings = Settings(_env_file=tmp_path / "env")
    assert (settings.aws_endpoint_url, settings.aws_region) == (None, "us-east-1")
    assert (settings.aws_access_key_id, settings.aws_secret_access_key) == (None, None)


async def test_what_is_set_stays(environment):
    """Only what is empty goes, and only Amazon's."""
    environment(AWS_SESSION_TOKEN="token", AWS_PROFILE="", OTHER="")
    request = await signed(aws_access_key_id="key", aws_secret_access_key="secret")
    assert parse_qs(request.query)["X-Amz-Security-Token"] == ["token"]
    assert "AWS_PROFILE" not in os.environ
    assert os.environ["OTHER"] == ""
