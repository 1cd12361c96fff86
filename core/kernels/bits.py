"""Arithmetic on the bits of float32 values, which Python has no words for and compilers do sixteen at once."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.kernels.simd import kernel

_INT32, _FLOAT = ir.IntType(32), ir.FloatType()
MANTISSA_BITS = 23
_ROOT_OF_HALF = 0x3F3504F3  # its bits


@intrinsic
def _in_order(_context: Any, _value: Any) -> Any:
    """float32 to the int32 that is in the same order."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _flipped(builder, builder.bitcast(arguments[0], _INT32))

    return types.int32(types.float32), generate


@intrinsic
def _from_order(_context: Any, _value: Any) -> Any:
    """And back."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(_flipped(builder, arguments[0]), _FLOAT)

    return types.float32(types.int32), generate


@intrinsic
def _size_bits(_context: Any, _value: Any) -> Any:
    """float32 to the int32 that is in the order of magnitudes: all bits but the sign."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.and_(builder.bitcast(arguments[0], _INT32), ir.Constant(_INT32, 0x7FFFFFFF))

    return types.int32(types.float32), generate


@intrinsic
def _exponent(_context: Any, _value: Any) -> Any:
    """Of a positive float32, int32: by which power of two it is a number from the root of 1/2 to that of 2."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        bits = builder.sub(builder.bitcast(arguments[0], _INT32), ir.Constant(_INT32, _ROOT_OF_HALF))
        return builder.ashr(bits, ir.Constant(_INT32, MANTISSA_BITS))

    return types.int32(types.float32), generate


@intrinsic
def _divided(_context: Any, _value: Any, _exponent: Any) -> Any:
    """float32 ``value / 2 ** exponent`` of an int32."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        moved = builder.shl(arguments[1], ir.Constant(_INT32, MANTISSA_BITS))
        return builder.bitcast(builder.sub(builder.bitcast(arguments[0], _INT32), moved), _FLOAT)

    return types.float32(types.float32, types.int32), generate


def _flipped(builder: Any, bits: Any) -> Any:
    """Of a negative number all bits but the sign: the larger they are the smaller it is."""
    negative = builder.ashr(bits, ir.Constant(_INT32, 31))
    return builder.xor(bits, builder.and_(negative, ir.Constant(_INT32, 0x7FFFFFFF)))


@intrinsic
def _times_power_of_two(_context: Any, _value: Any, _power: Any) -> Any:
    """float32 ``value * 2 ** n``, where the lowest bits of ``power`` are the whole number n in two's complement."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        value, power = (builder.bitcast(argument, _INT32) for argument in arguments)
        moved = builder.shl(power, ir.Constant(_INT32, MANTISSA_BITS))
        return builder.bitcast(builder.add(value, moved), _FLOAT)

    return types.float32(types.float32, types.float32), generate


in_order: Any = _in_order  # typed as Python sees them, the compiler's own first argument would be missing
from_order: Any = _from_order
times_power_of_two: Any = _times_power_of_two
size_bits: Any = _size_bits
exponent: Any = _exponent
divided: Any = _divided


@kernel
def highest_of(values: Any, count: int) -> Any:
    """The highest of the first ``count`` float32 values, at least one."""
    highest: Any = in_order(values[0])
    for index in range(count):
        highest = max(highest, in_order(values[index]))
    return from_order(highest)


@kernel
def largest_of(values: Any, count: int) -> Any:
    """The largest magnitude of the first ``count`` float32 values, and 1e-9 at least."""
    largest: Any = size_bits(np.float32(1e-9))
    for index in range(count):
        largest = max(largest, size_bits(values[index]))
    return from_order(largest)


LOG2_E = np.float32(1.442695)
WHOLE = np.float32(1.5 * 2**23)  # added to a small number it leaves a whole one in the lowest bits
POWER_OF_TWO = tuple(map(np.float32, (0.9999993, 0.6931218, 0.24024744, 0.05591786, 0.009570101)))


@kernel
def power_of_two(y: Any) -> Any:
    """2 ** y of a float32 from -126 to 126, relative error below 5e-6: a power of two times a polynomial of degree 4 on
    [-0.5, 0.5], fitted for the least relative error."""
    shifted = y + WHOLE
    f = y - (shifted - WHOLE)
    p = POWER_OF_TWO[2] + f * (POWER_OF_TWO[3] + f * POWER_OF_TWO[4])
    p = POWER_OF_TWO[0] + f * (POWER_OF_TWO[1] + f * p)
    return times_power_of_two(p, shifted)


_LOG = tuple(
    map(
        np.float32,
        (1.4426949, -0.72135276, 0.48092404, -0.36024198, 0.28707561, -0.24882181, 0.23420985, -0.14620353),
    )
)


@kernel
def log_of_two(x: Any) -> Any:
    """The binary logarithm of a float32 of at least 2 ** -126, within 4e-7 near 1 and a rounding elsewhere: the
    exponent, and a polynomial of degree 8 on what is left, fitted for the least error."""
    power = exponent(x)
    t = divided(x, power) - np.float32(1)
    high = _LOG[4] + t * (_LOG[5] + t * (_LOG[6] + t * _LOG[7]))
    p = _LOG[0] + t * (_LOG[1] + t * (_LOG[2] + t * (_LOG[3] + t * high)))
    return np.float32(power) + t * p
