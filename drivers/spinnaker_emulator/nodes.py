"""PySpin's node classes over a `NodeState`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drivers.spinnaker_emulator.errors import ErrorCode, SpinnakerException, argument_error
from drivers.spinnaker_emulator.nodemap import NodeState
from drivers.spinnaker_emulator.specs import Access, Kind, Scalar

# PySpin's spelling (N802) is the interface emulated here; docstrings stay with the idea of each class.
# ruff: noqa: N802, D102


class IValue:
    """Any node; `valid` is False for the null pointer that a failed look-up or cast gives."""

    def __init__(self, state: NodeState | None, name: str) -> None:
        self._state = state
        self._name = name

    @property
    def _features(self) -> NodeState:
        if self._state is None:
            raise SpinnakerException("Pointer is not initialized", ErrorCode.INVALID_HANDLE)
        return self._state

    def IsValid(self) -> bool:
        return self._state is not None

    def GetName(self) -> str:
        return self._name

    def GetDisplayName(self) -> str:
        words = [""]
        for letter in self._name:
            if letter.isupper() and words[-1] and not words[-1][-1].isupper():
                words.append("")
            words[-1] += letter
        return " ".join(words)

    def GetDescription(self) -> str:
        return self._features.specs[self._name].text if self._name in self._features.specs else ""

    def GetToolTip(self) -> str:
        return self.GetDescription()

    def GetVisibility(self) -> int:
        return 0

    def GetAccessMode(self) -> int:
        return int(self._state.access(self._name)) if self._state else int(Access.NI)

    def GetPrincipalInterfaceType(self) -> int:
        return int(self._features.specs[self._name].kind)

    def GetNode(self) -> IValue:
        return self

    def IsSelector(self) -> bool:
        return any(s.selector == self._name for s in self._features.specs.values())

    def GetSelectedFeatures(self) -> list[IValue]:
        features = self._features
        return [make_node(features, s.name) for s in features.specs.values() if s.selector == self._name]

    def RegisterCallback(self, callback: Callable[[IValue], None]) -> Callable[[str], None]:
        def listener(name: str) -> None:
            if name == self._name:
                callback(self)

        self._features.on_write.append(listener)
        return listener

    def DeregisterCallback(self, handle: Callable[[str], None]) -> None:
        self._features.on_write.remove(handle)

    def InvalidateNode(self) -> None:
        self._features.invalidate(self._name)

    def ToString(self) -> str:
        value = self._features.read(self._name, "ToString")
        return str(int(value)) if isinstance(value, bool) else str(value)

    def FromString(self, text: str) -> None:
        kind = self._features.specs[self._name].kind
        value: Scalar = text
        try:
            if kind is Kind.INTEGER:
                value = int(text, 0)
            elif kind is Kind.FLOAT:
                value = float(text)
        except ValueError:
            raise argument_error(self._name, "FromString", f"cannot convert value '{text}'") from None
        if kind is Kind.BOOLEAN:
            if text.lower() not in ("0", "1", "true", "false"):
                raise argument_error(self._name, "FromString", f"cannot convert value '{text}' to bool")
            value = text.lower() in ("1", "true")
        self._features.write(self._name, value, "FromString")


class IInteger(IValue):
    """A whole number."""

    def GetValue(self) -> int:
        return int(self._features.read(self._name))

    def SetValue(self, value: int) -> None:
        self._features.write(self._name, value)

    def GetMin(self) -> int:
        return int(self._features.limits(self._name)[0])

    def GetMax(self) -> int:
        return int(self._features.limits(self._name)[1])

    def GetInc(self) -> int:
        return self._features.limits(self._name)[2]

    def GetUnit(self) -> str:
        return self._features.specs[self._name].unit

    def GetRepresentation(self) -> int:
        return 0


class IFloat(IValue):
    """A real number."""

    def GetValue(self) -> float:
        return float(self._features.read(self._name))

    def SetValue(self, value: float) -> None:
        self._features.write(self._name, value)

    def GetMin(self) -> float:
        return float(self._features.limits(self._name)[0])

    def GetMax(self) -> float:
        return float(self._features.limits(self._name)[1])

    def HasInc(self) -> bool:
        return False

    def GetUnit(self) -> str:
        return self._features.specs[self._name].unit

    def GetRepresentation(self) -> int:
        return 0


class IBoolean(IValue):
    """True or false."""

    def GetValue(self) -> bool:
        return bool(self._features.read(self._name))

    def SetValue(self, value: bool) -> None:
        self._features.write(self._name, value)


class IString(IValue):
    """Text."""

    def GetValue(self) -> str:
        return str(self._features.read(self._name))

    def SetValue(self, value: str) -> None:
        self._features.write(self._name, value)

    def GetMaxLength(self) -> int:
        return 64


class ICommand(IValue):
    """An action."""

    def Execute(self) -> None:
        self._features.execute(self._name)

    def IsDone(self) -> bool:
        return True


class ICategory(IValue):
    """A list of features."""

    def GetFeatures(self) -> list[IValue]:
        features = self._features
        return [
            make_node(features, s.name)
            for s in features.specs.values()
            if s.category == self._name and s.name != self._name
        ]


class EnumEntry:
    """One symbol of an enumeration."""

    def __init__(self, state: NodeState | None, enumeration: str, symbol: str) -> None:
        self._state = state
        self._enumeration = enumeration
        self._symbol = symbol

    def IsValid(self) -> bool:
        return self._state is not None

    def GetValue(self) -> int:
        if self._state is None:
            raise SpinnakerException("Pointer is not initialized", ErrorCode.INVALID_HANDLE)
        return self._state.entries(self._enumeration)[self._symbol]

    def GetNumericValue(self) -> float:
        return float(self.GetValue())

    def GetSymbolic(self) -> str:
        return self._symbol

    def GetName(self) -> str:
        return f"EnumEntry_{self._enumeration}_{self._symbol}"

    def GetDisplayName(self) -> str:
        return self._symbol

    def GetDescription(self) -> str:
        return ""

    def GetAccessMode(self) -> int:
        return int(Access.NI if self._state is None else Access.RO)

    def ToString(self) -> str:
        return self._symbol


class IEnumeration(IValue):
    """A choice. As in PySpin this interface has no GetValue and SetValue; quick-spin nodes add them."""

    def GetIntValue(self) -> int:
        return self._features.entries(self._name)[str(self._features.read(self._name, "GetIntValue"))]

    def SetIntValue(self, value: int) -> None:
        self._features.write(self._name, value, "SetIntValue")

    def GetCurrentEntry(self) -> EnumEntry:
        return EnumEntry(self._features, self._name, str(self._features.read(self._name, "GetCurrentEntry")))

    def GetEntryByName(self, symbol: str) -> EnumEntry:
        known = symbol in self._features.entries(self._name)
        return EnumEntry(self._features if known else None, self._name, symbol)

    def GetEntry(self, value: int) -> EnumEntry:
        for symbol, number in self._features.entries(self._name).items():
            if number == value:
                return EnumEntry(self._features, self._name, symbol)
        return EnumEntry(None, self._name, str(value))

    def GetEntries(self) -> list[EnumEntry]:
        return [EnumEntry(self._features, self._name, s) for s in self._features.entries(self._name)]

    def GetSymbolics(self) -> list[str]:
        return list(self._features.entries(self._name))


class QuickEnumeration(IEnumeration):
    """An enumeration reached as `cam.X`."""

    def GetValue(self) -> int:
        return self.GetIntValue()

    def SetValue(self, value: int) -> None:
        self._features.write(self._name, value)


_CLASSES: dict[Kind, type[IValue]] = {
    Kind.INTEGER: IInteger,
    Kind.FLOAT: IFloat,
    Kind.BOOLEAN: IBoolean,
    Kind.STRING: IString,
    Kind.COMMAND: ICommand,
    Kind.CATEGORY: ICategory,
    Kind.ENUMERATION: IEnumeration,
}


def absent_node(name: str, kind: Kind) -> IValue:
    """A quick-spin attribute whose node this camera lacks: right class, access NI."""
    return QuickEnumeration(None, name) if kind is Kind.ENUMERATION else _CLASSES[kind](None, name)


def make_node(state: NodeState, name: str, *, quick: bool = False) -> IValue:
    """The node as the class that its kind has; quick-spin enumerations get GetValue and SetValue."""
    kind = state.specs[name].kind
    if quick and kind is Kind.ENUMERATION:
        return QuickEnumeration(state, name)
    return _CLASSES[kind](state, name)


def _cast(base: type[Any], kind: Kind | None, name: str) -> type[Any]:
    def initialise(self: Any, node: IValue | None = None) -> None:
        fits = node is not None and node.IsValid()
        if fits and node is not None and kind is not None:
            fits = node._features.specs[node.GetName()].kind is kind
        base.__init__(
            self, node._state if fits and node is not None else None, node.GetName() if node else ""
        )

    return type(name, (base,), {"__init__": initialise, "__doc__": f"PySpin.{name}: cast of a node."})


CIntegerPtr = _cast(IInteger, Kind.INTEGER, "CIntegerPtr")
CFloatPtr = _cast(IFloat, Kind.FLOAT, "CFloatPtr")
CBooleanPtr = _cast(IBoolean, Kind.BOOLEAN, "CBooleanPtr")
CStringPtr = _cast(IString, Kind.STRING, "CStringPtr")
CCommandPtr = _cast(ICommand, Kind.COMMAND, "CCommandPtr")
CEnumerationPtr = _cast(IEnumeration, Kind.ENUMERATION, "CEnumerationPtr")
CCategoryPtr = _cast(ICategory, Kind.CATEGORY, "CCategoryPtr")
CValuePtr = _cast(IValue, None, "CValuePtr")
CNodePtr = _cast(IValue, None, "CNodePtr")


def CEnumEntryPtr(entry: EnumEntry) -> EnumEntry:
    """Cast to an entry; entries are handed out as such already."""
    return entry


class NodeMap:
    """What GetNodeMap() returns."""

    def __init__(self, state: NodeState) -> None:
        self._state = state

    def GetNode(self, name: str) -> IValue | None:
        return make_node(self._state, name) if name in self._state.specs else None

    def GetNodes(self) -> list[IValue]:
        return [make_node(self._state, name) for name in self._state.specs]

    def GetNumNodes(self) -> int:
        return len(self._state.specs)

    def InvalidateNodes(self) -> None:
        self._state.invalidate()

    def Poll(self, elapsed_ms: int) -> None:
        del elapsed_ms


def IsImplemented(node: Any) -> bool:
    """PySpin.IsImplemented."""
    return node is not None and node.GetAccessMode() != Access.NI


def IsAvailable(node: Any) -> bool:
    """PySpin.IsAvailable."""
    return node is not None and node.GetAccessMode() not in (Access.NI, Access.NA)


def IsReadable(node: Any) -> bool:
    """PySpin.IsReadable."""
    return node is not None and node.GetAccessMode() in (Access.RO, Access.RW)


def IsWritable(node: Any) -> bool:
    """PySpin.IsWritable."""
    return node is not None and node.GetAccessMode() in (Access.WO, Access.RW)
