"""The bar at the bottom: what the disk, the buffers and the computer have left."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QStatusBar, QWidget

from app.gui.raw_pane import chip
from app.gui.status import Status
from app.gui.theme import set_chip

_LOW_MINUTES = 5.0
_EMPTY_MINUTES = 1.0
_NAME_WIDTH = 260


class StatusBar(QStatusBar):
    """Take, disk, write rate, memory."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.take = chip("", "bad")
        self.take.hide()
        self.disk = chip("disk -", tip="Free space where takes go, and how long it lasts")
        self.rate = QLabel("")
        self.machine = QLabel("")
        self.machine.setToolTip(
            "Memory and CPU of this program, 100 % is one core; the CUDA device where there is one"
        )
        self.addWidget(self.take)
        self.addWidget(self.disk)
        self.addWidget(self.rate)
        self.addPermanentWidget(self.machine)
        self.setSizeGripEnabled(False)

    def show_status(self, status: Status) -> None:
        """Show one second's figures."""
        text = f"disk {status.disk_free / 1e9:.0f} GB"
        left = status.minutes_left
        if left is not None:
            text += f" = {left:.0f} min left" if left >= 1 else f" = {left * 60:.0f} s left"
            low = left < _LOW_MINUTES
            set_chip(self.disk, "bad" if left < _EMPTY_MINUTES else "warn" if low else "plain")
        self.disk.setText(text)
        rate = f"write {status.write_mb_per_s:.0f} MB/s" if status.write_mb_per_s else ""
        if status.queue_fill is not None:
            rate += f"   queue {status.queue_fill:.0%}"
        self.rate.setText(rate)
        text = f"memory {status.memory_mb:.0f} MB   CPU {status.cpu_percent:.0f} %"
        if status.gpu is not None:
            busy = "" if status.gpu.percent is None else f" {status.gpu.percent:.0f} %"
            text += f"   GPU{busy} {status.gpu.memory_mb / 1000:.1f} GB"
        self.machine.setText(text)

    def show_take(self, name: str, seconds: float, *, armed: bool = False) -> None:
        """Show the running take, or the one that waits for its first pulse; an empty name for none."""
        self.take.setVisible(bool(name))
        self.take.setToolTip(name)
        # A long name must not widen the window.
        short = self.take.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _NAME_WIDTH)
        if name and armed:
            self.take.setText(f"ARMED {short}")
        elif name:
            minutes, rest = divmod(int(seconds), 60)
            self.take.setText(f"REC {short}  {minutes:02d}:{rest:02d}.{int(seconds * 10) % 10}")
