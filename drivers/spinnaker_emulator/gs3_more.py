"""Grasshopper3 features that neither streaming nor triggering depend on.

Names, ranges and defaults follow a camera of the same generation; register addresses and GenCP plumbing are
left out.
"""

from __future__ import annotations

from drivers.spinnaker_emulator.specs import (
    Kind,
    NodeSpec,
    boolean,
    choice,
    command,
    fixed,
    integer,
    real,
    symbols,
)

_AUTO = symbols("Off", "Once", "Continuous")


def secondary_table() -> tuple[NodeSpec, ...]:
    """Features of image processing, user values, defect pixels and the link."""
    dev, acq, fmt = "DeviceControl", "AcquisitionControl", "ImageFormatControl"
    analog, digital, user = "AnalogControl", "DigitalIOControl", "UserSetControl"
    return (
        fixed("DeviceFamilyName", Kind.STRING, "GEN2-USB", category=dev),
        fixed("DeviceMaxThroughput", Kind.INTEGER, 384_000_000, category=dev),
        NodeSpec(
            "DeviceScanType",
            Kind.ENUMERATION,
            "Areascan",
            entries=symbols("Areascan"),
            locked_if="1",
            category=dev,
        ),
        fixed("DeviceGenCpVersionMajor", Kind.INTEGER, 1, category=dev),
        fixed("DeviceGenCPVersionMinor", Kind.INTEGER, 0, category=dev),
        fixed("TimestampSupported", Kind.BOOLEAN, True, category=dev),
        fixed("TransmitFailureCount", Kind.INTEGER, 0, category=dev),
        command("TransmitFailureCountReset", category=dev),
        fixed("USB3LinkRecoveryCount", Kind.INTEGER, 0, category=dev),
        fixed("pgrDeviceUptime", Kind.INTEGER, 5, category=dev),
        fixed("pgrSensorDescription", Kind.STRING, 'Sony IMX250 (2/3" Color CMOS)', category=dev),
        integer(
            "UserDefinedValue", 0, -(2**31), 2**31 - 1, selector="UserDefinedValueSelector", category=dev
        ),
        choice(
            "UserDefinedValueSelector",
            "Value1",
            symbols("Value1", "Value2", "Value3", "Value4", "Value5"),
            category=dev,
        ),
        fixed("DecimationHorizontal", Kind.INTEGER, 1, computed="DecimationVertical", category=fmt),
        integer("DecimationVertical", 1, 1, 2, locked_if="TLParamsLocked != 0", category=fmt),
        choice(
            "PixelColorFilter",
            "BayerRG",
            symbols("BayerRG", "BayerGB", "BayerGR", "BayerBG", "None"),
            locked_if="1",
            category=fmt,
        ),
        fixed("PixelDynamicRangeMin", Kind.INTEGER, 0, category=fmt),
        fixed("PixelDynamicRangeMax", Kind.INTEGER, 255, category=fmt),
        choice("TestImageSelector", "Off", symbols("Off", "TestImage1", "TestImage2"), category=fmt),
        real("AutoExposureTimeLowerLimit", 11.4, 0.0, "AutoExposureTimeUpperLimit", "us", category=acq),
        real(
            "AutoExposureTimeUpperLimit", 15000.0, "AutoExposureTimeLowerLimit", 93287.7, "us", category=acq
        ),
        choice("AcquisitionStatusSelector", "FrameTriggerWait", symbols("FrameTriggerWait"), category=acq),
        fixed("AcquisitionStatus", Kind.BOOLEAN, False, category=acq),
        choice(
            "SingleFrameAcquisitionMode", "FreeRunning", symbols("FreeRunning", "Triggered"), category=acq
        ),
        choice("pgrExposureCompensationAuto", "Continuous", _AUTO, category=acq),
        real(
            "pgrExposureCompensation",
            1.0,
            -7.585,
            2.4136,
            "EV",
            locked_if="pgrExposureCompensationAuto != 0",
            category=acq,
        ),
        real("AutoGainLowerLimit", 0.0, 0.0, "AutoGainUpperLimit", "dB", category=analog),
        real("AutoGainUpperLimit", 47.994, "AutoGainLowerLimit", 47.994, "dB", category=analog),
        boolean("HueEnabled", False, category=analog),
        real("Hue", 0.0, -180.0, 179.9121, "deg", locked_if="HueEnabled == 0", category=analog),
        choice("SaturationAuto", "Off", _AUTO, hidden_if="SaturationEnabled == 0", category=analog),
        real("Saturation", 100.0, 0.0, 399.9023, "%", locked_if="SaturationEnabled == 0", category=analog),
        choice("SharpnessAuto", "Off", _AUTO, hidden_if="SharpnessEnabled == 0", category=analog),
        integer("Sharpness", 1024, 0, 4095, locked_if="SharpnessEnabled == 0", category=analog),
        boolean("LUTEnable", False, category=analog),
        choice("LUTSelector", "Luminance", symbols("Luminance", "Red", "Green", "Blue"), category=analog),
        integer("LUTIndex", 0, 0, 511, hidden_if="LUTEnable == 0", category=analog),
        boolean("pgrDefectPixelCorrectionEnable", True, category=analog),
        choice("pgrDefectPixelCorrectionTestMode", "Off", symbols("Off", "On"), category=analog),
        boolean("pgrHDRModeEnabled", False, category=analog),
        choice(
            "pgrHDRImageSelector",
            "Image1",
            symbols("Image1", "Image2", "Image3", "Image4"),
            hidden_if="pgrHDRModeEnabled == 0",
            category=analog,
        ),
        choice("AutoFunctionAOIsControl", "Off", symbols("Off", "On"), category=analog),
        integer(
            "AutoFunctionAOIWidth", 2448, 0, 2448, hidden_if="AutoFunctionAOIsControl == 0", category=analog
        ),
        integer(
            "AutoFunctionAOIHeight", 2048, 0, 2048, hidden_if="AutoFunctionAOIsControl == 0", category=analog
        ),
        boolean("RemoveLimits", False, selector="ParameterSelector", category=analog),
        choice("ParameterSelector", "Gain", symbols("Gain"), category=analog),
        fixed("LineStatusAll", Kind.INTEGER, 14, category=digital),
        real(
            "StrobeDelay",
            0.0,
            0.0,
            65535.0,
            "us",
            selector="LineSelector",
            hidden_if="StrobeEnabled == 0",
            category=digital,
        ),
        real(
            "StrobeDuration",
            0.0,
            0.0,
            65535.0,
            "us",
            selector="LineSelector",
            hidden_if="StrobeEnabled == 0",
            category=digital,
        ),
        choice(
            "UserOutputSelector",
            "UserOutputValue1",
            symbols("UserOutputValue1", "UserOutputValue2", "UserOutputValue3"),
            category=digital,
        ),
        boolean("UserOutputValue", False, selector="UserOutputSelector", category=digital),
        choice("UserSetDefault", "Default", symbols("Default", "UserSet1", "UserSet2"), category=user),
        fixed("UserSetCurrent", Kind.INTEGER, 0, category=user),
        command("TriggerEventTest", category="EventControl"),
    )
