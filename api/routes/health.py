"""Routes for whatever watches this process."""

from fastapi import APIRouter, Response

from api.context import Given
from api.health import OK, run_checks
from api.schemas import HealthBody, LiveBody

router = APIRouter(tags=["health"])


@router.get("/livez", operation_id="livez", summary="Does the process run?")
@router.head("/livez", include_in_schema=False)
async def livez() -> LiveBody:
    """Depends on nothing: if this does not answer, start the process again."""
    return LiveBody(status=OK)


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can it take requests?",
    responses={503: {"model": HealthBody, "description": "Not now; `checks` says why."}},
)
@router.head("/readyz", include_in_schema=False)
async def readyz(response: Response, given: Given) -> HealthBody:
    """The database answers, the disk has room, and what else this process needs is there."""
    checks = await run_checks(given)
    if all(result == OK for result in checks.values()):
        return HealthBody(status=OK, checks=checks)
    response.status_code = 503
    return HealthBody(status="unavailable", checks=checks)
