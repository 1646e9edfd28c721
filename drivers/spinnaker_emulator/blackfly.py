"""A Blackfly S with the same sensor: SFNC 2 names where the Grasshopper3 has its own.

It is there for other programs' sake: what works on one generation and must fail on the other shows that the
emulator does not accept everything.
"""

from __future__ import annotations

from drivers.spinnaker_emulator import gs3
from drivers.spinnaker_emulator.specs import Kind, NodeSpec, boolean, choice, command, fixed, real, symbols

MODEL = "Blackfly S BFS-U3-51S5C"
_GS3_ONLY = frozenset(
    {
        "AcquisitionFrameRateEnabled",
        "AcquisitionFrameRateAuto",
        "TriggerDelayEnabled",
        "GammaEnabled",
        "VideoMode",
        "UserSetDefaultSelector",
        "TimestampIncrement",
        "LineDebouncerTimeRaw",
        "StrobeEnabled",
        "StrobeDelay",
        "StrobeDuration",
        "SharpnessEnabled",
        "Sharpness",
        "SharpnessAuto",
        "SaturationEnabled",
        "Saturation",
        "SaturationAuto",
        "HueEnabled",
        "Hue",
        "ExposureTimeAbs",
        "RemoveLimits",
        "ParameterSelector",
    }
)


def device_table(serial: str) -> tuple[NodeSpec, ...]:
    """All features of one Blackfly S."""
    acq, analog, digital = "AcquisitionControl", "AnalogControl", "DigitalIOControl"
    changed = {
        "AcquisitionFrameRate": real(
            "AcquisitionFrameRate",
            30.0,
            1.0,
            gs3.FRAME_RATE_MAX,
            "Hz",
            locked_if="AcquisitionFrameRateEnable == 0",
            category=acq,
        ),
        "TriggerDelay": real("TriggerDelay", 0.0, 0.0, 65_520_000.0, "us", category=acq),
        "TriggerOverlap": choice("TriggerOverlap", "Off", symbols("Off", "ReadOut"), category=acq),
        "ExposureTime": real(
            "ExposureTime", 5000.0, 20.0, 30_000_000.0, "us", locked_if="ExposureAuto != 0", category=acq
        ),
        "Gamma": real("Gamma", 0.8, 0.25, 4.0, "", locked_if="GammaEnable == 0", category=analog),
        "ChunkSelector": choice(
            "ChunkSelector",
            "FrameID",
            symbols(
                "Image", "CRC", "FrameID", "OffsetX", "OffsetY", "Width", "Height", "ExposureTime", "Gain"
            )
            + symbols("BlackLevel", "PixelFormat", "Timestamp", start=9),
            category="ChunkDataControl",
        ),
    }
    common = (changed.get(s.name, s) for s in gs3.device_table(serial, MODEL) if s.name not in _GS3_ONLY)
    return (
        *(s for s in common if not s.name.startswith("pgr")),
        boolean("AcquisitionFrameRateEnable", False, category=acq),
        fixed(
            "AcquisitionResultingFrameRate",
            Kind.FLOAT,
            30.0,
            computed=f"min(AcquisitionFrameRate, {gs3.FRAME_RATE_MAX})",
            category=acq,
        ),
        boolean("GammaEnable", True, category=analog),
        real("AutoExposureEVCompensation", 0.0, -3.0, 3.0, "EV", category=analog),
        choice("DeviceIndicatorMode", "Active", symbols("Inactive", "Active", "ErrorStatus")),
        boolean("V3_3Enable", False, selector="LineSelector", category=digital),
        fixed("TimestampLatchValue", Kind.INTEGER, 0),
        command("TimestampReset"),
    )
