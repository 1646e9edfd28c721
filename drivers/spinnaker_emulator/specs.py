"""One camera feature as data: type, range, access and what they depend on.

Ranges and conditions are formulas over other nodes' numeric values, written as Python expressions with
comparisons, arithmetic and `and`/`or`/`not`. The same table drives the emulator and the GenApi XML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from types import CodeType


class Kind(IntEnum):
    """Principal interface types, numbered as PySpin numbers them."""

    INTEGER = 2
    BOOLEAN = 3
    COMMAND = 4
    FLOAT = 5
    STRING = 6
    CATEGORY = 8
    ENUMERATION = 9


class Access(IntEnum):
    """Access modes, numbered as PySpin numbers them."""

    NI = 0
    NA = 1
    WO = 2
    RO = 3
    RW = 4


Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One feature.

    Attributes:
        name: SFNC or vendor name.
        kind: Its interface.
        value: Start value; the entry's symbol for an enumeration.
        minimum: Least value, a number or a formula.
        maximum: Greatest value, a number or a formula.
        increment: Step from `minimum`, integers only.
        unit: Unit of a float.
        entries: Symbols and integer values of an enumeration.
        access: Access while nothing locks it.
        locked_if: Formula; while true the node is read-only.
        hidden_if: Formula; while true the node is not available.
        computed: Formula of a read-only value that follows others.
        selector: Enumeration that chooses which copy of the value is meant.
        category: Category that lists it.
        text: Description.

    """

    name: str
    kind: Kind
    value: Scalar = 0
    minimum: int | float | str = 0
    maximum: int | float | str = 0
    increment: int = 1
    unit: str = ""
    entries: tuple[tuple[str, int], ...] = ()
    access: Access = Access.RW
    locked_if: str = ""
    hidden_if: str = ""
    computed: str = ""
    selector: str = ""
    category: str = "DeviceControl"
    text: str = ""


@lru_cache(maxsize=1024)
def _compiled(formula: str) -> CodeType:
    return compile(formula, "<node formula>", "eval")


def evaluate(formula: str, values: Mapping[str, float]) -> float:
    """Value of a formula; `values` resolves node names to numbers."""
    result: float = eval(_compiled(formula), {"__builtins__": {}, "max": max, "min": min}, values)
    return result


def symbols(*names: str, start: int = 0) -> tuple[tuple[str, int], ...]:
    """Entries numbered upwards from `start`."""
    return tuple((name, start + i) for i, name in enumerate(names))


def integer(
    name: str, value: int, low: int | str, high: int | str, *, increment: int = 1, **more: str
) -> NodeSpec:
    """An IInteger that can be written."""
    return NodeSpec(name, Kind.INTEGER, value, low, high, increment, **more)  # type: ignore[arg-type]


def real(name: str, value: float, low: float | str, high: float | str, unit: str, **more: str) -> NodeSpec:
    """An IFloat that can be written."""
    return NodeSpec(name, Kind.FLOAT, value, low, high, unit=unit, **more)  # type: ignore[arg-type]


def boolean(name: str, value: bool, **more: str) -> NodeSpec:
    """An IBoolean that can be written."""
    return NodeSpec(name, Kind.BOOLEAN, value, **more)  # type: ignore[arg-type]


def choice(name: str, value: str, entries: tuple[tuple[str, int], ...], **more: str) -> NodeSpec:
    """An IEnumeration that can be written."""
    return NodeSpec(name, Kind.ENUMERATION, value, entries=entries, **more)  # type: ignore[arg-type]


def command(name: str, **more: str) -> NodeSpec:
    """An ICommand."""
    return NodeSpec(name, Kind.COMMAND, 0, access=Access.WO, **more)  # type: ignore[arg-type]


def fixed(name: str, kind: Kind, value: Scalar, **more: str) -> NodeSpec:
    """A read-only value; `computed` may make it follow others."""
    return NodeSpec(name, kind, value, -(2**63), 2**63 - 1, access=Access.RO, **more)  # type: ignore[arg-type]
