"""What the cameras of a session are and deliver; it only looks."""

from __future__ import annotations

from app.session.channel import LiveCounters
from app.session.crew import Crew, SessionSettings
from drivers import CameraIdentity, Frame, OverwrittenError, RingBuffer, Role


class SessionStreams:
    """Both streams of a session, from any thread.

    Args:
        crew: The cameras.

    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    @property
    def settings(self) -> SessionSettings | None:
        """What `configure` was last given, with later changes by the setters."""
        return self._crew.settings

    @property
    def identities(self) -> dict[Role, CameraIdentity]:
        """Who the connected cameras are."""
        return {role: channel.camera.identity for role, channel in self._crew.channels.items()}

    def ring(self, role: Role) -> RingBuffer:
        """The stream's newest frames; a new one with every start of the pulses.

        Raises:
            SessionError: No frame can be there yet.

        """
        return self._crew.ring(role)

    def measure_grabs(self) -> dict[Role, list[int]]:
        """From now on note how long each frame takes from its hand-over into the ring [ns], per stream."""
        noted: dict[Role, list[int]] = {role: [] for role in Role}
        for role, channel in self._crew.channels.items():
            channel.grab_ns = noted[role]
        return noted

    def latest(self, role: Role) -> Frame | None:
        """Copy of the newest frame; None before the first."""
        while True:
            channel = self._crew.channels.get(role)
            ring = channel.ring if channel is not None else None
            newest = ring.latest() if ring is not None else None
            if ring is None or newest is None:
                return None
            try:
                return ring.read(newest)
            except OverwrittenError:
                # The cameras were faster, or began again in a ring that took over this one's memory.
                continue

    def counters(self, role: Role) -> LiveCounters:
        """Frames received, damaged and missing since the pulses began."""
        return self._crew.channel(role).counters
