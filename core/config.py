"""All settings, read from the environment and ``.env``; each has a default that works on a laptop."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.graphics import graphics_cards
from core.models import CutPlan


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


USUAL_BATCH = 8  # chunks
USUAL_REGION = "us-east-1"

Auto = Literal["auto"]
OptionalStr = Annotated[str | None, BeforeValidator(_blank_is_none)]
Guard = Literal["fence", "confirms", "sweeper", "watchdog"]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_is_none)]
OptionalPort = Annotated[Annotated[int, Field(ge=0, le=65535)] | None, BeforeValidator(_blank_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_is_none)]
Region = Annotated[str, BeforeValidator(lambda region: region or USUAL_REGION)]


class Settings(BaseSettings):
    """Every field is an environment variable of the same name in capitals; ``.env.example`` lists them all."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    # --- transcription
    use_parallel_transcription: bool = Field(
        default=True, description="false: one slot, one chunk at a time, in order. The text is the same."
    )
    max_parallel_workers: Annotated[int, Field(ge=1, le=256)] | Auto = Field(
        default="auto",
        description="Slots (threads that transcribe) per worker process; auto: one per usable core, or graphics card.",
    )
    max_concurrent_jobs: int = Field(
        default=1, ge=1, le=64, description="Tasks that one worker decodes and cuts at the same time."
    )
    batch_size: Annotated[int, Field(ge=1, le=64)] | Auto = Field(
        default="auto",
        description="Chunks that one slot decodes together; auto: 4, 6 or 8, as measured at work and remembered; "
        "fewer where slots share cores.",
    )
    engine: Literal["faster-whisper", "openai-whisper", "fake"] = Field(
        default="faster-whisper",
        description="What turns audio into text; openai-whisper: the reference, with the extra `openai`; "
        "fake: deterministic nonsense, for tests.",
    )
    default_whisper_model: str = Field(
        default="base", description="Model of a task that names none: a size such as base, or a directory."
    )
    beam_size: int = Field(default=2, ge=1, le=10, description="Hypotheses kept while decoding; 1 is greedy.")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where the model runs.")
    encoder: Literal["auto", "ctranslate2", "openvino", "compiled"] = Field(
        default="auto",
        description="Whisper's encoder on a CPU; auto: the fastest, measured once and remembered.",
    )
    decoder: Literal["auto", "ctranslate2", "compiled"] = Field(
        default="auto",
        description="Whisper's decoder on a CPU; compiled: 8-bit kernels; auto: those, where there is AVX-512 VNNI.",
    )
    compute_type: str = Field(
        default="auto",
        description="Precision of CTranslate2; auto: int8 on CPU, float16 on CUDA. float32: OpenVINO is exact, too.",
    )
    chunk_strategy: Literal["vad", "fixed"] = Field(
        default="vad", description="vad: cut at pauses; fixed: cut by the clock, every CHUNK_DURATION_SECONDS."
    )
    chunk_duration_seconds: float = Field(
        default=28.0, ge=5.0, le=28.0, description="Length of a chunk with CHUNK_STRATEGY=fixed, in seconds."
    )

    # --- models
    models_dir: Path = Field(default=Path("models"), description="Where models lie and are put; one folder each.")
    model_download: bool = Field(
        default=True, description="Fetch a model from the Hugging Face hub when it is nowhere on this machine."
    )

    # --- API
    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port that the API listens on; 0: any free one.")
    max_upload_bytes: int = Field(default=2 * 1024**3, ge=1, description="Largest upload, in bytes (2 GiB).")
    max_audio_seconds: int = Field(default=86_400, ge=1, description="Longest audio, in seconds (24 h).")
    max_queued_tasks: int = Field(
        default=1_000, ge=1, description="Tasks that may wait for a worker; further uploads are refused with 503."
    )
    idempotency_seconds: int = Field(
        default=86_400, ge=1, description="How long an Idempotency-Key is remembered, in seconds (24 h)."
    )

    # --- where things are kept
    data_dir: Path = Field(default=Path("data"), description="Database and blobs of the embedded form.")
    temp_dir: OptionalPath = Field(default=None, description="Scratch space; empty: DATA_DIR/tmp.")
    mongo_url: OptionalStr = Field(
        default=None, description="MongoDB address; empty: `parascribe serve` starts an embedded database."
    )
    mongo_database: str = Field(default="parascribe", description="Name of the database.")
    rabbitmq_url: OptionalStr = Field(
        default=None, description="RabbitMQ address, amqp:// or amqps://; empty: wake-ups stay in this process."
    )
    rabbitmq_prefix: str = Field(
        default="parascribe",
        pattern=r"^[\w.-]{1,100}$",
        description="What the names of queues and exchanges begin with.",
    )
    storage_url: OptionalStr = Field(
        default=None, description="Blobs: file:///path or s3://bucket/folder; empty: DATA_DIR/blobs."
    )
    aws_endpoint_url: OptionalStr = Field(
        default=None, description="S3-compatible server, e.g. http://minio:9000; empty: Amazon's own."
    )
    aws_region: Region = Field(default=USUAL_REGION, description="Region of the bucket.")
    aws_access_key_id: OptionalStr = Field(
        default=None, description="Key for S3; empty: what the machine's role or environment gives."
    )
    aws_secret_access_key: OptionalSecret = Field(default=None, description="Secret that belongs to the key.")
    keep_uploads: bool = Field(default=False, description="Keep the original upload after its task has ended.")
    task_ttl_seconds: int = Field(
        default=0, ge=0, description="Ended tasks and their transcripts are deleted after this long; 0: never."
    )

    # --- surviving
    heartbeat_seconds: float = Field(default=10.0, gt=0, description="How often a worker shows that it lives.")
    dead_after_seconds: float = Field(
        default=30.0, gt=0, description="A worker silent for this long is dead and its work is given to others."
    )
    sweep_seconds: float = Field(default=5.0, gt=0, description="How often lost work is looked for.")
    lost_seconds: float = Field(
        default=20.0,
        gt=0,
        description="A message that nobody took for this long, its queue empty, is sent again; while others flow, "
        "after ten times as long.",
    )
    orphan_seconds: float = Field(
        default=600.0,
        gt=0,
        description="Blobs that no task knows for so many seconds are removed; an upload that takes as long to become "
        "a task is refused.",
    )
    max_chunk_attempts: int = Field(default=3, ge=1, description="Attempts before a chunk has failed for good.")
    retry_delay_seconds: float = Field(default=1.0, ge=0, description="Delay before the second attempt; doubles.")
    batch_deadline_seconds: float = Field(
        default=0.0,
        ge=0,
        description="Longest that one batch may take, in seconds, before the process is ended as hung; 0: by length.",
    )
    shutdown_grace_seconds: float = Field(
        default=6.0, ge=0, description="On SIGTERM, how long running chunks may take before they are given back."
    )

    worker_max_memory_bytes: int = Field(
        default=0, ge=0, description="Resident memory above which a worker ends in order, to be started anew; 0: none."
    )
    worker_max_chunks: int = Field(
        default=0, ge=0, description="Chunks after which a worker ends in order, to be started anew; 0: never."
    )
    worker_health_host: str = Field(default="127.0.0.1", description="Address of the worker's health port.")
    worker_health_port: OptionalPort = Field(
        default=None, description="Port on which a worker of its own answers /livez and /readyz; empty: none."
    )

    # --- logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level shown.")
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console on a terminal, JSON lines elsewhere."
    )
    log_file: OptionalPath = Field(default=None, description="Also write the log there, e.g. logs/stt.log.")

    # --- tests
    test_without: tuple[Guard, ...] = Field(
        default=(), description="Guards switched off, to show that each is needed. Never in earnest."
    )
    fake_engine: str = Field(default="{}", description="JSON for ENGINE=fake; see core/engines/fake_spec.py.")

    @property
    def slots(self) -> int:
        """Threads that transcribe, after ``auto`` and sequential mode."""
        if not self.use_parallel_transcription:
            return 1
        if self.max_parallel_workers != "auto":
            return self.max_parallel_workers
        return slots_of(self.device, 0 if self.device == "cpu" else graphics_cards(), usable_cores())

    @property
    def batch(self) -> int:
        """Chunks per batch, after sequential mode; with ``auto`` the size to begin with, until the worker has tried.

        Slots that share cores share a batch's worth of windows for each core: more at once would take memory, and no
        less time.
        """
        if not self.use_parallel_transcription:
            return 1
        if self.batch_size != "auto":
            return self.batch_size
        return max(1, USUAL_BATCH * usable_cores() // self.slots) if self.crowded else USUAL_BATCH

    @property
    def crowded(self) -> bool:
        """Whether slots share cores."""
        return self.slots > usable_cores() and not (self.device != "cpu" and graphics_cards())

    @property
    def scratch_dir(self) -> Path:
        """``TEMP_DIR``, or its default under ``DATA_DIR``."""
        return self.temp_dir or self.data_dir / "tmp"

    @property
    def blobs_url(self) -> str:
        """``STORAGE_URL``, or its default under ``DATA_DIR``."""
        return self.storage_url or (self.data_dir / "blobs").absolute().as_uri()

    @property
    def cut_plan(self) -> CutPlan:
        """How tasks accepted now are to be cut."""
        return CutPlan(strategy=self.chunk_strategy, chunk_seconds=self.chunk_duration_seconds)


def slots_of(device: str, cards: int, cores: int) -> int:
    """One for each card, which does one batch after the other; where there is none, or none is to be used, one for each
    core. A card that was asked for and cannot be seen counts: that it is missing is told when the model is loaded."""
    return max(1, cards) if device == "cuda" or (device == "auto" and cards) else cores


def usable_cores() -> int:
    """Cores that this process may use: its affinity mask, lowered by a cgroup v2 quota where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(Path("/sys/fs/cgroup/cpu.max"))
    return max(1, min(cores, quota)) if quota else max(1, cores)


def _cgroup_quota(path: Path) -> int | None:
    try:
        limit, period = path.read_text().split()
        return None if limit == "max" else max(1, int(limit) // int(period))
    except (OSError, ValueError):
        return None
