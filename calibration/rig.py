"""The calibrated pair as a file: bound to its cameras, lenses and regions, refused when they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calibration._whole_file import write_whole
from calibration.errors import RigFileError, StaleRigError
from calibration.grid import Matrix, pixel_ratio, scaling

VERSION: Literal[1] = 1
_LEAST_FOCAL, _MOST_FOCAL = 0.05, 1000.0  # of the picture's longer side, from fisheyes to telescopes
Row3 = tuple[float, float, float]
Matrix3 = tuple[Row3, Row3, Row3]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CameraId(_Part):
    """What a calibration is bound to.

    Attributes:
        serial: Serial number; empty where the pictures come from clips.
        lens: The lens, in the operator's words, such as "6 mm".
        width: Picture width [px].
        height: Picture height [px].
        offset_x: SFNC OffsetX of the region [px]; None where it is not known, as for pictures and clips.
        offset_y: SFNC OffsetY of the region [px]; None as above.
        binning: Sensor pixels summed along each axis; None as above.

    """

    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    serial: str = ""
    lens: str = ""
    offset_x: int | None = None
    offset_y: int | None = None
    binning: Annotated[int, Field(gt=0)] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) [px]."""
        return self.width, self.height


class CameraModel(_Part):
    """Pinhole camera with radial and tangential distortion (OpenCV's k1 k2 p1 p2 k3).

    Attributes:
        id: What it belongs to.
        matrix: Intrinsic matrix [px].
        distortion: k1, k2, p1, p2, k3.
        rms_px: Reprojection error of the calibration [px].
        focal_sigma_px: Standard deviation of the focal length [px].
        centre_sigma_px: Standard deviation of the principal point [px].

    """

    id: CameraId
    matrix: Matrix3
    distortion: tuple[float, float, float, float, float]
    rms_px: Annotated[float, Field(ge=0)] = 0.0
    focal_sigma_px: Annotated[float, Field(ge=0)] = 0.0
    centre_sigma_px: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _sane(self) -> CameraModel:
        k = self.k
        if not (k[0, 0] > 0 and k[1, 1] > 0) or k[2].tolist() != [0.0, 0.0, 1.0] or k[1, 0] != 0:
            raise ValueError("the intrinsic matrix is not one")
        longest = max(self.id.size)
        if not all(_LEAST_FOCAL * longest < f < _MOST_FOCAL * longest for f in (k[0, 0], k[1, 1])):
            raise ValueError("the focal length is none; it counts px, not mm")
        return self

    @property
    def k(self) -> Matrix:
        """3x3 intrinsic matrix [px]."""
        return np.array(self.matrix, np.float64)

    @property
    def d(self) -> Matrix:
        """(5,) distortion coefficients."""
        return np.array(self.distortion, np.float64)

    def rescaled(self, width: int, height: int) -> CameraModel:
        """The same camera read out at another sampling of the same region.

        Raises:
            StaleRigError: The new size has another aspect ratio, so it cannot be the same region.

        """
        sx, sy = width / self.id.width, height / self.id.height
        if abs(sx / sy - 1) > 0.01:
            raise StaleRigError(
                f"the rig file cannot be rescaled from {self.id.width}x{self.id.height} to {width}x{height}: "
                "the aspect ratio differs, so the region does too; calibrate again"
            )
        k = scaling(sx, sy) @ self.k
        return self.model_copy(
            update={
                "id": self.id.model_copy(update={"width": width, "height": height}),
                "matrix": _rows(k),
            }
        )


class Rig(_Part):
    """The calibrated pair. A point X_lsr lies at X_hsr = rotation @ X_lsr + translation [mm].

    Attributes:
        format: Always "twinrate-rig".
        version: Version of the file's layout.
        lsr: The fast camera.
        hsr: The sharp camera.
        rotation: From LSR to HSR camera axes.
        direction: Unit vector of the HSR camera's position in LSR camera axes.
        baseline_mm: Distance between both cameras [mm].
        baseline_sigma_mm: Its standard deviation [mm]; 0 = not known (typed in, or re-locked).
        reference_mm: Distance of the reference plane along the LSR camera's axis [mm].
        stereo_rms_px: Reprojection error of both cameras together [px].
        epipolar_p95_px: 95th percentile of the distance from epipolar lines [HSR px].
        views: Board views used.
        verdict: "good", "usable" or "redo".
        created: ISO 8601 time in UTC; empty when not known.
        note: The operator's words, such as temperature and focus.

    """

    format: Literal["twinrate-rig"] = "twinrate-rig"
    version: Literal[1] = VERSION
    lsr: CameraModel
    hsr: CameraModel
    rotation: Matrix3
    direction: Row3
    baseline_mm: Annotated[float, Field(gt=0)]
    baseline_sigma_mm: Annotated[float, Field(ge=0)] = 0.0
    reference_mm: Annotated[float, Field(gt=0)] = 2000.0
    stereo_rms_px: Annotated[float, Field(ge=0)] = 0.0
    epipolar_p95_px: Annotated[float, Field(ge=0)] = 0.0
    views: Annotated[int, Field(ge=0)] = 0
    verdict: Literal["good", "usable", "redo"] = "usable"
    created: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _sane(self) -> Rig:
        r = self.r
        if not np.allclose(r @ r.T, np.eye(3), atol=1e-6) or np.linalg.det(r) < 0:
            raise ValueError("the rotation is not one")
        if not np.isclose(np.linalg.norm(self.direction), 1.0, atol=1e-6):
            raise ValueError("the direction is not a unit vector")
        return self

    @property
    def r(self) -> Matrix:
        """3x3 rotation from LSR to HSR axes."""
        return np.array(self.rotation, np.float64)

    @property
    def zoom(self) -> float:
        """Size at which things appear in the LSR view, by what it were if both cameras saw the same field."""
        shared = pixel_ratio(self.hsr.id.size, self.lsr.id.size)
        return shared * float(self.lsr.k[0, 0] / self.hsr.k[0, 0])

    def translation_mm(self, baseline_mm: float | None = None) -> Matrix:
        """(3,) t in X_hsr = R X_lsr + t for a baseline [mm]; None = the rig's own."""
        b = self.baseline_mm if baseline_mm is None else baseline_mm
        return np.asarray(-self.r @ (b * np.array(self.direction)), np.float64)

    def moved(
        self,
        *,
        rotation: Matrix | None = None,
        baseline_mm: float | None = None,
        reference_mm: float | None = None,
    ) -> Rig:
        """The rig after its rail or heads moved; what is None stays."""
        update: dict[str, object] = {}
        if rotation is not None:
            update["rotation"] = _rows(rotation)
        if baseline_mm is not None and baseline_mm != self.baseline_mm:
            update |= {"baseline_mm": baseline_mm, "baseline_sigma_mm": 0.0}
        if reference_mm is not None:
            update["reference_mm"] = reference_mm
        return Rig.model_validate({**self.model_dump(), **update})

    def check(self, *, hsr: CameraId, lsr: CameraId) -> None:
        """Refuse to be used with anything but what was calibrated.

        Args:
            hsr: The sharp camera as it is set now; an empty serial or lens is not compared.
            lsr: The fast camera as it is set now.

        Raises:
            StaleRigError: Names each difference.

        """
        wrong = [
            *_differences("HSR", self.hsr.id, hsr),
            *_differences("LSR", self.lsr.id, lsr),
        ]
        if wrong:
            swapped = self.hsr.id.size == lsr.size and self.lsr.id.size == hsr.size and hsr.size != lsr.size
            advice = "are HSR and LSR swapped?" if swapped else "calibrate again"
            raise StaleRigError(f"the rig file is stale: {'; '.join(wrong)}; {advice}")

    def rescaled(self, *, hsr_size: tuple[int, int], lsr_size: tuple[int, int]) -> Rig:
        """The rig at other samplings of the same regions; only on the operator's request.

        Raises:
            StaleRigError: An aspect ratio differs.

        """
        return self.model_copy(
            update={"hsr": self.hsr.rescaled(*hsr_size), "lsr": self.lsr.rescaled(*lsr_size)}
        )

    def save(self, path: Path) -> None:
        """Write the file whole or not at all.

        Raises:
            OSError: The folder cannot be written.

        """
        text = json.dumps(self.model_dump(mode="json"), indent=1) + "\n"
        write_whole(path, text.encode())


def load_rig(path: Path) -> Rig:
    """Read a rig file.

    Raises:
        RigFileError: Missing, not a rig file, damaged, or of another version. Names the file and the field.

    """
    try:
        # Editors on Windows put a mark in front.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RigFileError(f"{path}: there is no such rig file; make one with `calibrate board`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RigFileError(f"{path}: cannot be read as a rig file ({error})") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise RigFileError(f"{path}: damaged or not a rig file (no JSON in it)") from None
    if not isinstance(data, dict) or data.get("format") != "twinrate-rig":
        raise RigFileError(f"{path}: not a rig file")
    if data.get("version") != VERSION:
        raise RigFileError(
            f"{path}: written in layout {data.get('version')!r}, this program reads layout {VERSION}; "
            "calibrate again"
        )
    try:
        return Rig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "file"
        raise RigFileError(f"{path}: damaged at {where}: {first['msg']}") from None


def _rows(matrix: Matrix) -> Matrix3:
    a, b, c = ((float(r[0]), float(r[1]), float(r[2])) for r in matrix)
    return a, b, c


def _differences(name: str, stored: CameraId, now: CameraId) -> list[str]:
    out = []
    if stored.size != now.size:
        out.append(
            f"{name} pictures are {now.width}x{now.height}, the rig's were {stored.width}x{stored.height}"
        )
    if now.serial and stored.serial and now.serial != stored.serial:
        out.append(f"the {name} camera is {now.serial}, the rig's was {stored.serial}")
    if now.lens and stored.lens and now.lens != stored.lens:
        out.append(f"the {name} lens is {now.lens}, the rig's was {stored.lens}")
    offsets = (now.offset_x, now.offset_y, stored.offset_x, stored.offset_y)
    if None not in offsets and offsets[:2] != offsets[2:]:
        out.append(
            f"the {name} region starts at {now.offset_x},{now.offset_y}, "
            f"the rig's at {stored.offset_x},{stored.offset_y}"
        )
    if None not in (now.binning, stored.binning) and now.binning != stored.binning:
        out.append(f"the {name} camera sums {now.binning} pixels, the rig's summed {stored.binning}")
    return out
