"""The window: views in the middle, panels on the right, messages and figures below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QCloseEvent, QResizeEvent
from PyQt6.QtWidgets import QApplication, QMainWindow, QVBoxLayout, QWidget

from app.gui.actions import CALM, CONNECTED, STREAMING, Actions, first_keys
from app.gui.alignment_lock import Box, Geometry
from app.gui.baseline import BaselinePresenter
from app.gui.baseline_panel import BaselinePanel
from app.gui.camera_rig import RigFactory
from app.gui.checks import Checklist
from app.gui.combined import Combined
from app.gui.controller import SessionController
from app.gui.dialogs import Dialogs
from app.gui.exposure import ExposurePresenter, Quantity
from app.gui.exposure_panel import ExposurePanel
from app.gui.fused_pane import FUSIONS, OVERLAYS, Show
from app.gui.jobs import JobQueue
from app.gui.live_page import LivePage
from app.gui.live_views import LiveViews
from app.gui.message_line import MessageLine
from app.gui.messages import Messages
from app.gui.number_keys import NumberKeys
from app.gui.pages import Pages
from app.gui.presets import Memory, PresetBar
from app.gui.question import confirmed
from app.gui.recording import RecordingPresenter
from app.gui.recording_panel import RecordingPanel
from app.gui.side_column import SideColumn
from app.gui.status import StatusSampler
from app.gui.status_bar import StatusBar
from app.gui.take_page import TakePage
from app.gui.tasks import Tasks
from app.gui.theme import Theme, apply_theme
from app.gui.trigger_panel import TriggerPanel, TriggerPresenter
from app.gui.undo import CameraSteps
from app.session import State
from app.settings import Settings
from drivers import CameraIdentity, Role

_STATUS_AGE_S = 1.2


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """How a window starts; what is asked for only this time is not remembered.

    Attributes:
        open_rig: Finds the cameras.
        folder: Where takes go.
        log_file: Where messages are kept.
        settings: What is remembered from last time.
        settings_path: Where it is remembered; None remembers nothing.
        theme: The look, if another one than last time is asked for.
        serials: Serial numbers of the HSR and the LSR camera, if they are asked for.
        connect: Open the cameras at once.

    """

    open_rig: RigFactory
    folder: Path
    log_file: Path
    settings: Settings
    settings_path: Path | None
    theme: Theme | None = None
    serials: tuple[str, str] | None = None
    connect: bool = True


class MainWindow(QMainWindow):
    """Twinrate's window.

    Args:
        options: How it starts.
        messages: Where failures are shown.

    """

    def __init__(self, options: WindowOptions, messages: Messages) -> None:
        super().__init__()
        self.setWindowTitle("Twinrate")
        self.setObjectName("main_window")
        self._options = options
        self.messages = messages
        self.memory = Memory(options.settings, options.settings_path, messages, self)
        self.undo = CameraSteps(messages, self)
        self.controller = SessionController(messages, options.open_rig, self)
        self.exposure = ExposurePresenter(self.controller, self.undo, self)
        self.recording = RecordingPresenter(self.controller, messages, options.folder, self)
        self.tasks = Tasks(messages.error, self)
        kept = options.settings
        geometry = Geometry(kept.baseline_mm, kept.distance_m, kept.lens_mm)
        self.baseline = BaselinePresenter(self.controller, self.tasks, messages, geometry, self)
        self.checklist = Checklist(self.controller, self.baseline, self.tasks, self)
        self.trigger = TriggerPresenter(self.controller, self.tasks, self)
        self._closed = False
        self._resized = False
        self.live_page = LivePage()
        self.panes = self.live_page.panes
        self.views = LiveViews(self.controller, self.panes, [self._drain_status], self)
        self._status = StatusSampler(
            lambda: self.recording.folder,
            lambda: self.controller.settings,
            self.controller.recorder_status,
        )
        self.jobs = JobQueue(self.tasks, messages, self)
        self.take_page = TakePage(options.folder, self.tasks, self.jobs, messages)
        self.pages = Pages(self.live_page, self.take_page, lambda: self.recording.folder)
        self.dialogs = Dialogs(
            self, self.baseline, self.recording, self.tasks, messages, options.log_file, self.pages.show_take
        )
        self.fused_pane = self.live_page.fused
        self.combined = Combined(self.fused_pane, self.baseline, messages, self)
        self.views.add(self.combined.drain)
        self.views.add(self.take_page.drain)
        self._build_central()
        self._build_side()
        self.actions_table = Actions(self, self._handlers())
        self._join()
        self._on_state(State.DISCONNECTED)
        if options.connect:
            self.controller.connect_rig()

    # -- building -------------------------------------------------------------------------------------

    def _build_central(self) -> None:
        self.message_line = MessageLine(self.messages, first_keys())
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(4, 2, 2, 0)
        layout.setSpacing(2)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.message_line)
        self.setCentralWidget(page)
        self.status = StatusBar()
        self.setStatusBar(self.status)

    def _build_side(self) -> None:
        self.exposure_panel = ExposurePanel(self.exposure)
        self.presets = PresetBar(self.memory, self.controller, self.undo, self.messages)
        self.exposure_panel.add(self.presets)
        self.recording_panel = RecordingPanel(self.recording, self.checklist)
        self.recording_panel.card.look.connect(self.pages.show_take)
        self.recording.finished.connect(lambda _: self.side.show_panel(self.recording_panel.card))
        self.trigger_panel = TriggerPanel(self.trigger, self.controller)
        self.baseline_panel = BaselinePanel(self.baseline, self.controller)
        self.side = SideColumn(
            {
                "Exposure": self.exposure_panel,
                "Baseline": self.baseline_panel,
                "Recording": self.recording_panel,
                "Trigger and sync": self.trigger_panel,
            }
        )
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.side)
        for part in (self.side, self.fused_pane):
            NumberKeys(part)

    def _handlers(self) -> dict[str, Callable[[bool], None]]:
        presenter, controller, views, pages = self.exposure, self.controller, self.views, self.pages
        return {
            "undo": lambda _: self.undo.undo(),
            "redo": lambda _: self.undo.redo(),
            "connect": lambda _: controller.connect_rig(),
            "disconnect": lambda _: controller.disconnect_rig(),
            "live": lambda _: controller.toggle_live(),
            "record": lambda _: self._record(),
            "arm": lambda _: self.recording.arm(),
            "note": lambda _: self.dialogs.note(),
            "save_past": lambda _: self.recording.save_past(),
            "exposure_down": lambda _: presenter.step(Quantity.EXPOSURE, up=False),
            "exposure_up": lambda _: presenter.step(Quantity.EXPOSURE, up=True),
            "gain_down": lambda _: presenter.step(Quantity.GAIN, up=False),
            "gain_up": lambda _: presenter.step(Quantity.GAIN, up=True),
            "select_camera": lambda _: self._select_other(),
            "link": presenter.set_linked,
            "view_all": lambda _: pages.show_views({*Role}, combined=True),
            "view_hsr": lambda _: pages.show_views({Role.HSR}, combined=False),
            "view_lsr": lambda _: pages.show_views({Role.LSR}, combined=False),
            "view_combined": lambda _: pages.show_views(set(), combined=True),
            "takes": pages.show_takes,
            "fuse_take": lambda _: self._ask_export(fused=True),
            "export": lambda _: self._ask_export(fused=False),
            "snapshot": lambda _: self.dialogs.snapshot(),
            "auto_exposure": lambda _: presenter.auto(presenter.selected),
            "calibrate": lambda _: self.dialogs.calibrate(),
            "open_rig": lambda _: self.dialogs.open_rig(),
            "import": lambda _: self.dialogs.import_clips(),
            **{f"preset_{n}": self._preset_handler(n) for n in range(1, 10)},
            "check_sync": lambda _: self.trigger.check(),
            "align": lambda _: self.baseline.relock(),
            "show_overlay": lambda on: pages.switch_combined(Show.ANAGLYPH, on),
            "show_fused": lambda on: pages.switch_combined(Show.FUSED, on),
            "show_off": lambda _: self.fused_pane.set_shown(Show.OFF),
            "zoom_all": lambda _: pages.zoom_all(),
            "zoom_actual": lambda _: pages.zoom_actual(presenter.selected),
            "link_views": lambda on: setattr(views, "linked", on),
            "saturation": lambda on: setattr(views, "mark_saturated", on),
            "histogram": self.live_page.show_histograms,
            "grid": self.live_page.show_grid,
            "dark": self._choose_theme,
            "log": lambda _: self.dialogs.log(),
            "help": lambda _: self.dialogs.help(),
            "quit": self._quit,
        }

    def _join(self) -> None:
        controller = self.controller
        controller.state_changed.connect(self._on_state)
        controller.alarmed.connect(self._forget_verdicts)
        controller.configured.connect(self._forget_verdicts)
        controller.identified.connect(self._on_identified)
        self.fused_pane.show_changed.connect(self._on_combined)
        self._on_combined(self.fused_pane.shown)
        self.exposure.selected_changed.connect(self._mark_selected)
        self.exposure.held.connect(self.messages.info)
        self.exposure.linked_changed.connect(self.actions_table["link"].setChecked)
        controller.live_started.connect(self.combined.live_started)
        self.recording.running_changed.connect(self.take_page.set_running)
        self.pages.takes_shown.connect(self._show_takes)
        controller.choice_needed.connect(self._choose_cameras)
        self.actions_table.record_button.too_short.connect(
            lambda: self.messages.info("hold the button for half a second to stop the take, or press F9")
        )
        self.views.previewed.connect(self._observe)
        self.message_line.details.clicked.connect(self.dialogs.log)
        for pane in self.panes.values():
            pane.chosen.connect(self.exposure.select)
        self.baseline_panel.region.toggled.connect(self._pick_region)
        self.panes[Role.LSR].view.region_drawn.connect(self._lock_region)
        self._mark_selected(self.exposure.selected)
        theme = self._options.theme or Theme(self._options.settings.theme)
        self.actions_table["dark"].setChecked(theme is Theme.DARK)

    # -- what happens ---------------------------------------------------------------------------------

    def _on_state(self, state: State) -> None:
        self.actions_table.follow(state)
        self.exposure_panel.set_allowed(
            exposure=state in CONNECTED, calm=state in CALM, auto=state in STREAMING
        )
        self.baseline_panel.set_allowed(state in STREAMING)
        self.presets.set_allowed(apply=state in CALM, save=state in CONNECTED)
        self.trigger_panel.set_allowed(change=state in CALM, check=state in STREAMING)
        self._forget_verdicts()
        self.recording_panel.set_allowed(state not in (State.ARMED, State.RECORDING, State.FINISHING))

    def _on_combined(self, show: Show) -> None:
        self.actions_table.set_on("show_overlay", show in OVERLAYS)
        self.actions_table.set_on("show_fused", show in FUSIONS)

    def _forget_verdicts(self, *_: object) -> None:
        """What the checks found belongs to how the cameras were then."""
        self.recording_panel.checks.forget()
        self.trigger_panel.forget()

    def _on_identified(self, identities: dict[Role, CameraIdentity]) -> None:
        for role, pane in self.panes.items():
            pane.identify(identities.get(role))
        simulated = any(identity.simulated for identity in identities.values())
        if identities and not simulated:
            serials = (identities[Role.HSR].serial, identities[Role.LSR].serial)
            if serials != self._options.serials:
                self.memory.change(serials=serials)
        self.setWindowTitle("Twinrate - SIMULATED cameras" if simulated else "Twinrate")

    def _choose_cameras(self, cameras: tuple[CameraIdentity, ...]) -> None:
        self.dialogs.choose_cameras(cameras, self.memory.settings.serials, self.controller.connect_rig)

    def _pick_region(self, picking: bool) -> None:
        self.panes[Role.LSR].view.pick_region(picking)
        if picking:
            self.messages.info("draw a rectangle on the LSR view: what lies in it shall coincide")
        else:
            self.baseline.set_box(None)

    def _lock_region(self, box: Box) -> None:
        self.baseline.set_box(box)
        self.baseline.relock()

    def _record(self) -> None:
        left = self.controller.left
        if self.controller.state is not State.ARMED or not left:
            self.recording.toggle()
            return
        gone = " and ".join(f"the {role.name} camera {serial}" for role, serial in left.items())
        if confirmed(self, "A camera has left", f"Record without {gone}? It may still be plugged in again."):
            # Unlike the key, this never ends a take that has begun while the question was open.
            self.controller.fire()

    def _drain_status(self) -> None:
        status = self._status.mailbox.take()
        self.recording.follow_pulses()
        if status is not None:
            self.status.show_status(status)
            self.combined.make_way(status)
            # A status measured before this take was open says nothing about it.
            if status.take_ended and self.recording.open_for > _STATUS_AGE_S:
                # The take closed itself (disk full or too slow, camera gone): finish it and say why.
                self.recording.stop()
        armed = self.controller.state is State.ARMED
        running = armed or self.controller.state is State.RECORDING
        self.status.show_take(self.recording.name if running else "", self.recording.seconds, armed=armed)

    def _select_other(self) -> None:
        self.exposure.select(self.exposure.selected.other)

    def _mark_selected(self, selected: Role) -> None:
        for role, pane in self.panes.items():
            pane.set_selected(role is selected)

    def _ask_export(self, *, fused: bool) -> None:
        if not self.pages.ask_export(fused=fused):
            self.messages.info("choose a take, then fuse or export it")

    def _show_takes(self, shown: bool) -> None:
        self.actions_table["takes"].setChecked(shown)
        self.side.setVisible(not shown)

    def _choose_theme(self, dark: bool) -> None:
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme = Theme.DARK if dark else Theme.LIGHT
            colors = apply_theme(app, theme)
            self.memory.change(theme=theme.value)
            for view in self.pages.views:
                view.setBackground(colors.picture)

    def _quit(self, _: bool) -> None:
        self.close()

    def _preset_handler(self, number: int) -> Callable[[bool], None]:
        return lambda _: self.presets.apply_number(number)

    def _observe(self, role: Role, _: int) -> None:
        newest = self.panes[role].newest
        if newest is not None:
            self.exposure.observe(role, newest)

    # -- end ------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Note what the operator did; the window also grows by itself to hold what it shows."""
        super().resizeEvent(event)
        self._resized |= event is not None and event.spontaneous()

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        """Ask while a take, an import or a job runs; then end it cleanly and give the cameras back."""
        if event is None:
            return
        if not self._closed and not self._may_close():
            event.ignore()
            return
        self.shut_down()
        event.accept()

    def _may_close(self) -> bool:
        if self.controller.state in (State.ARMED, State.RECORDING):
            question = f"Stop {self.recording.name} and quit? The take is kept."
            if not confirmed(self, "A take is being recorded", question):
                return False
        if self.dialogs.importing:
            question = "Stop the import and quit? Nothing of it is kept."
            if not confirmed(self, "Clips are being imported", question):
                return False
        if self.jobs.active:
            question = f"Stop {self.jobs.active} job(s) and quit? A stopped fusion can be resumed later."
            return confirmed(self, "Jobs are running", question)
        return True

    def shut_down(self) -> None:
        """End all threads and give the cameras back; only a disk that has stopped is asked about.

        Safe to call twice.
        """
        if self._closed:
            return
        self._closed = True
        geometry = self.baseline.geometry
        self.memory.change(
            baseline_mm=geometry.baseline_mm, distance_m=geometry.distance_m, lens_mm=geometry.lens_mm
        )
        if self.recording.folder != self._options.folder:
            self.memory.change(folder=str(self.recording.folder))
        if self._resized:
            self.memory.change(window=(self.width(), self.height()))
        self.views.close()
        self.combined.close()
        self.take_page.close_player()
        self.baseline.close()
        if self.tasks.running:
            self.setWindowTitle("Twinrate: what still runs is being ended")
            self.messages.info("what still runs is being ended; then the window closes")
        self.tasks.close()
        self.memory.close()
        self._status.close()
        self.setWindowTitle("Twinrate: the last frames are being written")
        while not self.controller.close():
            question = (
                f"The disk takes no more frames of {self.recording.name}. Quit and lose those in memory?"
            )
            if confirmed(self, "The disk has stopped", question):
                break
