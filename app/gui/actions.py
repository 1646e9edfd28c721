"""Everything the operator can trigger, as one table: menus, toolbar, shortcuts and help page follow it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QMainWindow, QMenu, QToolBar

from app.gui.hold_button import HoldButton
from app.session import State

CONNECTED = frozenset(State) - {State.DISCONNECTED}
CALM = frozenset({State.IDLE, State.LIVE})
STREAMING = frozenset({State.LIVE, State.RECORDING})
ALWAYS = frozenset(State)
MENUS = ("File", "Edit", "Camera", "Calibrate", "Fuse", "View", "Help")


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """One action.

    Attributes:
        key: Name in the program.
        menu: Menu it is in.
        text: Words on the menu and the toolbar.
        help: What it does, for tool tip, status line and help page.
        shortcut: Key, in Qt's notation; "" for none.
        states: Session states in which it can be triggered.
        toolbar: Whether it is on the toolbar.
        checkable: Whether it switches something on and off.
        checked: Its state at the start.

    """

    key: str
    menu: str
    text: str
    help: str
    shortcut: str = ""
    states: frozenset[State] = ALWAYS
    toolbar: bool = False
    checkable: bool = False
    checked: bool = False


ACTIONS: tuple[ActionInfo, ...] = (
    ActionInfo("undo", "Edit", "Undo", "Take the last change of exposure, gain or colour back", "Ctrl+Z"),
    ActionInfo("redo", "Edit", "Redo", "Make the change that was taken back again", "Ctrl+Shift+Z"),
    ActionInfo(
        "connect",
        "Camera",
        "Connect",
        "Open both cameras and start the live view",
        "Ctrl+K",
        frozenset({State.DISCONNECTED}),
        toolbar=True,
    ),
    ActionInfo("disconnect", "Camera", "Disconnect", "Give both cameras back", "", CALM),
    ActionInfo(
        "live", "Camera", "Live", "Start or stop the live view", "F5", CALM, toolbar=True, checkable=True
    ),
    ActionInfo(
        "record",
        "Camera",
        "Record",
        "Start a take, or the pulses of an armed one; press again to stop it, or hold the button",
        "F9",
        frozenset({State.IDLE, State.LIVE, State.ARMED, State.RECORDING}),
        toolbar=True,
        checkable=True,
    ),
    ActionInfo(
        "arm",
        "Camera",
        "Arm",
        "Stop the pulses and make ready: the take begins with the very first pulse",
        "F6",
        frozenset({State.IDLE, State.LIVE, State.ARMED}),
        toolbar=True,
        checkable=True,
    ),
    ActionInfo(
        "note",
        "Camera",
        "Note ...",
        "Write a note that is kept with the frame numbers of this moment",
        "N",
        frozenset({State.RECORDING}),
        toolbar=True,
    ),
    ActionInfo(
        "save_past",
        "Camera",
        "Save last 2 s",
        "Make a take of the two seconds that have just passed",
        "F8",
        frozenset({State.LIVE}),
        toolbar=True,
    ),
    ActionInfo("snapshot", "Camera", "Snapshot", "Save one picture of each camera as PNG", "S", STREAMING),
    ActionInfo(
        "auto_exposure",
        "Camera",
        "Auto exposure",
        "Selected camera: find a good exposure once",
        "A",
        STREAMING,
    ),
    ActionInfo(
        "exposure_down",
        "Camera",
        "Less exposure",
        "Selected camera: a third of a stop darker",
        "[",
        CONNECTED,
    ),
    ActionInfo(
        "exposure_up",
        "Camera",
        "More exposure",
        "Selected camera: a third of a stop brighter",
        "]",
        CONNECTED,
    ),
    ActionInfo("gain_down", "Camera", "Less gain", "Selected camera: 1 dB less gain", "Shift+[", CONNECTED),
    ActionInfo("gain_up", "Camera", "More gain", "Selected camera: 1 dB more gain", "Shift+]", CONNECTED),
    ActionInfo(
        "select_camera",
        "Camera",
        "Select the other camera",
        "Change which camera the keys act on",
        "Ctrl+Tab",
    ),
    ActionInfo(
        "check_sync", "Camera", "Check sync", "Compare ids and time stamps of both cameras", "Y", STREAMING
    ),
    ActionInfo(
        "link",
        "Camera",
        "Link exposures",
        "A change of one exposure changes the other by the same factor",
        "L",
        checkable=True,
    ),
    ActionInfo("view_all", "View", "All views", "Show both cameras and the fused picture", "4"),
    ActionInfo("view_hsr", "View", "HSR view only", "Show only the sharp camera", "1"),
    ActionInfo("view_lsr", "View", "LSR view only", "Show only the fast camera", "2"),
    ActionInfo(
        "view_combined", "View", "Combined view only", "Show only the overlay or the fused picture", "3"
    ),
    ActionInfo(
        "zoom_actual",
        "View",
        "Actual pixels (1:1)",
        "One pixel of the selected camera, and of the fused picture, on one pixel of the screen",
        "Z",
    ),
    ActionInfo("zoom_all", "View", "Whole picture", "Zoom all views out (or double-click)", "Ctrl+0"),
    ActionInfo(
        "align",
        "Calibrate",
        "Align views",
        "Measure the alignment from the newest pair of frames",
        "R",
        STREAMING,
    ),
    ActionInfo(
        "calibrate",
        "Calibrate",
        "Calibrate with a board ...",
        "Collect board views and make a rig file",
        "Ctrl+B",
    ),
    ActionInfo(
        "open_rig", "Calibrate", "Open rig ...", "Align by a rig file of these cameras", "Ctrl+R", CONNECTED
    ),
    ActionInfo(
        "show_overlay",
        "Fuse",
        "Overlay",
        "Lay both views over each other, red and cyan; press again for neither",
        "Shift+F6",
        toolbar=True,
        checkable=True,
    ),
    ActionInfo(
        "show_fused",
        "Fuse",
        "Fuse live",
        "Fuse the newest frames while the cameras run; press again to stop",
        "F7",
        toolbar=True,
        checkable=True,
    ),
    ActionInfo(
        "import", "File", "Import clips ...", "Make a take of two phone clips or other videos", "Ctrl+I"
    ),
    ActionInfo(
        "takes",
        "File",
        "Takes",
        "Look at recorded takes, fuse and export them",
        "F3",
        toolbar=True,
        checkable=True,
    ),
    ActionInfo("fuse_take", "File", "Fuse take ...", "Fuse the chosen take into a clip", "Ctrl+F"),
    ActionInfo("export", "File", "Export take ...", "Write the chosen take's streams as clips", "F10"),
    ActionInfo("show_off", "Fuse", "Combined view off", "Neither overlay nor live fusion", "Shift+F7"),
    ActionInfo(
        "link_views",
        "View",
        "Link zoom and pan",
        "Both cameras show the same part of the field",
        "",
        checkable=True,
        checked=True,
    ),
    ActionInfo(
        "saturation", "View", "Mark saturated pixels", "Paint saturated pixels red", "O", checkable=True
    ),
    ActionInfo(
        "histogram", "View", "Histograms", "Show or hide the histograms", "H", checkable=True, checked=True
    ),
    ActionInfo("grid", "View", "Grid", "Thirds and centre lines", "G", checkable=True),
    ActionInfo(
        "dark",
        "View",
        "Dark colours",
        "Switch between the dark and the light look",
        "Ctrl+D",
        checkable=True,
        checked=True,
    ),
    ActionInfo("log", "Help", "Messages", "Show all messages of this session with their details", "Ctrl+L"),
    ActionInfo("help", "Help", "Keys and actions", "List every action with its key", "F1"),
    ActionInfo("quit", "File", "Quit", "End the program; a running take is asked about", "Ctrl+Q"),
    *(
        ActionInfo(
            f"preset_{n}", "Camera", f"Preset {n}", f"Set both cameras as preset {n} says", f"Ctrl+{n}", CALM
        )
        for n in range(1, 10)
    ),
)


def first_keys() -> str:
    """The keys that a newcomer needs first: that of the list of all, and those of the toolbar."""
    wanted = [info for info in ACTIONS if info.key == "help"]
    wanted += [info for info in ACTIONS if info.shortcut and info.toolbar and State.LIVE in info.states]
    return "   ".join(f"{info.shortcut}  {info.text}" for info in wanted)


_REPEATED = frozenset({"exposure_down", "exposure_up", "gain_down", "gain_up", "undo", "redo"})
"""Actions that go on while their key is held."""
_EVERYWHERE = frozenset({"record", "arm"})
"""Actions whose keys also work while a window in front lets one go on: a take waits for no click."""


class Actions:
    """The QActions of one window.

    Args:
        window: Gets the menus, the toolbar and the shortcuts.
        handlers: What each action does, by key; a checkable one is given its new state.

    Raises:
        KeyError: An action of the table has no handler.

    """

    def __init__(self, window: QMainWindow, handlers: Mapping[str, Callable[[bool], None]]) -> None:
        self._actions: dict[str, QAction] = {}
        self._on: dict[str, bool] = {}
        bar = window.menuBar()
        menus: dict[str, QMenu] = {}
        if bar is not None:
            for name in MENUS:
                menu = bar.addMenu(f"&{name}")
                if menu is not None:
                    menus[name] = menu
        self.toolbar = QToolBar("Main")
        self.toolbar.setObjectName("toolbar_main")
        self.toolbar.setMovable(False)
        window.addToolBar(self.toolbar)
        for info in ACTIONS:
            action = QAction(info.text, window)
            action.setObjectName(f"action_{info.key}")
            action.setCheckable(info.checkable)
            action.setChecked(info.checked)
            key = f" ({info.shortcut})" if info.shortcut else ""
            action.setToolTip(f"{info.help}{key}")
            action.setStatusTip(info.help)
            if info.shortcut:
                action.setShortcut(QKeySequence(info.shortcut))
                # A key that is held must not end what it has just begun.
                action.setAutoRepeat(info.key in _REPEATED)
                if info.key in _EVERYWHERE:
                    action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
            # First: a handler may change what is so.
            action.triggered.connect(partial(self._correct, info.key))
            action.triggered.connect(handlers[info.key])
            if info.menu in menus:
                menus[info.menu].addAction(action)
            if info.key == "record":
                self.record_button = HoldButton(action)
                self.toolbar.addWidget(self.record_button)
            elif info.toolbar:
                self.toolbar.addAction(action)
            self._actions[info.key] = action

    def __getitem__(self, key: str) -> QAction:
        return self._actions[key]

    def follow(self, state: State) -> None:
        """Enable what the state allows, and show on the switches where the session stands."""
        for info in ACTIONS:
            self._actions[info.key].setEnabled(state in info.states)
        self.set_on("live", state in STREAMING)
        self.set_on("arm", state is State.ARMED)
        recording = state is State.RECORDING
        self.set_on("record", recording)
        self._actions["record"].setText("Stop recording" if recording else "Record")

    def set_on(self, key: str, on: bool) -> None:
        """Show whether something is on; from now on triggering this action does not change its check mark."""
        self._on[key] = on
        self._actions[key].setChecked(on)

    def _correct(self, key: str, _: bool) -> None:
        """Qt checks an action when it is triggered, though what was asked for may be refused."""
        if key in self._on:
            self._actions[key].setChecked(self._on[key])
