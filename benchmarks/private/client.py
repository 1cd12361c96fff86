"""A client that lives with outages: it asks again until it is answered, and counts what it was told."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

Json = dict[str, Any]
POLL_SECONDS = 0.1
ENDED = frozenset({"completed", "partial", "failed", "cancelled"})


@dataclass(kw_only=True, slots=True)
class Client:
    """Speaks to any of the APIs in turn. ``answers``: how often which status (or error) came back."""

    http: httpx.AsyncClient
    bases: Sequence[str]
    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0  # seconds of the longest request
    _turn: "itertools.count[int]" = field(default_factory=itertools.count)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """One request to the next API; None where nobody answered."""
        base = self.bases[next(self._turn) % len(self.bases)]
        began = time.monotonic()
        try:
            answer = await self.http.request(method, base + path, **options)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)
        self.answers[str(answer.status_code)] += 1
        return answer

    async def get(self, path: str, seconds: float = 120.0, **options: Any) -> httpx.Response:
        """Ask until the answer is no outage: 2xx or 4xx."""
        deadline = time.monotonic() + seconds
        while True:
            answer = await self.ask("GET", path, **options)
            if answer is not None and answer.status_code < 500:
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"GET {path} was not answered within {seconds} s; last: {answer}")
            await asyncio.sleep(POLL_SECONDS)

    async def send(self, data: bytes, name: str, headers: dict[str, str] | None = None) -> httpx.Response | None:
        """One attempt to upload."""
        return await self.ask("POST", "/api/v1/tasks", content=data, params={"filename": name}, headers=headers)

    async def upload(self, data: bytes, name: str, seconds: float = 120.0, key: str | None = None) -> str:
        """Upload until it is accepted: the task's id. Without ``key`` a lost answer may leave a second task."""
        headers = {"Idempotency-Key": key} if key else None
        deadline = time.monotonic() + seconds
        while True:
            answer = await self.send(data, name, headers)
            if answer is not None and answer.status_code == 202:
                return str(answer.json()["task_id"])
            if time.monotonic() > deadline:
                raise TimeoutError(f"no 202 for {name} within {seconds} s; last: {answer and answer.text}")
            await asyncio.sleep(POLL_SECONDS)

    async def task(self, task_id: str, seconds: float = 120.0) -> Json | None:
        """The task as it stands; None where there is none."""
        answer = await self.get(f"/api/v1/tasks/{task_id}", seconds)
        return None if answer.status_code == 404 else _object(answer)

    async def every(self) -> list[Json]:
        """Every task that is listed."""
        found: list[Json] = []
        cursor: str | None = None
        while True:
            params = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = _object(await self.get("/api/v1/tasks", params=params))
            found += page["tasks"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    async def chunks(self, task_id: str) -> list[Json]:
        """Every chunk that is known."""
        found: list[Json] = _object(await self.get(f"/api/v1/tasks/{task_id}/chunks"))["chunks"]
        return found

    async def transcript(self, task_id: str) -> Json:
        """With segments; empty where there is none."""
        answer = await self.get(f"/api/v1/tasks/{task_id}/transcript", params={"format": "verbose_json"})
        return _object(answer) if answer.status_code == 200 else {"segments": []}

    async def ended(self, task_id: str, seconds: float) -> Json | None:
        """The task once it has ended, or as it stands when the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            task = await self.task(task_id)
            if task is None or task["status"] in ENDED or time.monotonic() > deadline:
                return task
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def calling(bases: Sequence[str], *, request_seconds: float = 30.0) -> AsyncIterator[Client]:
    """A client for these addresses."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    async with httpx.AsyncClient(timeout=request_seconds, trust_env=False, limits=limits) as http:
        yield Client(http=http, bases=bases)


def _object(answer: httpx.Response) -> Json:
    body: Json = answer.json()
    return body
