"""For tests that show why the fence is needed: a store that lets anybody's late write win. Never in earnest."""

from core.adapters.mongo.chunks import ChunkStore
from core.adapters.mongo.documents import Document, chunk_id
from core.models import Chunk


class UnfencedChunkStore(ChunkStore):
    """Writes by a claimant count whoever owns the chunk now and whatever became of it."""

    def _mine(self, chunk: Chunk) -> Document:
        return {"_id": chunk_id(chunk.task_id, chunk.cut.index)}
