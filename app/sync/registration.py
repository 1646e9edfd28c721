"""How the LSR view lies in the HSR view at one moment, found by distinct points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from app.sync.small_pictures import SmallPictures
from calibration import CalibrationError
from calibration.features import Features, Matches, find_features, lsr_sampling, pair_features
from calibration.grid import pixel_ratio, transform
from calibration.homography import fit_homography

Corners = npt.NDArray[np.float64]

_FEATURES = 4000
_THREADS = 2


class Registrations:
    """Registers small pictures of two streams; remembers what it has found.

    Args:
        hsr: Pictures of the HSR stream.
        lsr: Pictures of the LSR stream.

    """

    def __init__(self, hsr: SmallPictures, lsr: SmallPictures) -> None:
        self._hsr, self._lsr = hsr, lsr
        self._hsr_sampling = lsr_sampling(hsr.size, lsr.size)
        self._hsr_features: dict[int, Features] = {}
        self._lsr_features: dict[int, Features] = {}
        self._found: dict[tuple[int, int], Corners | None] = {}

    @property
    def square(self) -> Corners:
        """Corners of the LSR picture in its own px, shape (4, 2)."""
        w, h = self._lsr.size
        return np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], np.float64)

    def prepare(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Search the pictures of some (HSR index, LSR index) pairs at once, which several cores can share."""
        new = [pair for pair in pairs if pair not in self._found]
        sharp = {j: self._hsr.read(j) for j, _ in new if j not in self._hsr_features}
        coarse = {i: self._lsr.read(i) for _, i in new if i not in self._lsr_features}
        with ThreadPoolExecutor(_THREADS) as pool:
            sharp_found = pool.map(self._search_hsr, sharp.values())
            coarse_found = pool.map(_search_lsr, coarse.values())
            self._hsr_features.update(zip(sharp, sharp_found, strict=True))
            self._lsr_features.update(zip(coarse, coarse_found, strict=True))

    def corners(self, hsr_index: int, lsr_index: int) -> Corners | None:
        """Where the corners of an LSR picture lie in an HSR picture, (4, 2); None where that is unknown."""
        key = (hsr_index, lsr_index)
        if key not in self._found:
            self.prepare([key])
            self._found[key] = self._fit(self._hsr_features[hsr_index], self._lsr_features[lsr_index])
        return self._found[key]

    def matches(self, pairs: Sequence[tuple[int, npt.NDArray[np.uint8]]]) -> list[Matches | None]:
        """Points that HSR pictures share with pictures of the LSR view, in their own px.

        Args:
            pairs: HSR index, and a picture of the LSR view.

        Returns:
            One a pair; None where there are too few points.

        """
        new = [j for j, _ in pairs if j not in self._hsr_features]
        sharp = {j: self._hsr.read(j) for j in new}
        with ThreadPoolExecutor(_THREADS) as pool:
            self._hsr_features.update(zip(sharp, pool.map(self._search_hsr, sharp.values()), strict=True))
            coarse = list(pool.map(_search_lsr, [picture for _, picture in pairs]))
        found: list[Matches | None] = []
        for (j, _), lsr in zip(pairs, coarse, strict=True):
            try:
                found.append(pair_features(self._hsr_features[j], lsr))
            except CalibrationError:
                found.append(None)
        return found

    def _search_hsr(self, picture: npt.NDArray[np.uint8]) -> Features:
        return find_features(picture, sampling=self._hsr_sampling, limit=_FEATURES)

    def _fit(self, hsr: Features, lsr: Features) -> Corners | None:
        ratio = pixel_ratio(self._hsr.size, self._lsr.size)
        try:
            plane = fit_homography(pair_features(hsr, lsr), lsr_size=self._lsr.size, ratio=ratio)
        except CalibrationError:
            return None
        return transform(plane.matrix, self.square)


def _search_lsr(picture: npt.NDArray[np.uint8]) -> Features:
    return find_features(picture, limit=_FEATURES)
