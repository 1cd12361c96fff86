"""What runs the network itself. The engine around it judges, falls back, cuts segments and keeps order."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from core.engines.agreement import Votes
from core.engines.alignment import TokenTimes
from core.engines.quality import Attempt, Search
from core.engines.tokens import TokenBook
from core.models import Options, Pcm


class Backend(Protocol):
    """One loaded model. ``Heard`` is its own; callers only hand it on. Every method may be called from any thread."""

    book: TokenBook
    multilingual: bool

    def hear(self, windows: Iterable[Pcm], check: Callable[[], None]) -> Any:
        """Encode windows one by one, which is quicker than as a batch. ``check`` may raise between two of them.

        Each is asked for when its turn has come; at most ``operator.length_hint(windows)`` come.
        """

    def decode(
        self, heard: Any, which: Sequence[int], options: Options, search: Search, check: Callable[[], None]
    ) -> list[Attempt]:
        """One attempt for each of these windows of ``heard``, decoded as one batch, without timestamp tokens."""

    def align(
        self, heard: Any, attempts: Sequence[Attempt], samples: Sequence[int], options: Options
    ) -> list[TokenTimes | None]:
        """When each token of each attempt was said; None for one without text.

        ``samples``: the length of each window, since the silence that fills it up to 30 s must not be aligned to.
        """

    def votes(self, pcm: Pcm) -> Votes:
        """How likely each language is in one window, by its code."""
