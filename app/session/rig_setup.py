"""What the rig is: which two cameras, their regions, rates and light, and who makes the pulses."""

from __future__ import annotations

from dataclasses import dataclass

from app.paper_rig import PAPER_HSR_SIZE, PAPER_LSR_SIZE
from app.session.crew import SessionSettings
from drivers import CameraSettings, PixelFormat
from drivers.trigger import plan_trigger


@dataclass(frozen=True, slots=True)
class RigSetup:
    """The two cameras of a session and what they are set to; the paper's rig unless said otherwise.

    Attributes:
        emulate: Take the emulated rig, even when cameras are there.
        real_time: Emulated pulses follow the clock, so that frames can be lost, instead of waiting for their
            readers.
        seed: Scene and noise of the emulated rig.
        baseline_mm: Distance between the emulated cameras [mm].
        serials: Serial numbers of the HSR and the LSR camera; None where they are not known.
        hsr_size: Region of the HSR camera, (width, height) [px], centred.
        lsr_size: Region of the LSR camera, (width, height) [px], centred.
        hsr_fps: Pulses per second to the HSR camera [1/s].
        ratio: LSR frames per HSR frame.
        hsr_exposure_us: Exposure of the HSR camera [us].
        lsr_exposure_us: Exposure of the LSR camera [us].
        gain_db: Gain of both cameras [dB].
        pixel_format: Pixel format of both cameras.
        line: SFNC TriggerSource that the pulses come in by.
        master: The LSR camera makes the pulses, and a divider hands every `ratio`-th to the HSR camera.

    """

    emulate: bool = False
    real_time: bool = False
    seed: int = 0
    baseline_mm: float = 50.0
    serials: tuple[str, str] | None = None
    hsr_size: tuple[int, int] = PAPER_HSR_SIZE
    lsr_size: tuple[int, int] = PAPER_LSR_SIZE
    hsr_fps: float = 30.0
    ratio: int = 8
    hsr_exposure_us: float = 2000.0
    lsr_exposure_us: float = 2000.0
    gain_db: float = 0.0
    pixel_format: PixelFormat = PixelFormat.BAYER_RG8
    line: str = "Line0"
    master: bool = False

    def settings(self) -> SessionSettings:
        """Camera settings and trigger plan.

        Raises:
            TriggerPlanError: The rates cannot be triggered.

        """
        plan = plan_trigger(
            self.hsr_fps,
            hsr_rows=self.hsr_size[1],
            lsr_rows=self.lsr_size[1],
            ratio=self.ratio,
            line=self.line,
            master=self.master,
        )
        hsr = CameraSettings(
            *self.hsr_size,
            pixel_format=self.pixel_format,
            exposure_us=self.hsr_exposure_us,
            gain_db=self.gain_db,
        )
        lsr = CameraSettings(
            *self.lsr_size,
            pixel_format=self.pixel_format,
            exposure_us=self.lsr_exposure_us,
            gain_db=self.gain_db,
            buffer_count=256,
        )
        return SessionSettings(hsr, lsr, plan)
