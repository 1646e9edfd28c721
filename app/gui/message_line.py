"""The line under the views: the newest message, how many there were, and the way to the details."""

from __future__ import annotations

from PyQt6.QtCore import QUrl
from PyQt6.QtGui import QDesktopServices, QFont, QGuiApplication
from PyQt6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from app.gui.messages import KEPT, Message, Messages, Severity
from app.gui.raw_pane import chip
from app.gui.theme import set_chip

_WORDS = {
    Severity.INFO: ("info", "plain"),
    Severity.WARNING: ("warning", "warn"),
    Severity.ERROR: ("error", "bad"),
}


class LogWindow(QDialog):
    """All messages with their details."""

    def __init__(self, messages: Messages, log_file: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Messages")
        self.resize(760, 420)
        self._messages = messages
        self.list = QTreeWidget()
        self.list.setHeaderLabels(["Time", "Kind", "Message"])
        self.list.setRootIsDecorated(False)
        self.list.setColumnWidth(0, 80)
        self.list.setColumnWidth(1, 80)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setFont(QFont("monospace"))
        self.details.setPlaceholderText("Choose a message to see its details")
        split = QSplitter()
        split.setOrientation(split.orientation().Vertical)
        split.addWidget(self.list)
        split.addWidget(self.details)
        split.setSizes([280, 120])
        copy = QPushButton("Copy details")
        copy.clicked.connect(self._copy)
        folder = QPushButton("Open log file")
        folder.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(log_file)))
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        bottom = QHBoxLayout()
        bottom.addWidget(QLabel(log_file), 1)
        for button in (copy, folder, close):
            bottom.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addWidget(split, 1)
        layout.addLayout(bottom)
        for message in messages.log:
            self._add(message)
        messages.posted.connect(self._add)
        self.list.currentItemChanged.connect(self._show_details)

    def _add(self, message: Message) -> None:
        item = QTreeWidgetItem([message.time, _WORDS[message.severity][0], message.text])
        item.setToolTip(2, message.text)
        item.setData(0, 0x0100, message)
        bar = self.list.verticalScrollBar()
        at_end = bar is None or bar.value() == bar.maximum()
        self.list.addTopLevelItem(item)
        if self.list.topLevelItemCount() > KEPT:
            self.list.takeTopLevelItem(0)
        if at_end:
            # Whoever reads what was before is not led away from it.
            self.list.scrollToItem(item)

    def _show_details(self, item: QTreeWidgetItem | None) -> None:
        message = item.data(0, 0x0100) if item is not None else None
        self.details.setPlainText(message.details or message.text if message is not None else "")

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.details.toPlainText())


class MessageLine(QFrame):
    """One line: kind, time and text of the newest message, and the counts.

    Args:
        messages: What to show.
        hint: Shown before the first message.

    """

    def __init__(self, messages: Messages, hint: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._messages = messages
        self.setObjectName("message_line")
        self.kind = chip("info")
        self.text = QElidingLabel(hint)
        self.text.setObjectName("message_text")
        self.counts = QLabel("")
        self.details = QPushButton("Details")
        self.details.setFlat(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 1, 8, 1)
        layout.addWidget(self.kind)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.counts)
        layout.addWidget(self.details)
        self.kind.hide()
        messages.posted.connect(self._show)

    def _show(self, message: Message) -> None:
        word, level = _WORDS[message.severity]
        self.kind.show()
        self.kind.setText(word)
        set_chip(self.kind, level)
        self.text.setText(f"{message.time}  {message.text}")
        self.text.setToolTip(message.text)
        warnings, errors = (self._messages.count(s) for s in (Severity.WARNING, Severity.ERROR))
        self.counts.setText(f"{warnings} warning{'s' * (warnings != 1)}, {errors} error{'s' * (errors != 1)}")
