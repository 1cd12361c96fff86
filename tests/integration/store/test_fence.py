"""The fence, and what happens without it."""

import pytest

from core.flow.resources import open_resources
from core.models import Cut, WindowResult
from core.states import ChunkState
from tests.support.tasks import claim_one, complete_one


@pytest.mark.parametrize(("without", "overwritten"), [((), False), (("fence",), True)])
async def test_only_the_fence_keeps_a_zombies_result_out(settings, without, overwritten):
    """A worker that was called dead writes after its chunk was done by another: refused; with no fence it wins."""
    async with open_resources(settings.model_copy(update={"test_without": without})) as resources:
        chunks = resources.chunks
        await chunks.add("t", [Cut(index=0, start=0, end=16, core_start=0, core_end=16)])
        await chunks.queue("t", 0)
        stale = await claim_one(chunks, "t", 0, "zombie")
        await chunks.give_back(stale, interrupted=True)
        await chunks.queue("t", 0)
        fresh = await claim_one(chunks, "t", 0, "heir")
        assert await complete_one(chunks, fresh, WindowResult(segments=(), avg_logprob=-1.0))
        assert await complete_one(chunks, stale, WindowResult(segments=(), avg_logprob=-2.0)) is overwritten
        (chunk,) = [chunk async for chunk in chunks.iterate("t")]
    assert chunk.state is ChunkState.DONE
    assert chunk.result.avg_logprob == (-2.0 if overwritten else -1.0)
