"""What this worker really works on, whatever the database says that it owns."""

from dataclasses import dataclass

from core.ports import Handler
from worker.intake import Intake
from worker.prepare import Preparer
from worker.settling import Settler
from worker.slots import Slots


@dataclass(frozen=True, kw_only=True, slots=True)
class Hands:
    """The parts that hold work, and the two handlers that bring it to them."""

    preparer: Preparer
    intake: Intake
    settler: Settler
    slots: Slots
    prepare: Handler
    arrive: Handler

    @property
    def tasks(self) -> set[str]:
        """Tasks being prepared, or waiting for it."""
        return self.preparer.held

    @property
    def chunks(self) -> set[tuple[str, int]]:
        """Task and index of the chunks that wait, are in a slot, or are being settled."""
        return self.intake.held | self.slots.parked | self.settler.unsettled
