"""Graphics cards: how many there are for the models."""

from functools import cache
from pathlib import Path

_WSL = "dxg"  # Windows offers its cards to Linux under this name


@cache
def graphics_cards(devices: Path = Path("/dev")) -> int:
    """Cards that CTranslate2 can use. It is loaded, which takes a moment, only where the system has any at all."""
    if not any(devices.glob("nvidia[0-9]*")) and not (devices / _WSL).exists():
        return 0
    import ctranslate2  # noqa: PLC0415  heavy: only where it may have an answer

    return int(ctranslate2.get_cuda_device_count())
