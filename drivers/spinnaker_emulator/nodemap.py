"""The state behind a table of nodes: values, limits, access, and what a write changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from drivers.spinnaker_emulator.errors import (
    ErrorCode,
    SpinnakerException,
    access_error,
    argument_error,
    range_error,
)
from drivers.spinnaker_emulator.specs import Access, Kind, NodeSpec, Scalar, evaluate

Key = tuple[str, int]

_NEVER_KEPT = frozenset({"TLParamsLocked", "Timestamp", "TimestampLatchValue"})


class _Numbers(Mapping[str, float]):
    """What formulas see: every node's value as a number."""

    def __init__(self, features: NodeState) -> None:
        self._features = features

    def __getitem__(self, name: str) -> float:
        return self._features.number(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._features.specs)

    def __len__(self) -> int:
        return len(self._features.specs)


class NodeState:
    """Values of one node map.

    Args:
        specs: The table.
        lock: Shared with whoever else changes the device's state.
        caching: Keep what a client has read or written, as GenApi does for every register that is not marked
            otherwise (https://docs.baslerweb.com/cpp/struct_gen_api_1_1_i_node.html): what the device
            changes by itself is not seen, nor that it has left, until the client invalidates the nodes.

    """

    def __init__(
        self, specs: tuple[NodeSpec, ...], lock: threading.RLock | None = None, *, caching: bool = False
    ) -> None:
        self.specs: dict[str, NodeSpec] = {spec.name: spec for spec in specs}
        self.lock = lock or threading.RLock()
        self.on_write: list[Callable[[str], None]] = []
        self.on_command: dict[str, Callable[[], None]] = {}
        self.before_read: Callable[[str], None] | None = None
        self.before_write: Callable[[], None] | None = None
        self.live: dict[str, Callable[[], Scalar]] = {}
        self._entries = {s.name: dict(s.entries) for s in specs if s.kind is Kind.ENUMERATION}
        self._numbers = _Numbers(self)
        self.unplugged = False
        self._values: dict[Key, Scalar] = {}
        self._caching = caching
        self._kept: dict[Key, Scalar] = {}
        self.reset()

    def reset(self) -> None:
        """Factory values everywhere (UserSetLoad of the default set)."""
        self._values = {(name, 0): spec.value for name, spec in self.specs.items()}

    def invalidate(self, name: str | None = None) -> None:
        """Ask the device again when the client reads this feature next, or any."""
        with self.lock:
            self._kept = {key: value for key, value in self._kept.items() if name not in (None, key[0])}

    def snapshot(self) -> dict[Key, Scalar]:
        """All values, as UserSetSave keeps them."""
        return dict(self._values)

    def restore(self, values: dict[Key, Scalar]) -> None:
        """Values of a snapshot."""
        self._values = dict(values)

    def force(self, name: str, value: Scalar, selected: int | None = None) -> None:
        """Change a value as the device itself does: no access check, no limits."""
        with self.lock:
            key = self._key(self.specs[name]) if selected is None else (name, selected)
            self._values[key] = value

    def raw(self, name: str, selected: int | None = None) -> Scalar:
        """Value without an access check; an enumeration's symbol."""
        spec = self.specs[name]
        if spec.computed:
            value = evaluate(spec.computed, self._numbers)
            return value if spec.kind is Kind.FLOAT else int(value)
        if name in self.live:
            return self.live[name]()
        key = self._key(spec) if selected is None else (name, selected)
        return self._values.get(key, spec.value)

    def number(self, name: str) -> float:
        """Value as a number: an enumeration's integer, 1 for True."""
        value = self.raw(name)
        if isinstance(value, str):
            return self._entries[name][value] if name in self._entries else 0
        return value

    def access(self, name: str) -> Access:
        """Access mode now."""
        spec = self.specs.get(name)
        if spec is None:
            return Access.NI
        if spec.hidden_if and evaluate(spec.hidden_if, self._numbers):
            return Access.NA
        if spec.locked_if and evaluate(spec.locked_if, self._numbers):
            return Access.NA if spec.access is Access.WO else Access.RO
        return spec.access

    def limits(self, name: str) -> tuple[float, float, int]:
        """Minimum, maximum and increment now."""
        spec = self.specs[name]
        low = evaluate(spec.minimum, self._numbers) if isinstance(spec.minimum, str) else spec.minimum
        high = evaluate(spec.maximum, self._numbers) if isinstance(spec.maximum, str) else spec.maximum
        if spec.kind is Kind.INTEGER:
            low, high = int(low), int(high)
            high = low + (high - low) // spec.increment * spec.increment
        return low, high, spec.increment

    def read(self, name: str, call: str = "GetValue") -> Scalar:
        """Value, as the client gets it.

        Raises:
            SpinnakerException: The node is not readable.

        """
        with self.lock:
            key = self._key(self.specs[name])
            if key in self._kept:
                return self._kept[key]
            self._need_device()
            if self.before_read is not None:
                self.before_read(name)
            mode = self.access(name)
            if mode not in (Access.RO, Access.RW):
                raise access_error(name, call, "available" if mode in (Access.NA, Access.NI) else "readable")
            value = self.raw(name)
            self._keep(key, value)
            return value

    def _keep(self, key: Key, value: Scalar) -> None:
        spec = self.specs[key[0]]
        if self._caching and not (spec.computed or spec.name in _NEVER_KEPT or spec.name in self.live):
            self._kept[key] = value

    def write(self, name: str, value: Scalar, call: str = "SetValue") -> None:
        """Write as the client does: access, type, range and increment are checked.

        Raises:
            SpinnakerException: Access (-2006), range or increment (-2002), unknown entry (-2001).

        """
        if self.before_write is not None:
            self.before_write()
        with self.lock:
            self._need_device()
            spec = self.specs[name]
            if self.access(name) is not Access.RW:
                raise access_error(name, call, "writable")
            self.store(name, self._checked(spec, value, call))

    def store(self, name: str, value: Scalar) -> None:
        """Take a value that GenApi has checked, with what the device itself changes because of it."""
        with self.lock:
            key = self._key(self.specs[name])
            self._values[key] = value
            self._keep(key, value)
            self._clip_dependents(name)
        for listener in tuple(self.on_write):
            listener(name)

    def execute(self, name: str) -> None:
        """Run a command.

        Raises:
            SpinnakerException: The command is not available now.

        """
        self._need_device()
        if self.access(name) not in (Access.WO, Access.RW):
            raise access_error(name, "Execute", "writable")
        action = self.on_command.get(name)
        if action is not None:
            action()
        # The description of a camera says what its commands change.
        self.invalidate()

    def _need_device(self) -> None:
        if self.unplugged:
            raise SpinnakerException("Could not read or write remote port.", ErrorCode.INVALID_ADDRESS)

    def entries(self, name: str) -> dict[str, int]:
        """Symbols and integers of an enumeration."""
        return self._entries[name]

    def _key(self, spec: NodeSpec) -> Key:
        return (spec.name, int(self.number(spec.selector)) if spec.selector else 0)

    def _checked(self, spec: NodeSpec, value: Scalar, call: str) -> Scalar:
        if spec.kind is Kind.INTEGER:
            low, high, step = self.limits(spec.name)
            number = int(value)
            if number < low:
                raise range_error(spec.name, call, f"Value {number} must be greater than or equal to {low}.")
            if number > high:
                raise range_error(spec.name, call, f"Value {number} must be smaller than or equal to {high}.")
            if (number - int(low)) % step:
                raise range_error(
                    spec.name,
                    call,
                    f"Value {number} must be equal to Min + n * Inc; Min = {low}, Inc = {step}.",
                )
            return number
        if spec.kind is Kind.FLOAT:
            low, high, _ = self.limits(spec.name)
            real = float(value)
            if not low <= real <= high:
                side = "greater than or equal to" if real < low else "smaller than or equal to"
                bound = low if real < low else high
                raise range_error(spec.name, call, f"Value {real:f} must be {side} {bound:f}.")
            return real
        if spec.kind is Kind.BOOLEAN:
            return bool(value)
        if spec.kind is Kind.ENUMERATION:
            if isinstance(value, str):
                if value not in self._entries[spec.name]:
                    raise argument_error(
                        spec.name,
                        call,
                        f"Feature '{spec.name}' : cannot convert value '{value}', the value is invalid.",
                    )
                return value
            for symbol, number in self._entries[spec.name].items():
                if number == value:
                    return symbol
            raise argument_error(spec.name, call, f"Value = {value} not found in enumeration.")
        return str(value)

    def _clip_dependents(self, written: str) -> None:
        """A narrower range pulls the values inside it, as the camera does for Width and OffsetX."""
        for name, spec in self.specs.items():
            if (
                spec.kind in (Kind.INTEGER, Kind.FLOAT)
                and isinstance(spec.maximum, str)
                and not spec.computed
            ):
                if name == written or spec.access is not Access.RW:
                    continue
                low, high, _ = self.limits(name)
                value = self.raw(name)
                if isinstance(value, str):
                    continue
                if not low <= value <= high:
                    self._values[self._key(spec)] = min(max(value, low), high)
                    self.invalidate(name)
