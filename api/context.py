"""What the handlers work on; built once by ``create_app``."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request

from api.availability import REQUEST_SECONDS, Availability
from api.backlog import Backlog
from api.lanes import Lanes
from api.one_look import OneLook
from api.shared_reads import SharedReads
from core.adapters.mongo.client import patience
from core.config import Settings
from core.engines.models import ModelStore
from core.flow.credits import Credits
from core.flow.resources import Resources

Ready = Callable[[], Awaitable[dict[str, str]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Settings, resources and what else a request needs."""

    settings: Settings
    resources: Resources
    credit: Credits
    models: ModelStore
    availability: Availability
    backlog: Backlog
    lanes: Lanes
    reads: SharedReads
    storage: OneLook
    ready: Ready | None


def context_of(app: FastAPI) -> Context:
    """What the handlers of this application work on."""
    return cast("Context", app.state.context)


async def _context(request: Request) -> Context:  # not async, FastAPI would change threads for it
    return context_of(request.app)


Given = Annotated[Context, Depends(_context)]


async def database_there(given: Given) -> AsyncIterator[None]:
    """For every route that needs the database: refused at once while it is away, and never kept waiting for long."""
    given.availability.check()
    with patience(REQUEST_SECONDS):
        yield
