"""What a pickle would build, worked out without running it.

A pickle is a program for a small machine, and a few hundred bytes of it can ask for more memory or time than there
is: tuples of tuples that stand for 2^60 values, calls that run foreign code. `outline` goes through the instructions,
keeps whole numbers, texts and tuples as they are and of everything else only how many values it stands for, and refuses
what its caller doesn't allow. Who reads a pickle reads it afterwards, when nothing in it can surprise.
"""

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, BinaryIO

MOST_BYTES = 64 << 20
"""Of one pickle, the numbers of tensors apart, which lie beside it."""
MOST_STEPS = 5_000_000
"""Instructions; a network of 10,000 tensors takes 400,000."""
MOST_VALUES = 20_000_000
"""Values that a part stands for, each counted wherever it is."""

STRUCTURE = frozenset({"PROTO", "FRAME", "MARK", "STOP", "POP", "POP_MARK"})
MEMO = frozenset({"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"})
CONTAINERS = frozenset(
    {"EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "LIST", "APPEND", "APPENDS"}
    | {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
)
NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"})
TEXTS = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"})
OBJECTS = frozenset({"NONE", "NEWTRUE", "NEWFALSE", "BINFLOAT", "FLOAT", "EMPTY_SET", "ADDITEMS"}) | {
    *("GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID")
}


class Refused(ValueError):
    """A pickle that isn't read; the text says why, to stand after "it"."""


@dataclass
class Part:
    """A tuple (``items``), or something of which only the size is known.

    Attributes:
        weight: how many values it stands for, itself counted.
        items: of a tuple.
    """

    weight: int = 1
    items: tuple[Any, ...] | None = None

    def add(self, values: Collection[Any]) -> None:
        """Values that a list or table takes in."""
        self.weight = heavier(self.weight, values)


@dataclass(frozen=True)
class Named:
    """A class or function, by its full name."""

    name: str


def heavier(weight: int, values: Collection[Any]) -> int:
    """A weight with that of values."""
    weight += sum(value.weight if isinstance(value, Part) else 1 for value in values)
    if weight > MOST_VALUES:
        raise Refused(f"stands for more than {MOST_VALUES:,} values")
    return weight


def outline(
    data: bytes | BinaryIO,
    allowed: Collection[str],
    call: Callable[[Any, Any], Any] | None = None,
    stored: Callable[[Any], Any] | None = None,
) -> Any:
    """What the pickle at the beginning of ``data`` builds: whole numbers, texts, tuples as `Part`, others by weight.

    Args:
        data: the pickle, or a file that is read to its end and no farther.
        allowed: names of the instructions, as `pickletools` has them.
        call: gives what a call of a `Named` with arguments stands for.
        stored: gives what lies beside the pickle under an id.

    Raises:
        Refused: another instruction, more than there may be of anything, or no whole pickle.
    """
    machine = _Machine(call, stored)
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(_Limited(data))):  # type: ignore[arg-type]
            if opcode.name not in allowed:
                raise Refused(f"asks for {machine.asked(opcode.name, argument)}")
            if step > MOST_STEPS:
                raise Refused(f"has more than {MOST_STEPS:,} instructions")
            # A huge memo number would make the loader allocate that much before it fails.
            if "PUT" in opcode.name and not 0 <= int(argument or 0) <= step:
                raise Refused(f"is not a whole pickle (memo number {argument})")
            machine.do(opcode.name, argument)
        return machine.stack[-1]
    except Refused:
        raise
    except (ValueError, EOFError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise Refused(f"is not a whole pickle ({error})") from None


class _Limited:
    """A file of which no more than `MOST_BYTES` are read."""

    def __init__(self, data: bytes | BinaryIO) -> None:
        import io

        self.file: Any = io.BytesIO(data) if isinstance(data, bytes) else data
        self.left = MOST_BYTES
        self.tell = self.file.tell

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise Refused(f"is larger than the {MOST_BYTES:,} bytes that a pickle may have")
        found: bytes = self.file.read(size)
        return found

    def readline(self) -> bytes:
        found: bytes = self.file.readline(self.left + 1)
        self.left -= len(found)
        if self.left < 0:
            raise Refused(f"is larger than the {MOST_BYTES:,} bytes that a pickle may have")
        return found


class _Machine:
    """Stack, marks and memo, as in `pickle`."""

    def __init__(self, call: Callable[[Any, Any], Any] | None, stored: Callable[[Any], Any] | None) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.call, self.stored = call, stored

    def asked(self, opcode: str, argument: object) -> str:
        """What an instruction wants, in words: ``posix.system`` rather than its number."""
        if opcode in ("GLOBAL", "INST"):
            return str(argument).replace(" ", ".")
        if opcode == "STACK_GLOBAL":
            return ".".join(str(name) for name in self.stack[-2:])
        return f"the instruction {opcode}"

    def do(self, name: str, argument: Any) -> None:
        """One instruction."""
        if name in NUMBERS or name in TEXTS:
            self.stack.append(argument)
        elif "PUT" in name or name == "MEMOIZE":
            self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]
        elif "GET" in name:
            self.stack.append(self.memo[int(argument)])
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name == "GLOBAL":
            self.stack.append(Named(str(argument).replace(" ", ".")))
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "NONE", "NEWTRUE", "NEWFALSE", "BINFLOAT", "FLOAT"):
            self.stack.append(Part())
        elif name not in ("PROTO", "FRAME", "STOP"):
            getattr(self, f"_{name.lower()}", self._joined)(name)

    def _take(self, name: str) -> list[Any]:
        """The values that an instruction takes from the stack."""
        count = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2, "EMPTY_TUPLE": 0, "BUILD": 1}
        place = len(self.stack) - count[name] if name in count else self.marks.pop()
        if place < 0:
            raise IndexError("it takes more from its stack than there is")
        found, self.stack[place:] = self.stack[place:], []
        return found

    def _joined(self, name: str) -> None:
        """A new tuple, list or table, or one that takes values in."""
        values = self._take(name)
        if "TUPLE" in name:
            self.stack.append(Part(heavier(1, values), tuple(values)))
        elif name in ("LIST", "DICT"):
            self.stack.append(Part(heavier(1, values)))
        else:  # APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS, BUILD
            self.stack[-1].add(values)

    def _pop(self, name: str) -> None:
        self.stack.pop() if not self.marks or self.marks[-1] < len(self.stack) else self.marks.pop()

    def _pop_mark(self, name: str) -> None:
        self._take(name)

    def _reduce(self, name: str) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        assert self.call is not None
        self.stack.append(self.call(function, arguments))

    _newobj = _reduce

    def _binpersid(self, name: str) -> None:
        assert self.stored is not None
        self.stack.append(self.stored(self.stack.pop()))
