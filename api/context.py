"""What the handlers work on; built once by ``create_app``."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

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
    ready: Ready | None


def _context(request: Request) -> Context:
    return cast("Context", request.app.state.context)


Given = Annotated[Context, Depends(_context)]
