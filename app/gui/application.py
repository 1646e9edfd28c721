"""Starts the window, or makes a picture of it."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path

from app.errors import OutputError
from app.gui._qt_environment import prepare_qt
from app.session import RigSetup
from app.signals import interrupts

_LONGEST_START_S = 20.0
_LARGEST_LOG_BYTES = 4_000_000
_SIGNALS_MS = 200


@dataclass(frozen=True, slots=True)
class GuiOptions:
    """What the command line asked for.

    Attributes:
        setup: The rig, real or emulated.
        take: A take to show at the start.
        view: "live", "overlay" or "fused": what is shown below the two cameras.
        log_file: Where messages are kept.
        settings_path: Where settings are kept; the options below and the job are for this time only.
        folder: Where new takes go; None = as last time.
        theme: "dark" or "light"; None = as last time.
        size: (width, height) of the window [px]; None = as last time.
        screenshot: Make this picture and exit.
        after_s: Wait this long from the first live pictures on before the picture [s].

    """

    setup: RigSetup
    log_file: Path
    settings_path: Path
    folder: Path | None = None
    take: Path | None = None
    view: str = "live"
    theme: str | None = None
    size: tuple[int, int] | None = None
    screenshot: Path | None = None
    after_s: float = 3.0


def run(options: GuiOptions) -> int:
    """Open the window and return the program's exit code when it closes.

    Raises:
        AppError: There is no screen, or the picture cannot be written.

    """
    prepare_qt(picture_only=options.screenshot is not None)
    from PyQt6.QtCore import QTimer
    from PyQt6.QtWidgets import QApplication

    from app.gui.splash import show_splash
    from app.gui.theme import Theme, apply_theme
    from app.settings import load_settings

    loaded = load_settings(options.settings_path)
    settings = loaded.settings
    app = QApplication.instance() or QApplication(sys.argv[:1])
    if not isinstance(app, QApplication):
        raise TypeError("another kind of Qt application runs in this process")
    app.setApplicationName("Twinrate")
    theme = Theme(options.theme or settings.theme)
    apply_theme(app, theme)
    splash = show_splash(app, theme)

    # From here on what takes seconds to load.
    from app.gui.camera_rig import open_rig
    from app.gui.excepthook import install_excepthook
    from app.gui.fused_pane import Show
    from app.gui.main_window import MainWindow, WindowOptions
    from app.gui.messages import Messages
    from app.gui.priorities import undisturbed

    warnings = list(loaded.warnings)
    try:
        stop_logging = log_to(options.log_file)
    except OSError as error:
        stop_logging = _nothing
        reason = error.strerror or error
        warnings.append(
            f"{options.log_file}: messages are kept in no file ({reason}); check folder and free space"
        )
    setup = replace(options.setup, serials=options.setup.serials or settings.serials)
    messages = Messages()
    restore = install_excepthook(messages)
    with undisturbed(), interrupts(threading.Event()) as stopped:
        window = MainWindow(
            WindowOptions(
                open_rig=lambda chosen: open_rig(replace(setup, serials=chosen or setup.serials)),
                folder=options.folder or settings.take_folder,
                log_file=options.log_file,
                settings=settings,
                # A picture is made by a script as often as not: it leaves no trace.
                settings_path=options.settings_path if options.screenshot is None else None,
                theme=theme,
                serials=options.setup.serials,
            ),
            messages,
        )
        for warning in warnings:
            messages.warning(warning)
        window.resize(*(options.size or settings.window))
        screen = window.screen()
        if options.size is None and screen is not None:
            # What was remembered may come from a larger screen.
            window.resize(window.size().boundedTo(screen.availableSize()))
        window.show()
        if options.take is not None:
            window.pages.show_take(options.take)
        if options.view != "live":
            window.fused_pane.set_shown(Show.ANAGLYPH if options.view == "overlay" else Show.WIPE)
        saved: list[bool] = []
        if options.screenshot is not None:
            picture = options.screenshot

            def take_picture() -> None:
                saved.append(window.grab().save(str(picture)))
                window.close()

            waiting = QTimer(window)
            waiting.setSingleShot(True)
            waiting.timeout.connect(take_picture)
            # Cameras need their time to open; without any the picture is made all the same.
            waiting.start(int((options.after_s + _LONGEST_START_S) * 1000))
            window.controller.live_started.connect(lambda: waiting.start(int(options.after_s * 1000)))

        def end_if_told() -> None:
            if stopped.is_set():
                # From a closed terminal or a system that shuts down nobody answers questions.
                window.shut_down()
                window.close()
                app.exit()

        # Python hears of a signal when it next runs, and Qt alone may not let it for long.
        listening = QTimer(window)
        listening.timeout.connect(end_if_told)
        listening.start(_SIGNALS_MS)
        splash.close()
        try:
            code = app.exec()
        finally:
            restore()
            stop_logging()
    if options.screenshot is not None and not any(saved):
        raise OutputError(
            f"{options.screenshot}: the picture cannot be written; give a .png in a folder that exists"
        )
    return code


def _nothing() -> None:
    pass


def log_to(path: Path) -> Callable[[], None]:
    """Write the program's messages to a file, on a thread of its own; returns what ends that.

    Args:
        path: The file; its folder is made. One that has become large is kept beside it as path.1.

    Raises:
        OSError: It cannot be written.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if path.stat().st_size > _LARGEST_LOG_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    to_file = logging.FileHandler(path, encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    to_queue = QueueHandler(lines)
    listener = QueueListener(lines, to_file)
    logger = logging.getLogger("twinrate")
    logger.addHandler(to_queue)
    logger.setLevel(logging.INFO)
    listener.start()

    def stop() -> None:
        logger.removeHandler(to_queue)
        listener.stop()
        to_file.close()

    return stop
