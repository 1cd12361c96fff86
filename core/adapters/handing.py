"""What every broker does with a delivery."""

import structlog

from core.ports import Delivery, Handler

log = structlog.get_logger()


async def hand_over(delivery: Delivery, handler: Handler) -> None:
    """A handler that raises is done with this message: given back it would raise again, and the sweeper has it."""
    try:
        await handler(delivery)
    except Exception:
        log.exception("message not handled", task_id=delivery.message.task_id, chunk=delivery.message.chunk)
        await delivery.ack()
