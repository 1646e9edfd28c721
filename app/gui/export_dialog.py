"""What to make of a take: fused or raw, which codec, how fast, which part, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.errors import AppError
from app.fuse_job import FuseJob
from app.fusion_options import FusionOptions
from app.gui.file_field import FileField
from app.gui.messages import sentence
from app.gui.method_box import MethodBox
from app.gui.number_field import NumberField
from app.gui.number_keys import EnterEndsNumbers
from app.gui.output_names import free_name, proposed_name, with_ending
from app.gui.rows import row
from app.gui.take_library import TakeEntry
from app.gui.tasks import Newest, Tasks
from app.gui.theme import set_chip, set_flag
from app.outputs import check_output
from app.raw_export import RawExportJob, RawView
from app.sinks import CODECS, QUALITIES, codec_for
from app.size_estimate import SizeEstimate, estimate_size

FUSED = "Fused"
_BOTH = "Both cameras side by side"
_VIEWS: dict[str, RawView | None] = {
    FUSED: None,
    "HSR camera as recorded": RawView.HSR,
    "LSR camera as recorded": RawView.LSR,
    _BOTH: RawView.SIDE_BY_SIDE,
}
_CODECS = {
    "h264": "H.264, plays everywhere",
    "hevc": "HEVC, smaller",
    "prores": "ProRes 422, for editing",
    "ffv1": "FFV1, lossless",
    "png": "PNG pictures, lossless",
    "tiff": "TIFF pictures, lossless",
}
_QUALITIES = {
    "high": "High: hardly distinguishable",
    "medium": "Medium: about half the size",
    "small": "Small: to send around",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a take [s after the first frame of `TakeEntry.times_s`]; `end_s` None is the end."""

    start_s: float = 0.0
    end_s: float | None = None


class ExportDialog(QDialog):
    """Asks for everything a fusion or an export needs.

    Args:
        take: What to export.
        fps: Rate at which the frames of `TakeEntry.times_s` follow each other [1/s].
        part: The part chosen in the browser.
        tasks: Where the size is found out.
        hsr_fps: That of its HSR frames; 0 takes it from their number.
        fused: Begin with the fused view.
        taken: Files that other jobs are going to write.

    """

    def __init__(
        self,
        take: TakeEntry,
        fps: float,
        part: Part,
        tasks: Tasks,
        *,
        hsr_fps: float = 0.0,
        fused: bool,
        taken: frozenset[Path] = frozenset(),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Export {take.name}")
        self._take, self._fps, self._hsr_fps, self._tasks, self._taken = take, fps, hsr_fps, tasks, taken
        self._folder = take.path.absolute().parent
        self._names = Newest(tasks, "free name")
        self._sizes: dict[tuple[str, str, str, FusionOptions], SizeEstimate | str | None] = {}
        self.view = QComboBox()
        self.view.setObjectName("export_view")
        self.view.addItems(_views_of(take))
        self.view.setCurrentText(FUSED if fused else _BOTH)
        self.method = MethodBox(automatic="The best for this take")
        self.method.setObjectName("export_method")
        self.references = QComboBox()
        self.references.addItem("before and after, where the method can", None)
        self.references.addItem("the nearest only (faster)", 1)
        self.align = QComboBox()
        self.align.addItem("By the scene", "auto")
        self.align.addItem("None: both show one view", "none")
        self.colours = QComboBox()
        self.colours.setObjectName("export_colours")
        self.colours.addItem("of the LSR camera, as filmed", "lsr")
        self.colours.addItem("of the HSR camera, without flicker of lamps", "hsr")
        self.codec = QComboBox()
        self.codec.setObjectName("export_codec")
        for name in CODECS:
            self.codec.addItem(_CODECS.get(name, name), name)
        self.quality = QComboBox()
        self.quality.setObjectName("export_quality")
        for name in QUALITIES:
            self.quality.addItem(_QUALITIES[name], name)
        self.slow = QCheckBox("Slow motion at")
        self.playback = NumberField()
        self.playback.setRange(1, 1000)
        self.playback.setValue(30)
        self.playback.setSuffix(" fps")
        self.start, self.end = NumberField(), NumberField()
        # A single frame has no length, and can be exported all the same.
        length = max(take.seconds, 0.001)
        for field, value in ((self.start, part.start_s), (self.end, part.end_s or length)):
            field.setRange(0, length)
            field.setDecimals(3)
            field.setSuffix(" s")
            field.setValue(value)
        self.out = FileField()
        self.out.setObjectName("export_out")
        # A label of the form names no field that shares its row.
        for named, spoken in (
            (self.playback, "Playback rate"),
            (self.start, "Beginning of the part"),
            (self.end, "End of the part"),
            (self.out, "File"),
        ):
            named.setAccessibleName(spoken)
        self.browse = QPushButton("Browse")
        self.overwrite = QCheckBox("Replace an existing file")
        self.summary = QLabel("")
        self.summary.setObjectName("export_summary")
        self.summary.setWordWrap(True)
        set_flag(self.summary, "dim", "true")
        self.problem = QLabel("")
        self.problem.setWordWrap(True)
        set_chip(self.problem, "warn")
        self.problem.hide()
        form = QFormLayout()
        form.addRow("Show", self.view)
        form.addRow("Fuse by", self.method)
        form.addRow("Sharp frames", self.references)
        form.addRow("Align views", self.align)
        form.addRow("Colours, light", self.colours)
        form.addRow("Format", self.codec)
        form.addRow("Quality", self.quality)
        form.addRow("Playback", row(self.slow, self.playback))
        form.addRow("Part", row(self.start, QLabel("to"), self.end))
        form.addRow("File", row(self.out, self.browse))
        form.addRow("", self.overwrite)
        self._form = form
        buttons = QDialogButtonBox()
        self.go = QPushButton("Start")
        buttons.addButton(self.go, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self._check)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.summary)
        layout.addWidget(self.problem)
        layout.addStretch(1)
        layout.addWidget(buttons)
        self.view.currentIndexChanged.connect(self._follow)
        self.codec.currentIndexChanged.connect(self._follow)
        self.method.currentIndexChanged.connect(self._follow_method)
        for what in (self.quality, self.align):
            what.currentIndexChanged.connect(self._weigh)
        for field in (self.playback, self.start, self.end):
            field.valueChanged.connect(self._summarise)
        self.slow.toggled.connect(self._summarise)
        self.browse.clicked.connect(self._browse)
        self._answered = False
        self._proposed = ""
        self._replaced = ""
        self.out.textChanged.connect(self._renamed)
        self.finished.connect(self._end)
        self._follow()
        self.setMinimumWidth(520)
        EnterEndsNumbers(self)

    def _end(self) -> None:
        self._answered = True

    @property
    def request(self) -> FuseJob | RawExportJob:
        """The job that the fields describe."""
        raw = _VIEWS[self.view.currentText()]
        codec = str(self.codec.currentData())
        playback = self.playback.value() if self.slow.isChecked() else None
        end = None if self._to_the_end else self.end.value()
        out = Path(self.out.text().strip()).expanduser()
        if raw is not None:
            return RawExportJob(
                self._take.path,
                out,
                raw,
                codec,
                playback,
                self.start.value(),
                end,
                self.overwrite.isChecked(),
                self._quality,
            )
        options = FusionOptions(
            method=self.method.method,
            references=self.references.currentData(),
            align=str(self.align.currentData()),
            start_s=self.start.value(),
            end_s=end,
            colours=str(self.colours.currentData()),
        )
        return FuseJob(
            (self._take.path,),
            out,
            options,
            codec=codec,
            playback_fps=playback,
            overwrite=self.overwrite.isChecked(),
            quality=self._quality,
        )

    @property
    def _to_the_end(self) -> bool:
        return self.end.value() >= self.end.maximum() - 1e-9

    @property
    def _quality(self) -> str:
        return str(self.quality.currentData())

    def _follow(self, *_: object) -> None:
        raw = _VIEWS[self.view.currentText()]
        for field in (self.method, self.references, self.align, self.colours):
            self._form.setRowVisible(field, raw is None)
        self._form.setRowVisible(self.quality, bool(CODECS[str(self.codec.currentData())].lower))
        kind = "fused" if raw is None else raw.value.replace(" ", "_")
        suffix = CODECS[str(self.codec.currentData())].suffixes[0]
        proposed = str(self._folder / proposed_name(self._take.name, kind, suffix))
        if self.out.text() == self._proposed:
            self.out.setText(proposed)
        else:
            # A name of the operator's own stays; only its ending follows the format.
            self.out.setText(with_ending(self.out.text(), suffix))
        self._proposed = proposed
        self._names.start(lambda _: free_name(Path(proposed), self._taken), self._propose)
        self._weigh()

    def _propose(self, free: Path) -> None:
        if self._answered:
            return
        if self.out.text() == self._proposed:
            self.out.setText(str(free))
        self._proposed = str(free)

    def _follow_method(self, *_: object) -> None:
        self.references.setEnabled(self.method.method != "bicubic")
        self._weigh()

    @property
    def _kind(self) -> tuple[str, str, str, FusionOptions]:
        """What the size of a frame depends on."""
        codec = str(self.codec.currentData())
        quality = self._quality if CODECS[codec].lower else QUALITIES[0]
        method = "bicubic" if self.method.method == "bicubic" else None
        options = FusionOptions(method=method, align=str(self.align.currentData()))
        return self.view.currentText(), codec, quality, options

    def _weigh(self, *_: object) -> None:
        """Find out how large a frame gets; a few are written for a trial."""
        kind = self._kind
        if kind not in self._sizes:
            self._sizes[kind] = None
            view, codec, quality, options = kind
            path = self._take.path

            def done(size: SizeEstimate | str) -> None:
                # The dialog may have been answered meanwhile.
                if not self._answered:
                    self._sizes[kind] = size
                    self._summarise()

            self._tasks.start(
                "weigh export",
                lambda _: estimate_size(path, _VIEWS[view], codec, quality, options),
                done,
                lambda error: done(sentence(error)),
            )
        self._summarise()

    def _summarise(self, *_: object) -> None:
        view = _VIEWS[self.view.currentText()]
        hsr = view is RawView.HSR
        times = self._take.times_s
        inside = times[(times >= self.start.value()) & ((times < self.end.value()) | self._to_the_end)]
        share = self._take.hsr_frames / max(1, len(times)) if hsr else 1.0
        frames = round(len(inside) * share)
        rate = (self._hsr_fps if hsr else 0.0) or self._fps * share
        shown = self.playback.value() if self.slow.isChecked() else rate
        # Lost frames leave gaps in the clip, so that it lasts as long as what was filmed.
        lasts = (inside[-1] - inside[0] + 1 / self._fps) if len(inside) and self._fps else 0.0
        seconds = lasts * rate / shown if shown else 0.0
        slower = f", {rate / shown:.3g} times slower" if shown and shown < 0.99 * rate else ""
        size = self._sizes.get(self._kind)
        if isinstance(size, str):
            weight = f"size unknown: {size}"
        elif size is None:
            weight = "finding out the size ..."
        else:
            # Which field both cameras see is found out when the clip is fused.
            about = "about " if view is None else ""
            pixels = f"{about}{size.width} x {size.height} px"
            weight = f"{pixels}, {size.bits} bits a colour, about {_bytes(size.of(frames))}"
        self.summary.setText(f"{frames} frames; plays {seconds:.2f} s at {shown:.4g} fps{slower}\n{weight}")

    def _browse(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Export to", self.out.text())
        if chosen:
            self.out.setText(chosen)
            # The file dialog has asked whether it may be replaced, if it is there.
            self.overwrite.setChecked(True)
            self._replaced = chosen

    def _renamed(self, text: str) -> None:
        if self._replaced and text != self._replaced:
            # What was agreed to holds for that file only.
            self._replaced = ""
            self.overwrite.setChecked(False)

    def _problem(self) -> str:
        """What can be seen without asking the disk to keep the job from being done; "" for nothing."""
        if not self.out.text().strip():
            return "choose a file"
        if self.start.value() >= self.end.value():
            return "the part ends before it begins"
        request = self.request
        if request.out.absolute() in self._taken:
            return f"another job is going to write {request.out}; choose another name"
        try:
            codec_for(str(self.codec.currentData()), request.out)
        except AppError as error:
            return sentence(error)
        return ""

    def _check(self) -> None:
        problem = self._problem()
        self._tell(problem)
        if problem:
            return
        request = self.request
        self.go.setEnabled(False)
        # A share may take its time to answer.
        self._tasks.start(
            "check output",
            lambda _: check_output(
                request.out, overwrite=request.overwrite, inputs=(self._take.path,), described=True
            ),
            lambda _: self._checked(request, ""),
            lambda error: self._checked(request, sentence(error)),
        )

    def _checked(self, request: FuseJob | RawExportJob, problem: str) -> None:
        if self._answered:
            return
        self.go.setEnabled(True)
        if self.request != request:
            self._check()
            return
        self._tell(problem)
        if not problem:
            self.accept()

    def _tell(self, problem: str) -> None:
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))


def _views_of(take: TakeEntry) -> list[str]:
    """What can be shown of a take: only one camera where the other has no frames."""
    if take.has_both:
        return list(_VIEWS)
    there = RawView.LSR if take.lsr_frames else RawView.HSR
    return [name for name, view in _VIEWS.items() if view is there]


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 0.1):.3g} MB"
