"""Offset and drift of two recordings of the same sound, by generalised cross-correlation.

Knapp and Carter, "The Generalized Correlation Method for Estimation of Time Delay" (1976), with the phase
transform softened to |X|^-0.8, so that weak bands do not count as much as strong ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

AUDIO_RATE = 24000
"""Sampling rate that `sync_audio` works at [1/s]."""

_BAND_HZ = (150.0, 8000.0)
_BETA = 0.8
_WINDOW_S = 4.0
_SHORT_WINDOW_S = 1.0
_MAX_WINDOWS = 400
_SEARCH_S = 0.12
_UPSAMPLE = 4
_MIN_WINDOWS = 3
_PEAK_RATIO = 1.15
_SCATTER_S = 0.0005


@dataclass(frozen=True, slots=True)
class AudioSync:
    """What the sound says.

    Attributes:
        shift_s: What to add to an HSR time to get the LSR time of the same instant, at `at_s` [s].
        drift_ppm: How much faster the LSR clock runs [ppm]; 0 when the sound is too short to tell.
        at_s: HSR time that `shift_s` belongs to [s].
        error_s: Standard error of `shift_s` [s].
        drift_error_ppm: Standard error of `drift_ppm` [ppm]; infinite when it was not measured.
        windows: Windows that agree with the line.
        share: Part of all audible windows that agree, 0..1.
        peak_ratio: Correlation at the delay over the next best one, median of the agreeing windows.

    """

    shift_s: float
    drift_ppm: float
    at_s: float
    error_s: float
    drift_error_ppm: float
    windows: int
    share: float
    peak_ratio: float

    @property
    def confidence(self) -> float:
        """0..1; below 0.5 the sound should not be believed."""
        if self.windows == 0:
            return 0.0
        precise = float(np.exp(-((self.error_s / 0.002) ** 2)))
        clear = float(np.clip((self.peak_ratio - 1.0) / 0.4, 0.0, 1.0))
        return min(1.0, self.share / 0.6) * precise * clear * (1.0 - 0.4**self.windows)


NO_AUDIO = AudioSync(0.0, 0.0, 0.0, float("inf"), float("inf"), 0, 0.0, 1.0)
"""Nothing to be learned from the sound."""


def _whitened(x: Signal, y: Signal | FloatArray, size: int) -> npt.NDArray[np.complex128]:
    """Cross spectrum of two real signals, softly whitened and cut to the band of speech and noise."""
    cross = np.conj(np.fft.rfft(x, size)) * np.fft.rfft(y, size)
    magnitude = np.abs(cross)
    floor = 1e-12 * float(magnitude.max()) + 1e-30
    frequency = np.arange(len(cross)) * (AUDIO_RATE / size)
    keep = (frequency >= _BAND_HZ[0]) & (frequency <= _BAND_HZ[1])
    spectrum: npt.NDArray[np.complex128] = np.where(keep, cross / np.maximum(magnitude, floor) ** _BETA, 0)
    return spectrum


def _peak(correlation: FloatArray, at: int) -> float:
    """Position of a maximum by a parabola through it and its neighbours, in samples."""
    left, middle, right = (float(correlation[(at + d) % len(correlation)]) for d in (-1, 0, 1))
    bend = left - 2 * middle + right
    return at + (0.5 * (left - right) / bend if bend < 0 else 0.0)


def _coarse(hsr: Signal, lsr: Signal) -> float:
    """Delay of the LSR sound by its whole length [s]; drift smears it."""
    size = cv2.getOptimalDFTSize(len(hsr) + len(lsr))
    correlation = np.fft.irfft(_whitened(hsr, lsr, size), size)
    strength = np.abs(correlation)
    at = int(np.argmax(strength))
    lag = at if at < len(lsr) else at - size
    return lag / AUDIO_RATE


def _window_delay(hsr: Signal, lsr: Signal | FloatArray) -> tuple[float, float]:
    """Delay of `lsr` against `hsr` within the search range [s], and its peak over the next one."""
    size = cv2.getOptimalDFTSize(len(hsr) + len(lsr))
    spectrum = _whitened(hsr, lsr, size)
    correlation = np.fft.irfft(spectrum, size * _UPSAMPLE)
    reach = int(_SEARCH_S * AUDIO_RATE * _UPSAMPLE)
    strength = np.concatenate([correlation[-reach:], correlation[: reach + 1]])
    at = int(np.argmax(strength))
    near = int(0.001 * AUDIO_RATE * _UPSAMPLE)
    rest = strength.copy()
    rest[max(0, at - near) : at + near + 1] = 0
    ratio = float(strength[at] / max(float(rest.max()), 1e-30))
    if at in (0, len(strength) - 1):
        return 0.0, 0.0
    return (_peak(strength, at) - reach) / (AUDIO_RATE * _UPSAMPLE), ratio


def sync_audio(hsr: Signal, lsr: Signal, *, hsr_start_s: float = 0.0, lsr_start_s: float = 0.0) -> AudioSync:
    """Find offset and drift between two sound tracks of the same event.

    The correlation of the whole length gives the rough offset; it is never the answer, since drift smears it.
    Windows of 4 s then each give a delay, and a robust line through them gives offset and drift.

    Args:
        hsr: Mono sound of the HSR clip at `AUDIO_RATE`, shape (N,).
        lsr: Mono sound of the LSR clip at `AUDIO_RATE`, shape (M,).
        hsr_start_s: Time of `hsr[0]` on the HSR clip's time line [s].
        lsr_start_s: Time of `lsr[0]` on the LSR clip's time line [s].

    Returns:
        The estimate; `confidence` is 0 for silence and for sounds that have nothing in common.

    """
    if min(len(hsr), len(lsr)) < AUDIO_RATE // 4 or not (np.any(hsr) and np.any(lsr)):
        return NO_AUDIO
    hsr = hsr - hsr.mean()
    lsr = lsr - lsr.mean()
    found = NO_AUDIO
    delay, drift, at = _coarse(hsr, lsr), 0.0, 0.0
    # The second round straightens each window by the drift found, so that loud moments do not pull its delay.
    for _ in range(2):
        found = _follow(hsr, lsr, delay, drift, at)
        if not np.isfinite(found.drift_error_ppm):
            break
        delay, drift, at = found.shift_s, found.drift_ppm * 1e-6, found.at_s
    if found.windows == 0:
        return NO_AUDIO
    return replace(found, shift_s=found.shift_s + lsr_start_s - hsr_start_s, at_s=found.at_s + hsr_start_s)


def _follow(hsr: Signal, lsr: Signal, delay: float, drift: float, at: float) -> AudioSync:
    """Measure window by window how the delay departs from `delay + drift * (t - at)`."""
    first = delay - drift * at
    start = max(0, int(np.ceil(-first * AUDIO_RATE)))
    stop = min(len(hsr), int(np.floor((len(lsr) / AUDIO_RATE - first) / (1 + drift) * AUDIO_RATE)))
    if stop - start < AUDIO_RATE // 4:
        return NO_AUDIO
    wanted = max(_SHORT_WINDOW_S, min(_WINDOW_S, (stop - start) / AUDIO_RATE / 3))
    length = min(int(wanted * AUDIO_RATE), stop - start)
    hop = max(length // 4, (stop - start - length) // _MAX_WINDOWS + 1)
    centres, delays, ratios = [], [], []
    audible = 0
    loud = 0.02 * float(np.sqrt(np.mean(hsr[start:stop] ** 2)))
    for begin in range(start, stop - length + 1, hop):
        window = hsr[begin : begin + length]
        if float(np.sqrt(np.mean(window**2))) < loud:
            continue
        audible += 1
        times = np.arange(begin, begin + length) / AUDIO_RATE
        there = (times + delay + drift * (times - at)) * AUDIO_RATE
        low = max(0, int(there[0]) - 1)
        near = lsr[low : int(there[-1]) + 3]
        departure, ratio = _window_delay(window, np.interp(there - low, np.arange(len(near)), near))
        if ratio >= _PEAK_RATIO:
            centre = (begin + length / 2) / AUDIO_RATE
            centres.append(centre)
            delays.append(departure + delay + drift * (centre - at))
            ratios.append(ratio)
    if not delays:
        return NO_AUDIO
    return _line(
        np.array(centres),
        np.array(delays),
        np.array(ratios),
        audible,
        independent=max(1.0, (stop - start) / length),
    )


def _line(
    at: FloatArray, shift: FloatArray, ratios: FloatArray, audible: int, *, independent: float
) -> AudioSync:
    """Theil-Sen through all windows, then least squares through those that agree with it."""
    slope, intercept = 0.0, float(np.median(shift))
    if len(at) >= _MIN_WINDOWS:
        first, second = np.triu_indices(len(at), 1)
        slope = float(np.median((shift[second] - shift[first]) / (at[second] - at[first])))
        intercept = float(np.median(shift - slope * at))
    residual = np.abs(shift - intercept - slope * at)
    keep = residual <= max(_SCATTER_S, 4.0 * float(np.median(residual)))
    if np.median(residual) > _SCATTER_S:
        keep = residual <= _SCATTER_S
    count = int(keep.sum())
    if count == 0:
        return NO_AUDIO
    x, y = at[keep], shift[keep]
    middle = float(x.mean())
    spread = float(((x - middle) ** 2).sum())
    drift = 0.0
    if count >= _MIN_WINDOWS and spread > 0:
        drift = float(((x - middle) * (y - y.mean())).sum() / spread)
    rest = y - y.mean() - drift * (x - middle)
    # Windows overlap: count only as many as fit side by side.
    free = max(1.0, min(float(count), independent))
    scatter = float(np.sqrt(np.mean(rest**2))) + 0.25 / (AUDIO_RATE * _UPSAMPLE)
    drift_error = float("inf")
    if count >= _MIN_WINDOWS and spread > 0:
        drift_error = scatter / np.sqrt(spread * free / count) * 1e6
    measured = np.isfinite(drift_error)
    return AudioSync(
        shift_s=float(y.mean()),
        drift_ppm=drift * 1e6 if measured else 0.0,
        at_s=middle,
        error_s=scatter / float(np.sqrt(free)),
        drift_error_ppm=float(drift_error),
        windows=count,
        share=count / audible,
        peak_ratio=float(np.median(ratios[keep])),
    )
