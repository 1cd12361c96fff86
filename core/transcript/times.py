"""Times as the text formats write them."""


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, the resolution of every text format."""
    return round(seconds * 1000)


def clock(ms: int, *, decimal: str = ".") -> str:
    """``HH:MM:SS.mmm``, with as many hour digits as it takes; SubRip writes a comma for ``decimal``."""
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{decimal}{ms:03d}"
