"""What a recording got and what it lost: expected, received and missing frames of both cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from drivers._clock_fit import ClockFit, fit_hardware_clocks
from drivers._take_index import Rows
from drivers._take_metadata import TakeMetadata
from drivers._time_grid import IntArray, fit_grid
from drivers.clock_latch import PhaseBasis
from drivers.errors import PairingError
from drivers.frame import FrameFlag, Role
from drivers.trigger import judge_rate

_LATE_PERIODS = 2.0
_LATE_S = 0.1
"""How far apart both streams may begin and end: frames that were still under way, and a busy computer [s]."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Consecutive frames that are missing."""

    after_id: int
    """Frame id of the last frame before the gap."""
    count: int
    """Frames missing."""


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One camera's part of a recording.

    Attributes:
        rate: Pulses per second as the frames show them [1/s]; 0 when they are too few.
        expected: Trigger pulses from the first to the last frame.
        received: Whole frames on disk.
        missing: Pulses without a whole frame.
        incomplete: Of the missing ones, those that came damaged.
        gaps: Where frames are missing.

    """

    rate: float
    expected: int
    received: int
    missing: int
    incomplete: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class RecordingReport:
    """End-of-take report.

    Attributes:
        path: The take's folder.
        seconds: From the first to the last frame, of the stream that lasts longer [s].
        bytes_written: Pixels on disk [bytes].
        hsr: The HSR camera's part.
        lsr: The LSR camera's part.
        sync_residual_us: RMS of the common pulses around the fitted clock line [us]; None without a trigger.
        drift_ppm: LSR clock against HSR clock [ppm]; None without a trigger.
        phase_basis: What says which LSR pulse belongs to an HSR pulse; None without a trigger.
        stop_reason: Why the recording ended before it was asked to; None for an orderly end.
        warnings: What the operator should know, one sentence each.

    """

    path: str
    seconds: float
    bytes_written: int
    hsr: StreamReport
    lsr: StreamReport
    sync_residual_us: float | None
    drift_ppm: float | None
    phase_basis: PhaseBasis | None
    stop_reason: str | None
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True only when not one frame is missing and nothing stopped the recording early."""
        return not self.warnings and self.stop_reason is None

    def to_json(self) -> dict[str, object]:
        """The report as JSON values, as done.json holds it."""
        return asdict(self) | {"ok": self.ok}


def stream_report(rows: Rows, *, name: str, fps: float | None = None) -> StreamReport:
    """Count the frames of one stream by its time stamps and ids.

    Args:
        rows: Index of the stream.
        name: The stream, for messages.
        fps: Pulses per second of the trigger plan; None when there was none.

    Raises:
        PairingError: Times go backwards.

    """
    if len(rows) == 0:
        return StreamReport(0.0, 0, 0, 0, 0, ())
    at = np.flatnonzero(_whole(rows))
    whole = rows[at]
    lost = len(rows) - len(whole)
    if len(whole) == 0:
        return StreamReport(0.0, lost, 0, lost, lost, ())
    ids: IntArray = whole["frame_id"].astype(np.int64)
    grid = fit_grid(_pulses(whole, 0.0), frame_ids=ids, period_ns=1e9 / fps if fps else None, name=name)
    steps = np.diff(grid.numbers)
    came = np.diff(at)
    gaps = tuple(Gap(int(ids[i]), int(steps[i] - came[i])) for i in np.flatnonzero(steps > came))
    # Damaged ones stand between whole ones, where the times count them, or before and after all of them.
    outside = int(at[0]) + len(rows) - 1 - int(at[-1])
    expected = int(grid.numbers[-1]) + 1 + outside
    return StreamReport(
        rate=1e9 / grid.period_ns if grid.period_ns > 0 else 0.0,
        expected=expected,
        received=len(whole),
        missing=expected - len(whole),
        incomplete=lost,
        gaps=gaps,
    )


def _whole(rows: Rows) -> npt.NDArray[np.bool_]:
    whole: npt.NDArray[np.bool_] = (rows["flags"] & int(FrameFlag.INCOMPLETE)) == 0
    return whole


def whole_rows(rows: Rows) -> Rows:
    """Those of whole frames: what a damaged one says of its time and id may be wrong."""
    return rows[_whole(rows)]


@dataclass(frozen=True, slots=True)
class _Ends:
    """How many pulses at both ends of a recording only the other camera has frames of."""

    before: int
    after: int


def _cut_short(fit: ClockFit, hsr_ns: IntArray, lsr_ns: IntArray, ratio: float) -> dict[Role, _Ends]:
    """Pulses of each camera that lie outside its own frames but inside the other one's.

    Args:
        fit: How both clocks run.
        hsr_ns: HSR pulses on the HSR camera's clock [ns].
        lsr_ns: LSR pulses on the LSR camera's clock [ns].
        ratio: LSR pulses per HSR pulse.

    """
    period = fit.lsr_period_ns
    if not period > 0:
        return {}
    hsr = fit.to_lsr(hsr_ns[[0, -1]])
    late = max(_LATE_PERIODS * ratio * period, _LATE_S * 1e9)
    first, last = float(hsr[0] - lsr_ns[0]), float(lsr_ns[-1] - hsr[1])

    def pulses(by_ns: float, step: float) -> int:
        return int(by_ns / (step * period) + 0.5 / step) if by_ns > late else 0

    ends = {
        Role.HSR: _Ends(pulses(first, ratio), pulses(last, ratio)),
        Role.LSR: _Ends(pulses(-first, 1), pulses(-last, 1)),
    }
    return {role: end for role, end in ends.items() if end.before or end.after}


def _span_s(rows: Rows) -> float:
    times = whole_rows(rows)["mid_exposure_ns"]
    return float(times[-1] - times[0]) / 1e9 if len(times) > 1 else 0.0


def _pulses(rows: Rows, delay_us: float) -> IntArray:
    before = rows["exposure_us"] * 500.0 + delay_us * 1000.0
    pulses: IntArray = rows["mid_exposure_ns"].astype(np.int64) - np.rint(before).astype(np.int64)
    return pulses


def _extended(report: StreamReport, ends: _Ends) -> StreamReport:
    more = ends.before + ends.after
    return replace(report, expected=report.expected + more, missing=report.missing + more)


def _told(role: Role, ends: _Ends, fps: float) -> str:
    """One sentence on a stream that is shorter than the other one."""
    other = Role.LSR if role is Role.HSR else Role.HSR
    parts = [
        f"{what} {count / fps:.2f} s {when} those of {other.name}"
        for what, count, when in (("begin", ends.before, "after"), ("end", ends.after, "before"))
        if count
    ]
    return f"{role.name}: its frames {' and '.join(parts)}; check this camera's trigger wire and cable"


def recording_report(
    path: str,
    metadata: TakeMetadata,
    rows: Mapping[Role, Rows],
    *,
    bytes_written: int,
    stop_reason: str | None,
    remarks: Sequence[str] = (),
    pulses: Mapping[Role, int] | None = None,
) -> RecordingReport:
    """Judge a recording from the indices of both streams; never raises for what the cameras did.

    Args:
        path: The take's folder.
        metadata: What take.json says.
        rows: Both indices.
        bytes_written: Pixels on disk [bytes].
        stop_reason: Why the recording ended before it was asked to; None for an orderly end.
        remarks: What else the operator must know, one sentence each.
        pulses: Pulses that each camera was given during the recording; None when nobody counted.

    """
    warnings = list(remarks)
    reports = {}
    trigger = metadata.trigger
    planned: dict[Role, float] = {}
    if trigger is not None:
        planned = {Role.HSR: trigger.hsr_rate, Role.LSR: trigger.hsr_rate * trigger.ratio}
    for role in Role:
        try:
            report = stream_report(rows[role], name=role.name, fps=planned.get(role))
        except PairingError as error:
            warnings.append(str(error))
            count = len(rows[role])
            report = StreamReport(0.0, count, count, 0, 0, ())
        reports[role] = report
    residual = drift = basis = None
    hsr, lsr = (whole_rows(rows[role]) for role in (Role.HSR, Role.LSR))
    doubts = []
    if trigger is not None and len(hsr) and len(lsr):
        hsr_ns, lsr_ns = _pulses(hsr, trigger.hsr_delay_us), _pulses(lsr, trigger.lsr_delay_us)
        try:
            fit = fit_hardware_clocks(
                hsr["frame_id"].astype(np.int64),
                hsr_ns,
                lsr["frame_id"].astype(np.int64),
                lsr_ns,
                trigger.ratio,
                phase=trigger.phase,
                latch=trigger.latch,
                lsr_fps=planned[Role.LSR],
                first_id=trigger.first_id,
                by_hand=trigger.by_hand,
            )
            residual, drift, basis = fit.residual_us, fit.drift_ppm, fit.basis
            if fit.warning:
                doubts.append(fit.warning)
            if pulses is None and stop_reason is None:
                # Nobody counted: only the other camera shows that a stream began late or ended early.
                for role, ends in _cut_short(fit, hsr_ns, lsr_ns, trigger.ratio).items():
                    warnings.append(_told(role, ends, planned[role]))
                    reports[role] = _extended(reports[role], ends)
        except PairingError as error:
            doubts.append(str(error))
    for role, report in reports.items():
        name = role.name
        if report.received == 0:
            warnings.append(f"{name}: no frames were recorded; check its trigger line")
        else:
            # Only counted pulses show what is missing at the ends; after an early end they say nothing.
            counted = pulses[role] if pulses is not None and stop_reason is None else 0
            expected = max(report.expected, counted)
            if expected > report.received:
                warnings.append(f"{name}: {expected - report.received} of {expected} frames are missing")
        trouble = judge_rate(role, report.rate, planned) if planned and report.rate else ""
        if trouble:
            warnings.append(trouble)
    warnings += doubts
    if stop_reason is not None:
        warnings.append(f"recording stopped: {stop_reason}")
    return RecordingReport(
        path=path,
        seconds=max(_span_s(rows[role]) for role in Role),
        bytes_written=bytes_written,
        hsr=reports[Role.HSR],
        lsr=reports[Role.LSR],
        sync_residual_us=residual,
        drift_ppm=drift,
        phase_basis=basis,
        stop_reason=stop_reason,
        warnings=tuple(dict.fromkeys(warnings)),
    )
