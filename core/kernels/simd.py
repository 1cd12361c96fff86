"""How kernels are compiled and kept, the sizes that they share, and sums of floats in one order."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import numpy as np
from numba import config, njit

Function = TypeVar("Function", bound=Callable[..., Any])
_numba: Any = config
_PLACES = ("kernels", "engines/native", "audio/silero")  # where kernels are written


def _folder_of_these() -> str:
    """Where kernels are kept: by the text of all of them. Numba looks only at the file that a function stands in, and
    would go on with what it once compiled into it from another."""
    here = Path(__file__).parent
    files = [path for place in _PLACES for path in sorted((here.parent / place).glob("*.py"))]
    text = b"".join(path.read_bytes() for path in files)
    folder = Path(_numba.CACHE_DIR or here / "__pycache__")
    return str(folder / f"kernels-{hashlib.sha256(text).hexdigest()[:12]}")


_numba.CACHE_DIR = _folder_of_these()


def kernel(function: Function) -> Function:
    """Compile a function when it is first called, and keep that on disk. It runs without the interpreter's lock.

    No freedom to round differently is given: a kernel that the compiler puts into two callers must give both the same.
    """
    compiled = njit(nogil=True, error_model="numpy", fastmath={"nnan", "ninf", "nsz"})(function)
    with contextlib.suppress(RuntimeError):  # nowhere to keep it: compiled at every start
        compiled.enable_caching()
        _keep_if_there_is_room(cast("Any", compiled)._cache)  # noqa: SLF001  it has no other name
    return cast("Function", compiled)


def _keep_if_there_is_room(cache: Any) -> None:
    """Numba lets a full disk fail the call for which it has compiled."""
    save = cache.save_overload

    def try_to_save(*what: Any) -> None:
        with contextlib.suppress(OSError):
            save(*what)

    cache.save_overload = try_to_save


TILE = 64  # outputs of one tile
GROUP = 4  # inputs that lie beside each other for each output
ROWS = 4  # rows that one call of the inner loop works on


def has_vnni() -> bool:
    """Whether this processor multiplies bytes 64 at a time."""
    return bool(llvm.get_host_cpu_features().get("avx512vnni", False))


def has_avx512() -> bool:
    """Whether it has 32 registers of 16 floats."""
    return bool(llvm.get_host_cpu_features().get("avx512f", False))


LANES = 16


@kernel
def add_up(values: Any, count: int) -> Any:
    """The sum of the first ``count`` float32 values: sixteen sums side by side, so in one order on every machine."""
    lanes = np.zeros(LANES, np.float32)
    whole = count // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            lanes[lane] += values[start + lane]
    total = np.float32(0)
    for lane in range(LANES):
        total += lanes[lane]
    for index in range(whole, count):
        total += values[index]
    return total
