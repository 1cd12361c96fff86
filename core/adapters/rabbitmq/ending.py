"""The end of something that can end for many reasons: the first one counts."""

import asyncio
from collections.abc import Callable

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
