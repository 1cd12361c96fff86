"""The parts of the OpenAPI document that cannot be read off the handlers: streamed bodies, and every error."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from api.errors import MEDIA_TYPE
from api.options import TaskOptions
from api.schemas import Problem
from core.transcript.formats import MEDIA_TYPES

Json = dict[str, Any]

DESCRIPTION = """Long audio in, text out. Send a file, get a task at once, watch its transcript grow.

Every error is `application/problem+json` with a stable `code` and a sentence that says what to do.
Times are UTC; places in the audio are seconds from its start."""

TAGS = [
    {"name": "uploads", "description": "Send a file."},
    {"name": "tasks", "description": "See what became of it."},
    {"name": "results", "description": "Read the text, and the windows that it is made of."},
    {"name": "health", "description": "For whatever watches this process."},
]

# code -> status, and an example of the sentence
PROBLEMS: dict[str, tuple[int, str]] = {
    "invalid_multipart": (400, "The form stops before its last boundary."),
    "task_not_found": (404, "There is no task 7b0c1b5e-5d2b-4c0e-9d59-0a6a1f6c2f11."),
    "upload_too_slow": (408, "Fewer than 4096 bytes of the body came in 30 s of waiting."),
    "task_state_conflict": (409, "Task 7b0c1b5e-5d2b-4c0e-9d59-0a6a1f6c2f11 is completed: nothing is left to cancel."),
    "upload_gone": (409, "The upload of this task is gone, since it could not be read. Send the file again."),
    "task_failed": (409, "The task failed before anything was transcribed: the file holds no audio."),
    "upload_too_large": (413, "The upload has more than 2147483648 bytes, which is all that this server takes."),
    "unsupported_media": (415, "The file looks like a ZIP archive; send an audio or video file."),
    "unsupported_body_type": (415, "This route takes a multipart/form-data form with the file in its field `file`."),
    "invalid_request": (422, "The request cannot be accepted. langauge: there is no such field."),
    "invalid_model": (422, "Model 'small' is not on this machine."),
    "invalid_format": (422, "The transcript format 'doc' is not known."),
    "idempotency_key_reused": (422, "This Idempotency-Key came before, with another file, name or options."),
    "empty_file": (422, "The file is empty. Send an audio or video file."),
    "store_unavailable": (503, "The database does not answer. Send this request again in a few seconds."),
    "storage_full": (507, "The disk is full. Free some space, then send it again."),
    "backlog_full": (503, "As many tasks wait for a worker as this server takes (MAX_QUEUED_TASKS=1000)."),
    "storage_unavailable": (503, "The blob store failed: connection refused."),
    "internal_error": (500, "Something went wrong here, not in your request."),
}

UPLOAD_PROBLEMS = (
    "invalid_multipart",
    "upload_too_slow",
    "upload_too_large",
    "unsupported_media",
    "unsupported_body_type",
    "invalid_request",
    "invalid_model",
    "empty_file",
    "idempotency_key_reused",
    "backlog_full",
    "storage_unavailable",
    "storage_full",
)


def problems(*codes: str) -> dict[int | str, Json]:
    """Responses for these codes, and for the two that any route can give."""
    responses: dict[int | str, Json] = {}
    for code in (*codes, "store_unavailable", "internal_error"):
        status, detail = PROBLEMS[code]
        response = responses.setdefault(status, _response(status))
        response["content"][MEDIA_TYPE]["examples"][code] = {"value": _example(status, code, detail)}
    return responses


def _response(status: int) -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    response: Json = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}},
    }
    if status == 503:
        response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return response


def _example(status: int, code: str, detail: str) -> Json:
    return {
        "type": f"urn:parascribe:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }


KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Fresh for each upload, such as a UUID: the same upload sent again with the same key is the same "
    "task, not a second one. 1 to 255 visible ASCII characters.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "5f1cbd02-4c1a-4b0e-9d59-3f0a6a1f6c2f",
}


def accepted_response() -> Json:
    """The answer to an upload that is taken in."""
    location = {"description": "Where to look.", "schema": {"type": "string"}}
    replayed = {
        "description": "`true` where the same upload came before with this key; the body is its first answer again.",
        "schema": {"type": "string", "enum": ["true"]},
    }
    return {
        "description": "Stored and queued. `Location` is where to look.",
        "headers": {"Location": location, "Idempotency-Replayed": replayed},
    }


def form_body() -> Json:
    """The request body of the upload as a form."""
    properties = {"file": {"type": "string", "format": "binary", "description": "Audio or video."}, **_options()}
    schema = {"type": "object", "required": ["file"], "properties": properties, "additionalProperties": False}
    example = {"file": "(the bytes of interview.mp3)", "language": "en", "word_timestamps": True}
    content = {"multipart/form-data": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}, "parameters": [KEY]}


def raw_body() -> Json:
    """The request body of the upload as it is, and the options beside it."""
    file = {"description": "The file itself; any type but multipart.", "required": True}
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    label = {"type": "string", "description": "What the file is called; a label only.", "maxLength": 255}
    named = {**_options(), "filename": label}
    parameters = [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in named.items()]
    return {"requestBody": {**file, "content": content}, "parameters": [KEY, *parameters]}


def _options() -> Json:
    properties: Json = TaskOptions.model_json_schema()["properties"]
    return {name: _plain(schema) for name, schema in properties.items()}


def _plain(schema: Json) -> Json:
    """Without null and titles: a form or a query has texts, and what is not given is left out."""
    choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    merged = {**schema, **(choices[0] if choices else {})}
    hidden = {"anyOf", "title", *({"default"} if merged.get("default") is None else set())}
    return {key: value for key, value in merged.items() if key not in hidden}


def transcript_response() -> Json:
    """The answer with the transcript, in each of its types."""
    text = {"schema": {"type": "string"}}
    kinds = {kind.split(";")[0]: text for kind in MEDIA_TYPES.values()}
    kinds["application/json"] = {"schema": {"type": "object"}}
    header = {
        "description": "`true` when every window is there.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    }
    return {
        "description": "The text that is ready so far, gaps told where the format can.",
        "headers": {"X-Transcript-Complete": header},
        "content": kinds,
    }


def install(app: FastAPI) -> None:
    """Put :class:`api.schemas.Problem` into the document and take the framework's own error bodies out of it."""
    generated: Callable[[], Json] = app.openapi

    def openapi() -> Json:
        document = generated()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas["Problem"].pop("$defs", {}))
        for path in document["paths"].values():
            for operation in path.values():
                _drop_framework_errors(operation)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the document


def _drop_framework_errors(operation: Json) -> None:
    if "HTTPValidationError" in str(operation["responses"].get("422")):
        del operation["responses"]["422"]
