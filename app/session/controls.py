"""What the operator changes on a connected camera: light, colour and a free frame rate, live or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from app.session.channel import Channel
from app.session.crew import Crew, SessionError
from app.session.streams import SessionStreams
from drivers import Applied, Role

_BALANCE_S = 3.0
_BALANCE_POLL_S = 0.05


class SessionControls(SessionStreams):
    """Setters of a session. Each returns what was asked for and what the camera made of it.

    Args:
        crew: The cameras.
        taking: Whether a take is running.

    """

    def __init__(self, crew: Crew, taking: Callable[[], bool]) -> None:
        super().__init__(crew)
        self._taking = taking

    def set_exposure_us(self, role: Role, value: float) -> Applied:
        """Change SFNC ExposureTime now, live or not.

        Raises:
            TriggerPlanError: It does not fit between pulses.
            CameraSettingError: The camera refuses it.

        """
        self._crew.configured().check_exposure(role, value)
        applied = self._crew.channel(role).set_exposure_us(value)
        self._remember(role, exposure_us=applied.applied)
        return applied

    def set_gain_db(self, role: Role, value: float) -> Applied:
        """Change SFNC Gain now, live or not.

        Raises:
            CameraSettingError: The camera refuses it.

        """
        self._crew.configured()
        applied = self._crew.channel(role).set_gain_db(value)
        self._remember(role, gain_db=applied.applied)
        return applied

    def set_white_balance(self, role: Role, red: float, blue: float) -> tuple[Applied, Applied]:
        """Change SFNC BalanceRatio of red and blue now, live or not.

        Args:
            role: The camera.
            red: Factor on the red pixels.
            blue: Factor on the blue pixels.

        Raises:
            SessionError: A take is running: it has one white balance.
            CameraSettingError: The camera refuses a ratio.

        """
        channel = self._colour_channel(role)
        return self._balanced(role, channel.call(lambda: channel.camera.set_white_balance(red, blue)))

    def white_balance_once(self, role: Role) -> tuple[Applied, Applied]:
        """Let a live camera find its white balance from what it sees, and wait for it.

        Raises:
            SessionError: The camera is not live, a take is running, or no balance was found within seconds.
            CameraError: The camera gave up.

        """
        channel = self._colour_channel(role)
        if not channel.running:
            raise SessionError(
                "a camera finds its white balance from live pictures; start the live view first"
            )
        camera, settings = channel.camera, self._crew.configured().camera(role)
        channel.call(camera.start_white_balance)
        end = time.monotonic() + _BALANCE_S
        while (found := channel.call(camera.settled_white_balance)) is None:
            if time.monotonic() > end:
                channel.call(lambda: camera.set_white_balance(settings.red_balance, settings.blue_balance))
                raise SessionError(
                    f"camera {camera.identity.serial} found no white balance within {_BALANCE_S:g} s; show "
                    "it something grey in good light and try again"
                )
            time.sleep(_BALANCE_POLL_S)
        return self._balanced(role, found)

    def set_frame_rate(self, role: Role, hz: float) -> Applied:
        """Change SFNC AcquisitionFrameRate of a free-running camera now, live or not.

        Args:
            role: The camera.
            hz: Frames per second.

        Raises:
            TriggerPlanError: The present exposure does not fit between frames of this rate.
            CameraSettingError: The camera refuses it, or waits for pulses: the trigger plan sets its rate.

        """
        settings = self._crew.configured()
        camera = settings.camera(role)
        if settings.free_running:
            settings.with_camera(role, replace(camera, frame_rate=hz)).check_exposure(
                role, camera.exposure_us
            )
        channel = self._crew.channel(role)
        applied = channel.call(lambda: channel.camera.set_frame_rate(hz))
        self._remember(role, frame_rate=applied.applied)
        return applied

    def _colour_channel(self, role: Role) -> Channel:
        """The camera's channel, where its colours may change."""
        self._crew.configured()
        if self._taking():
            raise SessionError("a take has one white balance; stop the take before you change it")
        return self._crew.channel(role)

    def _balanced(self, role: Role, applied: tuple[Applied, Applied]) -> tuple[Applied, Applied]:
        self._remember(role, red_balance=applied[0].applied, blue_balance=applied[1].applied)
        return applied

    def _remember(self, role: Role, **changes: float) -> None:
        settings = self._crew.configured()
        camera = settings.hsr if role is Role.HSR else settings.lsr
        self._crew.settings = settings.with_camera(role, replace(camera, **changes))  # type: ignore[arg-type]
