"""The end of something that can end for many reasons: the first one counts."""

import asyncio
from collections.abc import Callable

AGAIN_SECONDS = 0.25

OnClose = Callable[[object, BaseException | None], None]


class Ending:
    """Waited for by one, brought about by anybody on the same loop."""

    def __init__(self) -> None:
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def bring(self, reason: str) -> None:
        """It is over; a second reason is ignored."""
        if not self._reason.done():
            self._reason.set_result(reason)

    def on_close(self, what: str) -> OnClose:
        """A callback for the driver."""

        def closed(_: object, error: BaseException | None) -> None:
            self.bring(f"{what} was closed: {error or 'no reason given'}")

        return closed

    @property
    def reached(self) -> bool:
        """Whether it is over."""
        return self._reason.done()

    async def wait(self) -> str:
        """The reason, once it is over."""
        return await asyncio.shield(self._reason)


async def put_an_end_to(task: "asyncio.Task[None]", *, again_seconds: float = AGAIN_SECONDS) -> None:
    """Cancel it until it has ended: the driver swallows a cancellation that comes together with an answer.

    ``again_seconds``: longer than what the task itself does when it is cancelled, so that this is not broken off.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=again_seconds)
    await asyncio.gather(task, return_exceptions=True)  # what it ended with is nobody's any more
