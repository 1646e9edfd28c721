"""Changes of the cameras that can be taken back: one that is hindered now keeps its place."""

from __future__ import annotations

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QUndoCommand, QUndoStack

from app.gui.actions import CALM
from app.gui.controller import SessionController
from app.gui.messages import Messages
from app.session import State
from drivers import Role


class CameraStep(QUndoCommand):
    """A change of the cameras that can be taken back and made again.

    Args:
        text: What it changes.
        controller: What it acts on.
        roles: The cameras that must be there for it.
        fixed: Its name as something that a take has only one of; "" where it may change during a take.

    """

    def __init__(self, text: str, controller: SessionController, roles: frozenset[Role], fixed: str) -> None:
        super().__init__(text)
        self._controller, self._roles, self._fixed = controller, roles, fixed

    def hindrance(self) -> str:
        """Why it can be neither taken back nor made again now, and what helps; "" when it can."""
        controller = self._controller
        for role in controller.left:
            if role in self._roles:
                return f"the {role.name} camera has left, plug it in again"
        if controller.state is State.DISCONNECTED:
            return "no camera is connected, press Connect first"
        if self._fixed and (controller.state not in CALM or controller.take_asked):
            return f"the {self._fixed} is fixed until the take has ended"
        return ""


class CameraSteps(QUndoStack):
    """The window's changes of the cameras; one that is hindered keeps its place until it is not.

    Args:
        messages: For what hinders.

    """

    def __init__(self, messages: Messages, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._messages = messages

    def undo(self) -> None:
        """Take the last change back."""
        if self._free(self.index() - 1, "undone"):
            super().undo()

    def redo(self) -> None:
        """Make the change that was taken back again."""
        if self._free(self.index(), "redone"):
            super().redo()

    def _free(self, index: int, done: str) -> bool:
        step = self.command(index)
        hindrance = step.hindrance() if isinstance(step, CameraStep) else ""
        if hindrance:
            self._messages.info(f"cannot be {done} now: {hindrance}")
        return not hindrance
