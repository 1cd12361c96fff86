"""The application. It opens nothing: whoever composes the process hands it what is open."""

from fastapi import Depends, FastAPI

from api import errors, openapi, reference_page
from api.availability import Availability
from api.backlog import Backlog
from api.bodies import BodyGuard, Patience
from api.context import Context, Ready, database_there
from api.fields import few_fields
from api.lanes import Lanes
from api.one_look import OneLook
from api.request_log import RequestLog
from api.routes import health, results, tasks, uploads
from api.shared_reads import SharedReads
from api.views import PREFIX
from core.config import Settings
from core.engines.registry import model_store
from core.flow.credits import Credits
from core.flow.resources import Resources

VERSION = "1"


def create_app(
    settings: Settings,
    resources: Resources,
    *,
    ready: Ready | None = None,
    credit: Credits | None = None,
    patience: Patience | None = None,
) -> FastAPI:
    """The API on open resources.

    ``ready``: further checks for ``/readyz``, name to ``ok`` or a sentence. ``credit``: the worker's own where it runs
    in the same process. ``patience``: how long slow clients are waited for.
    """
    app = FastAPI(
        title="Parascribe",
        version=VERSION,
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = Context(
        settings=settings,
        resources=resources,
        credit=credit or Credits(resources),
        models=model_store(settings),
        ready=ready,
        availability=Availability(lambda: resources.tasks.get("availability")),
        backlog=Backlog(lambda: resources.tasks.waiting(limit=settings.max_queued_tasks), settings.max_queued_tasks),
        lanes=Lanes(),
        reads=SharedReads(resources.tasks.get),
        storage=OneLook(),
    )
    for module in (uploads, tasks, results):
        app.include_router(module.router, prefix=PREFIX, dependencies=[Depends(few_fields), Depends(database_there)])
    app.include_router(health.router)
    app.add_middleware(BodyGuard, patience=patience)
    app.add_middleware(RequestLog)  # added last, so outermost
    errors.install(app)
    openapi.install(app)
    reference_page.install(app)
    return app
