"""What the keys for takes do to the session: arm, begin and end one, and have the picture back afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from app.gui.camera_rig import CameraRig
from app.gui.messages import Messages
from app.gui.requests import TakeRequest
from app.session import SessionError, State, TakeReport
from drivers import TakeExistsError


class TakeCommands:
    """Runs on the session's thread only.

    Args:
        messages: Where it is said that a take got another name.
        started: Told about every take that has been opened.
        finished: Told about every take that has ended.
        live: Told when new rings are there.

    """

    def __init__(
        self,
        messages: Messages,
        *,
        started: Callable[[TakeRequest], None],
        finished: Callable[[TakeReport], None],
        live: Callable[[], None],
    ) -> None:
        self._messages = messages
        self._started, self._finished, self._live = started, finished, live
        self._live_after = False
        self._folders: set[Path] = set()

    def start(self, rig: CameraRig, request: TakeRequest) -> None:
        """Open a take: from now on when live, otherwise, or where it shall wait, from the first pulse.

        Raises:
            SessionError: A take is open already, or a camera has left.
            TakeError: The folder cannot be made, or the disk has no room.

        """
        state = rig.session.state
        if state is State.ARMED and not (request.wait or request.only_past):
            # The record key came before the window knew that the take is armed.
            self.fire(rig)
            return
        if state not in (State.IDLE, State.LIVE):
            raise SessionError("a take is armed or running already; end it first")
        for role in rig.session.away:
            raise SessionError(f"camera {rig.serials[role]} has left; plug it in before the take")
        folder = request.path.parent
        if folder in self._folders and not folder.exists():
            self._messages.warning(
                f"{folder} was gone and is made anew; if it was on a disk that was pulled, plug that in again"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._folders.add(folder)
        live = state is State.LIVE
        self._live_after = request.wait and live
        if self._live_after:
            rig.session.stop_live()
        try:
            request = self._open(rig, request)
        except Exception:
            # The operator keeps the picture and sees the reason.
            self._resume(rig)
            raise
        self._started(request)
        if self._live_after or not live:
            self._live()
        if request.only_past:
            self.stop(rig)

    def _open(self, rig: CameraRig, wanted: TakeRequest) -> TakeRequest:
        """Open the take under a name that is free, and return the request for that name."""
        while True:
            request = wanted.on_free_name()
            # Another window may take the name meanwhile.
            with suppress(TakeExistsError):
                rig.session.start_recording(
                    request.path,
                    pre_seconds=request.pre_seconds,
                    name=request.name,
                    notes=request.notes,
                    wait=request.wait,
                )
                break
        if request is not wanted:
            self._messages.info(f"there is a take {wanted.name} already: this one is {request.name}")
        return request

    def fire(self, rig: CameraRig) -> None:
        """Start the pulses of an armed take."""
        # The first frame and the operator's key may ask for it at the same time.
        if rig.session.state is State.ARMED:
            rig.session.fire()

    def stop(self, rig: CameraRig) -> None:
        """End the take, or give an armed one up; a picture that was live before is live again.

        Raises:
            SessionError: No take is open.
            TakeError: The disk refused to close the take; everything before is kept.

        """
        try:
            self._finished(rig.session.stop_recording())
        finally:
            self._resume(rig)

    def _resume(self, rig: CameraRig) -> None:
        if self._live_after and rig.session.state is State.IDLE:
            rig.session.start_live()
            self._live()
