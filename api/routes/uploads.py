"""Routes that take a file in."""

from fastapi import APIRouter, Request, Response

from api.accept import Accepted, Head, accept_form, accept_raw
from api.context import Context, Given
from api.idempotency import HEADER, REPLAYED, parse_key
from api.openapi import UPLOAD_PROBLEMS, accepted_response, form_body, problems, raw_body
from api.schemas import TaskBody
from api.views import links, task_body

router = APIRouter(tags=["uploads"])
RAW = "Send a file as the body"


@router.post(
    "/tasks/upload",
    status_code=202,
    operation_id="uploadForm",
    summary="Send a file in a form",
    responses={202: accepted_response(), **problems(*UPLOAD_PROBLEMS)},
    openapi_extra=form_body(),
)
async def upload_form(request: Request, response: Response, given: Given) -> TaskBody:
    """`curl -F file=@interview.mp3 -F language=en http://127.0.0.1:8000/api/v1/tasks/upload`"""
    head = _head(request)
    async with given.backlog.place(), given.lanes.parts(request.stream()) as body:
        return _accepted(await accept_form(given, body, head), response)


@router.post(
    "/tasks",
    status_code=202,
    operation_id="uploadFile",
    summary=RAW,
    responses={202: accepted_response(), **problems(*UPLOAD_PROBLEMS)},
    openapi_extra=raw_body(),
)
@router.put(
    "/tasks",
    status_code=202,
    operation_id="putFile",
    summary=RAW,
    responses={202: accepted_response(), **problems(*UPLOAD_PROBLEMS)},
    openapi_extra=raw_body(),
)
@router.post("/tasks/", status_code=202, include_in_schema=False)
@router.put("/tasks/", status_code=202, include_in_schema=False)
async def upload_file(request: Request, response: Response, given: Given) -> TaskBody:
    """`curl -T interview.mp3 'http://127.0.0.1:8000/api/v1/tasks?language=en&filename=interview.mp3'`"""
    return _accepted(await _take(request, given, None), response)


@router.put(
    "/tasks/{name}",
    status_code=202,
    operation_id="putNamedFile",
    summary="Send a file as the body, its name in the path",
    responses={202: accepted_response(), **problems(*UPLOAD_PROBLEMS)},
    openapi_extra=raw_body(),
)
async def upload_named(name: str, request: Request, response: Response, given: Given) -> TaskBody:
    """`curl -T interview.mp3 http://127.0.0.1:8000/api/v1/tasks/` (curl adds the file's name to such an address)"""
    return _accepted(await _take(request, given, name), response)


async def _take(request: Request, given: Context, name: str | None) -> Accepted:
    pairs = request.query_params.multi_items()
    head = _head(request)
    async with given.backlog.place(), given.lanes.parts(request.stream()) as body:
        return await accept_raw(given, body, head, pairs, name)


def _head(request: Request) -> Head:
    return Head(
        content_type=request.headers.get("content-type"),
        length=request.headers.get("content-length"),
        key=parse_key(request.headers.getlist(HEADER)),
    )


def _accepted(accepted: Accepted, response: Response) -> TaskBody:
    response.headers["Location"] = links(accepted.task.id).self
    if accepted.replayed:
        response.headers[REPLAYED] = "true"
    return task_body(accepted.task)
