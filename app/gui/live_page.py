"""Both cameras side by side and the third picture below them: which of these are shown, and with what."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QSplitter, QWidget

from app.gui.fused_pane import FusedPane, Show
from app.gui.image_view import ImageView
from app.gui.raw_pane import RawPane
from drivers import Role


class LivePage(QSplitter):
    """The live pictures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self.panes = {role: RawPane(role) for role in Role}
        self.fused = FusedPane()
        self._row = QSplitter(Qt.Orientation.Horizontal)
        for pane in self.panes.values():
            self._row.addWidget(pane)
        self._row.setChildrenCollapsible(False)
        self.addWidget(self._row)
        self.addWidget(self.fused)
        self.setStretchFactor(0, 1)
        self.setChildrenCollapsible(False)
        self.fused.show_changed.connect(self._share_height)

    @property
    def views(self) -> list[ImageView]:
        """All pictures."""
        return [*(pane.view for pane in self.panes.values()), self.fused.view]

    def show_only(self, roles: set[Role], *, combined: bool) -> None:
        """Show these cameras, and the third picture or not."""
        for role, pane in self.panes.items():
            pane.setVisible(role in roles)
        self._row.setVisible(bool(roles))
        self.fused.setVisible(combined)
        if combined and not roles and self.fused.shown is Show.OFF:
            self.fused.set_shown(Show.FUSED)

    def show_combined(self, show: Show) -> None:
        """Show the third picture this way."""
        self.fused.setVisible(True)
        self.fused.set_shown(show)

    def show_histograms(self, shown: bool) -> None:
        """Show or hide the histograms."""
        for pane in self.panes.values():
            pane.histogram.setVisible(shown)

    def show_grid(self, shown: bool) -> None:
        """Show or hide the grid."""
        for pane in self.panes.values():
            pane.view.show_grid(shown)

    def _share_height(self, show: Show) -> None:
        lower = 0 if show is Show.OFF else self.height() // 2
        self.setSizes([self.height() - lower, lower])
