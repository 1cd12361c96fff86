"""The database: MongoDB in deployment, an embedded server with the same wire protocol on a laptop."""

from core.adapters.mongo.chunks import ChunkStore
from core.adapters.mongo.client import Database, connect
from core.adapters.mongo.tasks import TaskStore
from core.adapters.mongo.workers import WorkerStore

__all__ = ["ChunkStore", "Database", "TaskStore", "WorkerStore", "connect"]
