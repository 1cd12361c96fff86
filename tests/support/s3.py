"""An S3 server of its own for a test run, and what only its own interface shows: uploads that nobody completed."""

import asyncio
import contextlib
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from core.config import Settings
from tests.support.secantus import free_port

PROGRAM = Path(__file__).parents[2] / ".venv" / "s3" / "bin" / "moto_server"
KEY, SECRET = "a-key", "a-secret"
SCOPE = "20260101/us-east-1/{service}/aws4_request"
NAMES_ITS_KEY = f"AWS4-HMAC-SHA256 Credential={KEY}/{SCOPE}, SignedHeaders=host, Signature=0"


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running one."""

    url: str
    process: "subprocess.Popen[bytes]"

    def settings(self, bucket: str, folder: str = "", **others: object) -> Settings:
        """Settings that name a folder of a bucket of it."""
        return Settings(
            _env_file=None,
            storage_url=f"s3://{bucket}/{folder}",
            **{"aws_endpoint_url": self.url, "aws_access_key_id": KEY, "aws_secret_access_key": SECRET, **others},
        )

    def make_bucket(self) -> str:
        """A fresh one."""
        name = f"bucket-{uuid4().hex[:12]}"
        assert self.ask("PUT", f"/{name}").status_code == 200
        return name

    def keys(self, bucket: str) -> list[str]:
        """All objects, folders included."""
        return re.findall(r"<Key>(.*?)</Key>", self.ask("GET", f"/{bucket}?list-type=2").text)

    def uploads(self, bucket: str) -> list[str]:
        """Keys of multipart uploads that were neither completed nor aborted."""
        return re.findall(r"<Key>(.*?)</Key>", self.ask("GET", f"/{bucket}?uploads=").text)

    def demand_keys(self) -> tuple[str, str]:
        """From now on a request needs the key and the secret that this returns."""
        self._manage(Action="CreateUser", UserName="user")
        self._manage(
            Action="PutUserPolicy",
            UserName="user",
            PolicyName="all",
            PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}',
        )
        made = self._manage(Action="CreateAccessKey", UserName="user").text
        (key,), (secret,) = (
            re.findall(rf"<{name}>(.*?)</{name}>", made) for name in ("AccessKeyId", "SecretAccessKey")
        )
        assert httpx.post(f"{self.url}/moto-api/reset-auth", content=b"0", trust_env=False).status_code == 200
        return key, secret

    def ask(self, method: str, path: str) -> httpx.Response:
        """A plain request."""
        headers = {"Authorization": NAMES_ITS_KEY.format(service="s3")}
        return httpx.request(method, f"{self.url}{path}", headers=headers, trust_env=False)

    def _manage(self, **form: str) -> httpx.Response:
        headers = {"Authorization": NAMES_ITS_KEY.format(service="iam")}
        answer = httpx.post(f"{self.url}/", data={"Version": "2010-05-08", **form}, headers=headers, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer


@contextlib.contextmanager
def running_s3() -> Iterator[S3Server]:
    """Start it on loopback, wait until it answers, and end it afterwards. Skips the test where it is not installed."""
    if not PROGRAM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{PROGRAM} is missing: run `make test`, which installs it")
        pytest.skip("no S3 server here: `make test` installs one")
    port = free_port()
    # Keys are not looked at until a test demands them.
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "1000000"}
    command = [PROGRAM, "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/moto-api/data.json")
        yield S3Server(url=f"http://127.0.0.1:{port}", process=process)
    finally:
        process.kill()
        process.wait()


@contextlib.asynccontextmanager
async def answering(answer: Callable[[str], Awaitable[tuple[str, bytes]]]) -> AsyncIterator[str]:
    """The address of a server that gives for each request line a status and a body, and an ETag with every answer."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        status, body = await answer(head.partition("\r\n")[0])
        fields = f"ETag: 1\r\nContent-Length: {len(body)}\r\nConnection: close"
        writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _wait(url: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.05)
        else:
            return
