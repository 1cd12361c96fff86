"""The whole product with its blobs in a bucket: only the place is another."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.audio import speech, wav
from tests.support.live import serving, until
from tests.support.s3 import KEY, SECRET, running_s3


def test_a_file_goes_through_a_bucket_and_leaves_nothing_there(tmp_path: Path) -> None:
    """Accepted, cut, transcribed; nothing of it lies in the directory, and after its end nothing in the bucket."""
    with running_s3() as s3:
        bucket = s3.make_bucket()
        where = {"storage_url": f"s3://{bucket}/folder", "aws_endpoint_url": s3.url}
        key = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        with serving(tmp_path, engine="fake", keep_uploads=True, **where, **key) as service:
            task = service.transcribe(_seven_megabytes())
            assert (task["chunks_total"], task["chunks_failed"]) > (1, 0)
            assert service.text(task["task_id"])
            assert s3.keys(bucket) == [f"folder/uploads/{task['task_id']}"]
            service.http.delete(f"/api/v1/tasks/{task['task_id']}").raise_for_status()
            until(lambda: s3.keys(bucket), lambda keys: keys == [], 30)
        assert s3.uploads(bucket) == []
        assert not (tmp_path / "data" / "blobs").exists()


def test_a_bucket_that_is_not_there_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    """Not with a trace, nor with a service that fails each upload; 78 says that starting again would not help."""
    with running_s3() as s3:
        settings = {
            "STORAGE_URL": "s3://none-such",
            "AWS_ENDPOINT_URL": s3.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        command = [sys.executable, "-P", "-m", "cli.main", "serve", "--port", "0", "--data-dir", tmp_path / "data"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 78
    assert "The bucket none-such at http" in done.stderr
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr


def _seven_megabytes() -> bytes:
    """More than one part of an upload."""
    return wav(speech(220.0))
