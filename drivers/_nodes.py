"""GenICam nodes by name: checked writes, read-back, and errors in plain words."""

from __future__ import annotations

import math
from typing import Any

from drivers.camera import Applied, Limits
from drivers.errors import CameraSettingError

_TOLERANCE = 0.02
"""Exposure and gain move in steps of the sensor: what comes back may differ by this part."""


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
        self._spin, self._map, self._owner = spin, nodemap, owner

    def drop(self) -> None:
        """Let go of the map, so that the camera can be released."""
        self._map = None

    def _node(self, pointer: str, name: str) -> Any:
        node = getattr(self._spin, pointer)(self._map.GetNode(name))
        if not self._spin.IsImplemented(node):
            raise CameraSettingError(f"{self._owner} has no feature {name}; is it the right model?")
        return node

    def _writable(self, pointer: str, name: str, value: object) -> Any:
        node = self._node(pointer, name)
        if not self._spin.IsWritable(node):
            raise CameraSettingError(f"{self._owner} does not let {name} be set to {value} now: it is locked")
        return node

    def exists(self, name: str) -> bool:
        """Whether the feature is available now."""
        return bool(self._spin.IsAvailable(self._map.GetNode(name)))

    def offers(self, name: str, symbol: str) -> bool:
        """Whether an enumeration exists and has this entry."""
        if not self.exists(name):
            return False
        entry = self._spin.CEnumerationPtr(self._map.GetNode(name)).GetEntryByName(symbol)
        return bool(self._spin.IsReadable(self._spin.CEnumEntryPtr(entry)))

    def text(self, name: str, missing: str) -> str:
        """Value as text; `missing` when the feature is absent."""
        node = self._spin.CStringPtr(self._map.GetNode(name))
        return str(node.GetValue()) if self._spin.IsReadable(node) else missing

    def integer(self, name: str) -> int:
        """Value of an IInteger."""
        return int(self._node("CIntegerPtr", name).GetValue())

    def optional_integer(self, name: str) -> int:
        """Value of an IInteger; 0 when the feature is absent."""
        node = self._spin.CIntegerPtr(self._map.GetNode(name))
        return int(node.GetValue()) if self._spin.IsReadable(node) else 0

    def real(self, name: str) -> float:
        """Value of an IFloat."""
        return float(self._node("CFloatPtr", name).GetValue())

    def symbol(self, name: str) -> str:
        """Current entry of an IEnumeration; "unavailable" while the camera hides it."""
        node = self._node("CEnumerationPtr", name)
        return str(node.GetCurrentEntry().GetSymbolic()) if self._spin.IsReadable(node) else "unavailable"

    def limits(self, name: str) -> Limits:
        """Range of an IInteger or IFloat now."""
        node = self._spin.CIntegerPtr(self._map.GetNode(name))
        if self._spin.IsReadable(node):
            return Limits(float(node.GetMin()), float(node.GetMax()), float(node.GetInc()))
        node = self._node("CFloatPtr", name)
        return Limits(float(node.GetMin()), float(node.GetMax()), 0.0)

    def set_integer(self, name: str, value: int) -> Applied:
        """Write an IInteger that must be taken exactly.

        Raises:
            CameraSettingError: Out of range, off the increment, locked or missing.

        """
        node = self._writable("CIntegerPtr", name, value)
        low, high, step = int(node.GetMin()), int(node.GetMax()), int(node.GetInc())
        if not low <= value <= high:
            raise CameraSettingError(f"{name} {value} of {self._owner} is outside {low} to {high}")
        if (value - low) % step:
            down = low + (value - low) // step * step
            near = f"{down} or {down + step}" if down + step <= high else str(down)
            raise CameraSettingError(
                f"{name} {value} of {self._owner} is not on its increment of {step}; use {near}"
            )
        self._write(node.SetValue, name, value)
        return Applied(name, float(value), float(node.GetValue()))

    def set_real(self, name: str, value: float) -> Applied:
        """Write an IFloat and read back what the camera made of it.

        Raises:
            CameraSettingError: Out of range, locked, missing, or the camera took something quite different.

        """
        node = self._writable("CFloatPtr", name, value)
        low, high, unit = float(node.GetMin()), float(node.GetMax()), node.GetUnit()
        if not (math.isfinite(value) and low <= value <= high):
            raise CameraSettingError(
                f"{name} {value:g} {unit} of {self._owner} is outside {low:g} to {high:g} {unit}"
            )
        self._write(node.SetValue, name, float(value))
        got = float(node.GetValue())
        if abs(got - value) > max(_TOLERANCE * abs(value), 0.05):
            raise CameraSettingError(
                f"{self._owner} made {got:g} {unit} of {name} {value:g}; choose a value it keeps"
            )
        return Applied(name, float(value), got)

    def set_boolean(self, name: str, value: bool) -> None:
        """Write an IBoolean; a locked one that has the value already is left alone."""
        node = self._node("CBooleanPtr", name)
        if self._spin.IsReadable(node) and bool(node.GetValue()) == value:
            return
        self._write(self._writable("CBooleanPtr", name, value).SetValue, name, value)

    def choose(self, name: str, symbol: str) -> None:
        """Write an IEnumeration by its entry's name; a locked one that has it already is left alone.

        Raises:
            CameraSettingError: No such entry, locked or missing.

        """
        node = self._node("CEnumerationPtr", name)
        if self._spin.IsReadable(node) and node.GetCurrentEntry().GetSymbolic() == symbol:
            return
        entry = self._spin.CEnumEntryPtr(node.GetEntryByName(symbol))
        if not self._spin.IsReadable(entry):
            raise CameraSettingError(f"{name} of {self._owner} has no entry {symbol}")
        self._write(self._writable("CEnumerationPtr", name, symbol).SetIntValue, name, entry.GetValue())

    def _write(self, write: Any, name: str, value: object) -> None:
        try:
            write(value)
        except self._spin.SpinnakerException as error:
            raise CameraSettingError(f"{self._owner} refuses {name} = {value}: {error}") from error
