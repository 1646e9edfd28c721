"""The middle of the window: the live pictures, or the take browser in their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QSize, pyqtSignal
from PyQt6.QtWidgets import QStackedWidget, QWidget

from app.gui.fused_pane import Show
from app.gui.image_view import ImageView
from app.gui.live_page import LivePage
from app.gui.take_page import TakePage
from drivers import Role


class Pages(QStackedWidget):
    """Both pages, one shown at a time; whoever asks to see something gets to its page.

    Args:
        live: The live pictures.
        takes: The take browser.
        folder: Where the takes are now.

    """

    takes_shown = pyqtSignal(bool)
    """Whether the take browser is shown from now on."""

    def __init__(
        self, live: LivePage, takes: TakePage, folder: Callable[[], Path], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._live, self._takes, self._folder = live, takes, folder
        self.addWidget(live)
        self.addWidget(takes)

    @property
    def views(self) -> list[ImageView]:
        """All pictures of both pages."""
        return [*self._live.views, *self._takes.views.values()]

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """What the page that is shown needs: the take browser has the side column's place as well."""
        page = self.currentWidget()
        return page.minimumSizeHint() if page is not None else super().minimumSizeHint()

    def show_takes(self, shown: bool, select: Path | None = None) -> None:
        """Show the take browser instead of the live views, and this take in it."""
        if shown:
            # The side column goes first: beside it the browser would make the window wider.
            self.takes_shown.emit(True)
        self.setCurrentWidget(self._takes if shown else self._live)
        self.updateGeometry()
        if shown:
            self._takes.refresh(self._folder(), select)
        else:
            self.takes_shown.emit(False)

    def show_take(self, path: Path) -> None:
        """Look at one take."""
        self.show_takes(True, path)

    def show_views(self, roles: set[Role], *, combined: bool) -> None:
        """Show these cameras live, and the third picture or not."""
        self.show_takes(False)
        self._live.show_only(roles, combined=combined)

    def switch_combined(self, show: Show, on: bool) -> None:
        """Show the third picture this way, or no more; one that is on but hidden is brought to the front."""
        fused = self._live.fused
        if on or not fused.isVisible():
            self.show_takes(False)
            self._live.show_combined(show if on else fused.shown)
        else:
            fused.set_shown(Show.OFF)

    def ask_export(self, *, fused: bool) -> bool:
        """Ask what to make of the chosen take; False when there is none, and one can be chosen now."""
        if self.currentWidget() is self._takes and self._takes.chosen is not None:
            self._takes.ask(fused=fused)
            return True
        self.show_takes(True)
        return False

    def zoom_all(self) -> None:
        """Show whole pictures."""
        for view in self.views:
            view.show_all()

    def zoom_actual(self, selected: Role) -> None:
        """One pixel of this camera, and of the third picture, on one pixel of the screen."""
        views = (
            self._takes.views
            if self.currentWidget() is self._takes
            else {role: pane.view for role, pane in self._live.panes.items()}
        )
        views[selected].show_actual()
        self._live.fused.view.show_actual()
