"""What the window remembers: look, folder, cameras, presets. Bad entries are dropped with a warning."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.session import SessionSettings
from drivers import Role
from drivers.trigger import plan_trigger

VERSION: Literal[1] = 1
_PATIENCE_S = 10.0
"""How long another window may take to write its settings [s]."""


class Preset(BaseModel):
    """Exposure, gain, black level, white balance and rates of both cameras under one name.

    Attributes:
        hsr_exposure_us: SFNC ExposureTime [us].
        lsr_exposure_us: SFNC ExposureTime [us].
        hsr_gain_db: SFNC Gain [dB].
        lsr_gain_db: SFNC Gain [dB].
        hsr_black_percent: SFNC BlackLevel [%].
        lsr_black_percent: SFNC BlackLevel [%].
        hsr_red: SFNC BalanceRatio of red, a factor.
        hsr_blue: SFNC BalanceRatio of blue, a factor.
        lsr_red: SFNC BalanceRatio of red, a factor.
        lsr_blue: SFNC BalanceRatio of blue, a factor.
        hsr_fps: Pulses per second to the HSR camera.
        ratio: LSR frames per HSR frame.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hsr_exposure_us: float = Field(gt=0, le=60e6)
    lsr_exposure_us: float = Field(gt=0, le=60e6)
    hsr_gain_db: float = Field(default=0.0, ge=-20, le=60)
    lsr_gain_db: float = Field(default=0.0, ge=-20, le=60)
    hsr_black_percent: float = Field(default=0.0, ge=0, le=100)
    lsr_black_percent: float = Field(default=0.0, ge=0, le=100)
    hsr_red: float = Field(default=1.0, gt=0, le=16)
    hsr_blue: float = Field(default=1.0, gt=0, le=16)
    lsr_red: float = Field(default=1.0, gt=0, le=16)
    lsr_blue: float = Field(default=1.0, gt=0, le=16)
    hsr_fps: float = Field(gt=0, le=10000)
    ratio: int = Field(ge=1, le=1000)

    @classmethod
    def of(cls, settings: SessionSettings) -> Preset:
        """What the cameras are set to now."""
        hsr, lsr = settings.hsr, settings.lsr
        return cls(
            hsr_exposure_us=hsr.exposure_us,
            lsr_exposure_us=lsr.exposure_us,
            hsr_gain_db=hsr.gain_db,
            lsr_gain_db=lsr.gain_db,
            hsr_black_percent=hsr.black_level_percent,
            lsr_black_percent=lsr.black_level_percent,
            hsr_red=hsr.red_balance,
            hsr_blue=hsr.blue_balance,
            lsr_red=lsr.red_balance,
            lsr_blue=lsr.blue_balance,
            hsr_fps=settings.plan.hsr_fps,
            ratio=settings.plan.ratio,
        )

    def apply_to(self, settings: SessionSettings) -> SessionSettings:
        """The same cameras and regions with this preset's values.

        Raises:
            TriggerPlanError: The regions cannot be read at these rates.

        """
        plan = plan_trigger(
            self.hsr_fps,
            hsr_rows=settings.hsr.height * settings.hsr.binning,
            lsr_rows=settings.lsr.height * settings.lsr.binning,
            ratio=self.ratio,
            line=settings.plan.line,
            activation=settings.plan.activation,
            master=settings.plan.master,
        )
        return replace(
            settings,
            plan=plan,
            hsr=replace(
                settings.hsr,
                exposure_us=min(self.hsr_exposure_us, plan.max_exposure_us(Role.HSR)),
                gain_db=self.hsr_gain_db,
                black_level_percent=self.hsr_black_percent,
                red_balance=self.hsr_red,
                blue_balance=self.hsr_blue,
            ),
            lsr=replace(
                settings.lsr,
                exposure_us=min(self.lsr_exposure_us, plan.max_exposure_us(Role.LSR)),
                gain_db=self.lsr_gain_db,
                black_level_percent=self.lsr_black_percent,
                red_balance=self.lsr_red,
                blue_balance=self.lsr_blue,
            ),
        )


_Pixels = Annotated[int, Field(ge=1, le=32767)]


class Settings(BaseModel):
    """Everything that outlives a session of the window.

    Attributes:
        version: Layout of the file.
        theme: The look.
        folder: Where takes go; empty for a folder of that name in the home folder.
        serials: Serial numbers of the HSR and the LSR camera; empty when not known.
        window: Width and height of the window [px].
        baseline_mm: Distance between the cameras as last entered [mm].
        distance_m: Working distance as last entered [m].
        lens_mm: Focal length of the HSR lens [mm].
        presets: By name.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1] = VERSION
    theme: Literal["dark", "light"] = "dark"
    folder: str = ""
    serials: tuple[str, str] | None = None
    window: tuple[_Pixels, _Pixels] = (1280, 800)
    baseline_mm: float = Field(default=50.0, ge=1, le=1000)
    distance_m: float = Field(default=2.0, ge=0.05, le=1000)
    lens_mm: float = Field(default=20.0, ge=1, le=500)
    presets: dict[str, Preset] = Field(default_factory=dict)

    @property
    def take_folder(self) -> Path:
        """Where takes go."""
        return Path(self.folder) if self.folder else Path.home() / "Twinrate"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings as read, and what was wrong with the file: one sentence each."""

    settings: Settings
    warnings: tuple[str, ...]


def settings_path() -> Path:
    """Where this user's settings are."""
    return Path(platformdirs.user_config_dir("twinrate", appauthor=False)) / "settings.json"


def load_settings(path: Path) -> Loaded:
    """Read the file; whatever is wrong in it is left out and named, so that the window always opens."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Loaded(Settings(), ())
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        return _usual(path, f"cannot be read ({error})")
    if not isinstance(content, dict):
        return _usual(path, "holds no settings")
    if content.get("version", VERSION) != VERSION:
        return _usual(path, "written by a newer program")
    warnings: list[str] = []
    while True:
        try:
            return Loaded(Settings.model_validate(content), tuple(warnings))
        except ValidationError as error:
            warnings.extend(_drop(content, error, path))


def _usual(path: Path, reason: str) -> Loaded:
    """The usual settings, because the file says nothing that can be used."""
    then = f"the usual settings are used, and the file is kept as {path.name}.bad once you change one"
    return Loaded(Settings(), (f"{path}: {reason}; {then}",))


def _drop(content: dict[str, Any], error: ValidationError, path: Path) -> list[str]:
    """Take every bad entry out of `content`; a preset goes as a whole, the others stay."""
    said = []
    for problem in error.errors():
        place = [str(part) for part in problem["loc"]]
        inside_presets = place[0] == "presets" and len(place) > 1 and isinstance(content.get("presets"), dict)
        holder: dict[str, Any] = content["presets"] if inside_presets else content
        key = place[1] if inside_presets else place[0]
        if key in holder:
            del holder[key]
            said.append(f"{path}: {'.'.join(place)} is left out ({problem['msg']})")
    return said


def keep_settings(
    settings: Settings, path: Path, changed: Collection[str], presets: Mapping[str, Preset | None]
) -> None:
    """Write the settings of a window together with what another one has written meanwhile.

    Args:
        settings: As this window has them.
        path: Where all windows write them.
        changed: Names of those that were changed in this window.
        presets: Presets that were saved in this window; None of those that were forgotten.

    Raises:
        OSError: The folder cannot be written.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        save_settings(_renewed(settings, path, changed, presets), path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other window reads and writes the file meanwhile: when a desktop ends, all of them do so at once."""
    lock = FileLock(path.with_name(path.name + ".lock"))
    # Some shares have no locks: no reason not to write.
    with suppress(OSError):
        lock.acquire(timeout=_PATIENCE_S)
    try:
        yield
    finally:
        lock.release()


def _renewed(
    settings: Settings, path: Path, changed: Collection[str], presets: Mapping[str, Preset | None]
) -> Settings:
    loaded = load_settings(path)
    if loaded.warnings or not path.exists():
        return settings
    ours = {name: getattr(settings, name) for name in changed if name != "presets"}
    all_presets = {**loaded.settings.presets, **presets}
    kept = {name: preset for name, preset in sorted(all_presets.items()) if preset is not None}
    return loaded.settings.model_copy(update={**ours, "presets": kept})


def save_settings(settings: Settings, path: Path) -> None:
    """Write the file whole or not at all; one that was not understood is kept beside it as settings.json.bad.

    Raises:
        OSError: The folder cannot be written.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if load_settings(path).warnings:
        path.rename(_free_name(path.with_name(path.name + ".bad")))
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(settings.model_dump(mode="json"), indent=2) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def _free_name(path: Path) -> Path:
    """`path`, or the first of path.2, path.3 ... that there is not."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in count(2))
    return next(name for name in chain([path], numbered) if not name.exists())
