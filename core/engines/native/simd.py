"""The one inner loop of the decoder: 8-bit products summed into 32 bits, a tile of 64 outputs at a time.

Where the processor has AVX-512 VNNI, one instruction does 64 of them. Elsewhere the same sums are written as a loop
that the compiler vectorises as it can; sums of integers are exact, so every machine gets the same numbers.
"""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


_numba: Any = config


def _folder_of_these() -> str:
    """Where these kernels are kept: by the text of all of them. Numba looks only at the file that a function stands in,
    and would go on with what it once compiled into it from another."""
    here = Path(__file__).parent
    text = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
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
    return cast("Function", compiled)


TILE = 64  # outputs of one tile
GROUP = 4  # inputs that lie beside each other for each output
ROWS = 4  # rows that one call of the inner loop works on

_INT32 = ir.IntType(32)
_VECTOR = ir.VectorType(_INT32, 16)
_DOT = "llvm.x86.avx512.vpdpbusd.512"
_COLUMNS = TILE // 16


def has_vnni() -> bool:
    """Whether this processor multiplies bytes 64 at a time."""
    features = llvm.get_host_cpu_features()
    return bool(features.get("avx512vnni", False))


def _constant(kind: Any, value: int) -> Any:
    return ir.Constant(kind, value)


class _Loop:
    """Builds the loop over groups of inputs: sixteen sums in registers, four weights and four inputs a turn."""

    def __init__(self, builder: Any, arguments: Any, *, signed_rows: bool) -> None:
        self._builder = builder
        self._rows, self._weights, self._sums, self._stride, self._groups = arguments
        self._signed_rows = signed_rows
        self._size = self._groups.type

    def emit(self) -> None:
        builder = self._builder
        before = builder.block
        body, after = builder.append_basic_block("groups"), builder.append_basic_block("done")
        builder.branch(body)
        builder.position_at_end(body)
        group = builder.phi(self._size)
        group.add_incoming(_constant(self._size, 0), before)
        sums = [[builder.phi(_VECTOR) for _ in range(_COLUMNS)] for _ in range(ROWS)]
        added = self._turn(group, sums)
        following = builder.add(group, _constant(self._size, 1))
        group.add_incoming(following, body)
        for row in range(ROWS):
            for column in range(_COLUMNS):
                sums[row][column].add_incoming(ir.Constant(_VECTOR, [0] * 16), before)
                sums[row][column].add_incoming(added[row][column], body)
        builder.cbranch(builder.icmp_signed("<", following, self._groups), body, after)
        builder.position_at_end(after)
        self._store(added)

    def _turn(self, group: Any, sums: list[list[Any]]) -> list[list[Any]]:
        builder = self._builder
        base = builder.add(self._weights, builder.mul(group, _constant(self._size, TILE * GROUP)))
        weights = [self._load(base, 64 * column, _VECTOR) for column in range(_COLUMNS)]
        added = []
        for row in range(ROWS):
            start = builder.add(self._rows, builder.mul(self._stride, _constant(self._size, row)))
            four = self._load(builder.add(start, builder.mul(group, _constant(self._size, GROUP))), 0, _INT32)
            inputs = self._spread(four)
            added.append([self._dot(sums[row][column], inputs, weights[column]) for column in range(_COLUMNS)])
        return added

    def _dot(self, total: Any, inputs: Any, weights: Any) -> Any:
        """The instruction takes its unsigned operand first."""
        module = self._builder.module
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        dot = module.globals.get(_DOT) or ir.Function(module, kind, _DOT)
        operands = [weights, inputs] if self._signed_rows else [inputs, weights]
        return self._builder.call(dot, [total, *operands])

    def _spread(self, four: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = self._builder.insert_element(nothing, four, _constant(_INT32, 0))
        return self._builder.shuffle_vector(first, nothing, ir.Constant(_VECTOR, [0] * 16))

    def _load(self, address: Any, offset: int, kind: Any) -> Any:
        place = self._builder.add(address, _constant(self._size, offset))
        return self._builder.load(self._builder.inttoptr(place, kind.as_pointer()), align=1)

    def _store(self, sums: list[list[Any]]) -> None:
        builder = self._builder
        for row in range(ROWS):
            for column in range(_COLUMNS):
                place = builder.add(self._sums, _constant(self._size, 4 * (row * TILE + column * 16)))
                builder.store(sums[row][column], builder.inttoptr(place, _VECTOR.as_pointer()), align=1)


def _vector_tile(*, signed_rows: bool) -> Any:
    @intrinsic  # the context that it is called with first is the compiler's own
    def tile(_context: Any, rows: Any, weights: Any, sums: Any, stride: Any, groups: Any) -> Any:  # noqa: ARG001  types
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _Loop(builder, arguments, signed_rows=signed_rows).emit()
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, types.intp, types.intp, types.intp), generate

    @njit(inline="always")
    def multiply(rows: Any, first: int, weights: Any, sums: Any, groups: int) -> None:
        start, stride = rows.ctypes.data + first * rows.strides[0], rows.strides[0]
        tile(start, weights.ctypes.data, sums.ctypes.data, stride, groups)  # type: ignore[call-arg]  # numba adds one

    return multiply


def _plain_tile() -> Any:
    @kernel
    def multiply(rows: Any, first: int, weights: Any, sums: Any, groups: int) -> None:
        for row in range(ROWS):
            for output in range(TILE):
                sums[row, output] = 0
        for group in range(groups):
            for row in range(ROWS):
                for part in range(GROUP):
                    value = int(rows[first + row, group * GROUP + part])
                    for output in range(TILE):
                        sums[row, output] += value * int(weights[group, output, part])

    return multiply


# rows uint8 (n + 3, 4 * groups), from row `first` on four of them; weights int8 (groups, 64, 4); sums int32 (4, 64)
multiply_unsigned = _vector_tile(signed_rows=False) if has_vnni() else _plain_tile()
# rows int8, weights uint8; else the same
multiply_signed = _vector_tile(signed_rows=True) if has_vnni() else _plain_tile()

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
