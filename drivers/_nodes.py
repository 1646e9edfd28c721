"""GenICam nodes by name: checked writes, read-back, and errors in plain words."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from drivers.camera import Applied, Limits
from drivers.errors import CameraDisconnectedError, CameraSettingError

_P = ParamSpec("_P")
_T = TypeVar("_T")

GONE = frozenset({-1002, -1006, -1010, -1012, -1015, -1024})
"""Spinnaker codes of a camera that has left; which one comes varies with the version."""

_TOLERANCE = 0.02
"""Exposure and gain move in steps of the sensor: what comes back may differ by this part."""


def error_code(error: Exception) -> int:
    """Spinnaker's code from the exception's text `... [-1011]`; 0 when there is none."""
    found = re.search(r"\[(-?\d+)\]\s*$", str(error))
    return int(found.group(1)) if found else 0


def unpinned(error: Exception) -> Exception:
    """The same error without its traceback, whose frames would hold the camera while anybody keeps it."""
    return error.with_traceback(None)


def _translated(method: Callable[Concatenate[Nodes, _P], _T]) -> Callable[Concatenate[Nodes, _P], _T]:
    """Spinnaker's exceptions as this package's."""

    @functools.wraps(method)
    def call(self: Nodes, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return method(self, *args, **kwargs)
        except self.spin.SpinnakerException as error:
            if error_code(error) in GONE:
                raise CameraDisconnectedError(
                    f"{self.owner} stopped answering, check its cable and power: {error}"
                ) from unpinned(error)
            raise CameraSettingError(
                f"{self.owner} refuses {' '.join(map(str, args))}: {error}"
            ) from unpinned(error)

    return cast("Callable[Concatenate[Nodes, _P], _T]", call)


class Nodes:
    """Access to one node map through PySpin's pointer classes.

    GS3 features such as AcquisitionFrameRateEnabled are no attributes of PySpin's camera object, so
    everything goes through the map.

    Args:
        spin: The PySpin module.
        nodemap: The map.
        owner: Whose it is, for messages.

    """

    def __init__(self, spin: Any, nodemap: Any, owner: str) -> None:
        self.spin, self._nodemap, self.owner = spin, nodemap, owner

    def drop(self) -> None:
        """Let go of the map, so that the camera can be released."""
        self._nodemap = None

    @_translated
    def refresh(self) -> None:
        """Ask the camera itself from here on: GenApi answers from what was last read or written."""
        self._map.InvalidateNodes()

    @property
    def _map(self) -> Any:
        if self._nodemap is None:
            raise CameraDisconnectedError(f"{self.owner} has left or was given back; plug it in and connect")
        return self._nodemap

    def _node(self, pointer: str, name: str) -> Any:
        node = getattr(self.spin, pointer)(self._map.GetNode(name))
        if not self.spin.IsImplemented(node):
            raise CameraSettingError(f"{self.owner} has no feature {name}; is it the right model?")
        return node

    def _writable(self, pointer: str, name: str, value: object) -> Any:
        node = self._node(pointer, name)
        if not self.spin.IsWritable(node):
            raise CameraSettingError(f"{self.owner} does not let {name} be set to {value} now: it is locked")
        return node

    @_translated
    def exists(self, name: str) -> bool:
        """Whether the feature is available now."""
        return bool(self.spin.IsAvailable(self._map.GetNode(name)))

    @_translated
    def writable(self, name: str) -> bool:
        """Whether the feature exists and can be written now."""
        return bool(self.spin.IsWritable(self._map.GetNode(name)))

    @_translated
    def offers(self, name: str, symbol: str) -> bool:
        """Whether an enumeration exists and has this entry."""
        if not self.exists(name):
            return False
        entry = self.spin.CEnumerationPtr(self._map.GetNode(name)).GetEntryByName(symbol)
        return bool(self.spin.IsReadable(self.spin.CEnumEntryPtr(entry)))

    @_translated
    def text(self, name: str, missing: str) -> str:
        """Value as text; `missing` when the feature is absent."""
        node = self.spin.CStringPtr(self._map.GetNode(name))
        return str(node.GetValue()) if self.spin.IsReadable(node) else missing

    @_translated
    def integer(self, name: str) -> int:
        """Value of an IInteger."""
        return int(self._node("CIntegerPtr", name).GetValue())

    @_translated
    def optional_integer(self, name: str) -> int:
        """Value of an IInteger; 0 when the feature is absent."""
        node = self.spin.CIntegerPtr(self._map.GetNode(name))
        return int(node.GetValue()) if self.spin.IsReadable(node) else 0

    @_translated
    def real(self, name: str) -> float:
        """Value of an IFloat."""
        return float(self._node("CFloatPtr", name).GetValue())

    @_translated
    def symbol(self, name: str) -> str:
        """Entry of an IEnumeration, True or False of an IBoolean; "unavailable" while the camera hides it."""
        switch = self.spin.CBooleanPtr(self._map.GetNode(name))
        if self.spin.IsReadable(switch):
            return str(bool(switch.GetValue()))
        node = self._node("CEnumerationPtr", name)
        return str(node.GetCurrentEntry().GetSymbolic()) if self.spin.IsReadable(node) else "unavailable"

    @_translated
    def limits(self, name: str) -> Limits:
        """Range of an IInteger or IFloat now."""
        node = self.spin.CIntegerPtr(self._map.GetNode(name))
        if self.spin.IsReadable(node):
            return Limits(float(node.GetMin()), float(node.GetMax()), float(node.GetInc()))
        node = self._node("CFloatPtr", name)
        return Limits(float(node.GetMin()), float(node.GetMax()), 0.0)

    @_translated
    def set_integer(self, name: str, value: int) -> Applied:
        """Write an IInteger that must be taken exactly.

        Raises:
            CameraSettingError: Out of range, off the increment, locked or missing.

        """
        node = self._writable("CIntegerPtr", name, value)
        low, high, step = int(node.GetMin()), int(node.GetMax()), int(node.GetInc())
        if not low <= value <= high:
            raise CameraSettingError(f"{name} {value} of {self.owner} is outside {low} to {high}")
        if (value - low) % step:
            down = low + (value - low) // step * step
            near = f"{down} or {down + step}" if down + step <= high else str(down)
            raise CameraSettingError(
                f"{name} {value} of {self.owner} is not on its increment of {step}; use {near}"
            )
        node.SetValue(value)
        return Applied(name, float(value), float(node.GetValue()))

    @_translated
    def set_real(self, name: str, value: float) -> Applied:
        """Write an IFloat and read back what the camera made of it.

        Raises:
            CameraSettingError: Out of range, locked, missing, or the camera took something quite different.

        """
        node = self._writable("CFloatPtr", name, value)
        low, high, unit = float(node.GetMin()), float(node.GetMax()), node.GetUnit()
        if not (math.isfinite(value) and low <= value <= high):
            raise CameraSettingError(
                f"{name} {value:g} {unit} of {self.owner} is outside {low:g} to {high:g} {unit}"
            )
        node.SetValue(float(value))
        got = float(node.GetValue())
        if abs(got - value) > max(_TOLERANCE * abs(value), 0.05):
            raise CameraSettingError(
                f"{self.owner} made {got:g} {unit} of {name} {value:g}; choose a value it keeps"
            )
        return Applied(name, float(value), got)

    @_translated
    def execute(self, name: str) -> None:
        """Run an ICommand.

        Raises:
            CameraSettingError: Locked or missing.

        """
        self._writable("CCommandPtr", name, "on").Execute()

    @_translated
    def set_boolean(self, name: str, value: bool) -> None:
        """Write an IBoolean; a locked one that has the value already is left alone."""
        node = self._node("CBooleanPtr", name)
        if self.spin.IsReadable(node) and bool(node.GetValue()) == value:
            return
        self._writable("CBooleanPtr", name, value).SetValue(value)

    @_translated
    def choose(self, name: str, symbol: str) -> None:
        """Write an IEnumeration by its entry's name; a locked one that has it already is left alone.

        Raises:
            CameraSettingError: No such entry, locked or missing.

        """
        node = self._node("CEnumerationPtr", name)
        if self.spin.IsReadable(node) and node.GetCurrentEntry().GetSymbolic() == symbol:
            return
        entry = self.spin.CEnumEntryPtr(node.GetEntryByName(symbol))
        if not self.spin.IsReadable(entry):
            entries = [self.spin.CEnumEntryPtr(entry) for entry in node.GetEntries()]
            there = ", ".join(str(entry.GetSymbolic()) for entry in entries if self.spin.IsReadable(entry))
            raise CameraSettingError(f"{name} of {self.owner} has no entry {symbol}; it has {there}")
        self._writable("CEnumerationPtr", name, symbol).SetIntValue(entry.GetValue())
