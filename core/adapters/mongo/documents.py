"""How values lie in the database. Writers write version 1; readers accept what older writers left out."""

from datetime import datetime
from typing import Any

from core.models import (
    Chunk,
    Coverage,
    Cut,
    CutPlan,
    Failure,
    Idempotency,
    Options,
    Segment,
    Task,
    Upload,
    WindowResult,
    Word,
)
from core.states import ChunkState, TaskStatus

Document = dict[str, Any]
VERSION = 1


def task_document(task: Task) -> Document:
    """A new task as stored; what changes later is written field by field in ``tasks``."""
    known = {} if task.idempotency is None else {"idempotency": _fields(task.idempotency)}
    return {
        "_id": task.id,
        "v": VERSION,
        "status": task.status.value,
        "open": True,  # work or upkeep is left: the sweeper looks at these only
        "filename": task.filename,
        "options": _fields(task.options),
        "word_timestamps": task.word_timestamps,
        "max_parallel_workers": task.max_parallel_workers,
        "plan": _fields(task.plan),
        "upload": _fields(task.upload),
        "created_at": task.created_at,
        "fence": task.fence,
        "attempts": task.attempts,
        "owner": None,
        "deleted": False,
        **known,
    }


def task_value(document: Document) -> Task:
    """A task as read. Options that a newer writer added are ignored, those that an older one lacked get defaults."""
    return Task(
        id=document["_id"],
        status=TaskStatus(document["status"]),
        filename=document["filename"],
        options=Options(**_known(Options, document["options"])),
        word_timestamps=document.get("word_timestamps", False),
        max_parallel_workers=document.get("max_parallel_workers"),
        plan=CutPlan(**_known(CutPlan, document.get("plan", {}))),
        upload=Upload(**_known(Upload, document["upload"])),
        created_at=document["created_at"],
        started_at=_moment(document, "started_at"),
        finished_at=_moment(document, "finished_at"),
        language_probability=document.get("language_probability"),
        duration_samples=document.get("duration_samples"),
        declared_samples=document.get("declared_samples"),
        chunks_total=document.get("chunks_total"),
        chunks_cut=document.get("chunks_cut", 0),
        chunks_completed=document.get("chunks_completed", 0),
        chunks_failed=document.get("chunks_failed", 0),
        progress=document.get("progress", 0.0),
        coverage=_coverage(document),
        error=_failure(document),
        warnings=tuple(document.get("warnings", ())),
        deleted=document.get("deleted", False),
        owner=document.get("owner"),
        fence=document.get("fence", 0),
        attempts=document.get("attempts", 0),
        interruptions=document.get("interruptions", 0),
        idempotency=_idempotency(document),
    )


def chunk_id(task_id: str, index: int) -> str:
    """Deterministic, so that cutting a task a second time finds the chunks of the first."""
    return f"{task_id}:{index:06d}"


def chunk_document(task_id: str, cut: Cut) -> Document:
    """A new chunk as stored."""
    return {
        "_id": chunk_id(task_id, cut.index),
        "v": VERSION,
        "task": task_id,
        "index": cut.index,
        "cut": [cut.start, cut.end, cut.core_start, cut.core_end],
        "core": cut.core_end - cut.core_start,
        "state": ChunkState.PENDING.value,
        "owner": None,
        "fence": 0,
        "attempts": 0,
        "interruptions": 0,
    }


def chunk_value(document: Document) -> Chunk:
    """A chunk as read."""
    start, end, core_start, core_end, *_ = document["cut"]
    return Chunk(
        task_id=document["task"],
        cut=Cut(index=document["index"], start=start, end=end, core_start=core_start, core_end=core_end),
        state=ChunkState(document["state"]),
        owner=document.get("owner"),
        fence=document.get("fence", 0),
        attempts=document.get("attempts", 0),
        interruptions=document.get("interruptions", 0),
        error=_failure(document),
        result=result_value(document["result"]) if document.get("result") else None,
    )


def result_document(result: WindowResult) -> Document:
    """Words as short lists: a chunk of 30 s stays near 5 kB, a day of speech near 15 MB over 3,000 documents."""
    return {
        "segments": [
            {
                "start": segment.start,
                "end": segment.end,
                "text": segment.text,
                "words": [[word.start, word.end, word.text, word.probability] for word in segment.words],
                "tokens": list(segment.tokens),
            }
            for segment in result.segments
        ],
        "temperature": result.temperature,
        "avg_logprob": result.avg_logprob,
        "compression_ratio": result.compression_ratio,
        "no_speech_prob": result.no_speech_prob,
        "flags": list(result.flags),
    }


def result_value(document: Document) -> WindowResult:
    """A result as read."""
    return WindowResult(
        segments=tuple(_segment(segment) for segment in document["segments"]),
        temperature=document["temperature"],
        avg_logprob=document["avg_logprob"],
        compression_ratio=document["compression_ratio"],
        no_speech_prob=document["no_speech_prob"],
        flags=tuple(document["flags"]),
    )


def coverage_document(coverage: Coverage) -> Document:
    """As it lies in a task."""
    return {
        "transcribed_samples": coverage.transcribed_samples,
        "silent_samples": coverage.silent_samples,
        "failed_samples": coverage.failed_samples,
    }


def failure_document(failure: Failure) -> Document:
    """Why something ended badly."""
    return {"code": failure.code, "message": failure.message}


def _segment(document: Document) -> Segment:
    words = tuple(
        Word(start=start, end=end, text=text, probability=probability)
        for start, end, text, probability, *_ in document["words"]
    )
    return Segment(
        start=document["start"],
        end=document["end"],
        text=document["text"],
        words=words,
        tokens=tuple(document["tokens"]),
    )


def _fields(value: Any) -> Document:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _known(kind: Any, document: Document) -> Document:
    return {name: document[name] for name in kind.__dataclass_fields__ if name in document}


def _coverage(document: Document) -> Coverage:
    return Coverage(**_known(Coverage, document.get("coverage", {})))


def _idempotency(document: Document) -> Idempotency | None:
    known = document.get("idempotency")
    return Idempotency(**_known(Idempotency, known)) if known else None


def _failure(document: Document) -> Failure | None:
    error = document.get("error")
    return Failure(code=error["code"], message=error["message"]) if error else None


def _moment(document: Document, field: str) -> datetime | None:
    value: datetime | None = document.get(field)
    return value
