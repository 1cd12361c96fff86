"""What all inner loops that are written for the compiler need: addresses, vectors of sixteen, functions of them."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

INT32, FLOAT = ir.IntType(32), ir.FloatType()
WHOLES, FLOATS = ir.VectorType(INT32, 16), ir.VectorType(FLOAT, 16)
VECTOR_BYTES = 64


class Writer:
    """Writes what a kernel does with vectors at addresses."""

    def __init__(self, builder: Any, arguments: Any) -> None:
        self._builder = builder
        self._size = arguments[0].type

    def emit(self) -> Any:
        """Write it where the builder stands; what it gives back, if anything."""
        raise NotImplementedError

    def _spread(self, one: Any) -> Any:
        kind = ir.VectorType(one.type, 16)
        nothing = ir.Constant(kind, ir.Undefined)
        first = self._builder.insert_element(nothing, one, ir.Constant(INT32, 0))
        return self._builder.shuffle_vector(first, nothing, ir.Constant(WHOLES, [0] * 16))

    def _load(self, address: Any, offset: int, kind: Any) -> Any:
        place = self._builder.add(address, self._number(offset))
        return self._builder.load(self._builder.inttoptr(place, kind.as_pointer()), align=1)

    def _put(self, value: Any, address: Any, offset: int) -> None:
        place = self._builder.add(address, self._number(offset))
        self._builder.store(value, self._builder.inttoptr(place, value.type.as_pointer()), align=1)

    def _every(self, value: float) -> Any:
        return ir.Constant(FLOATS, [value] * 16)

    def _after(self, address: Any, index: Any, size: int) -> Any:
        return self._builder.add(address, self._builder.mul(index, self._number(size)))

    def _number(self, value: int) -> Any:
        return ir.Constant(self._size, value)


class Emitter(Writer):
    """Writes the loop over groups of inputs; sums stay in registers until :meth:`_store`."""

    rows, columns = 4, 4  # of vectors of sums
    kind = WHOLES

    def __init__(self, builder: Any, arguments: Any) -> None:
        super().__init__(builder, arguments)
        self._rows, self._weights, self._out, self._stride, self._groups, *self._more = arguments

    def emit(self) -> None:
        """Write it where the builder stands."""
        builder = self._builder
        begun = self._begun()
        before = builder.block
        body, after = builder.append_basic_block("groups"), builder.append_basic_block("done")
        builder.branch(body)
        builder.position_at_end(body)
        group = builder.phi(self._size)
        group.add_incoming(self._number(0), before)
        sums = [[builder.phi(self.kind) for _ in range(self.columns)] for _ in range(self.rows)]
        added = self._turn(group, sums)
        following = builder.add(group, self._number(1))
        group.add_incoming(following, body)
        for row in range(self.rows):
            for column in range(self.columns):
                sums[row][column].add_incoming(begun[column], before)
                sums[row][column].add_incoming(added[row][column], body)
        builder.cbranch(builder.icmp_signed("<", following, self._groups), body, after)
        builder.position_at_end(after)
        self._store(added)

    def _begun(self) -> list[Any]:
        """What each column's sums begin with."""
        return [ir.Constant(self.kind, [0] * 16)] * self.columns

    def _turn(self, group: Any, sums: list[list[Any]]) -> list[list[Any]]:
        """The sums after one more group of inputs."""
        raise NotImplementedError

    def _store(self, sums: list[list[Any]]) -> None:
        """As they are."""
        for row in range(self.rows):
            for column in range(self.columns):
                self._put(sums[row][column], self._out, 4 * (row * 16 * self.columns + column * 16))


def emitted(loop: type[Writer], *, gives: Any = types.void) -> Any:
    """A function of one tuple, as the loop takes it: addresses, strides in bytes, counts. ``gives``: Numba's type."""

    @intrinsic
    def run(_context: Any, numbers: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            count = len(numbers)
            given = loop(builder, [builder.extract_value(arguments[0], at) for at in range(count)]).emit()
            return context.get_dummy_value() if given is None else given

        return gives(numbers), generate

    return run
