"""The Grasshopper3's features (GS3-U3-51S5C, firmware 2.x): node names older than SFNC 2."""

from __future__ import annotations

from drivers.spinnaker_emulator.gs3_more import secondary_table
from drivers.spinnaker_emulator.optics import SENSOR_HEIGHT, SENSOR_WIDTH
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

SIMULATED_VENDOR = "Twinrate (simulated)"
ROW_TIME_US = 6.45
"""Time to read one sensor row [us]; 2048 rows allow the camera's 75 fps.

The emulated camera's own truth; the program believes a little more (drivers.sensor), to keep clear of it.
"""

_LOCKED = "TLParamsLocked != 0"
_TRIGGERED = "TriggerMode == 1"
_AUTO = symbols("Off", "Once", "Continuous")
_LINES = symbols("Line0", "Line1", "Line2", "Line3")
_CHUNKS = (
    "Image", "CRC", "FrameCounter", "OffsetX", "OffsetY", "Width", "Height", "ExposureTime", "Gain",
    "BlackLevel", "PixelFormat", "Timestamp",
)  # fmt: skip
PIXEL_FORMATS = (
    ("Mono8", 0), ("Mono16", 1), ("BayerRG8", 9), ("BayerRG16", 25), ("RGB8", 2),
    ("Mono12p", 33), ("Mono12Packed", 34), ("BayerRG12p", 41), ("BayerRG12Packed", 42),
)  # fmt: skip
_PIXEL_BITS = (
    "(12 if PixelFormat > 32 else 16 if PixelFormat == 1 or PixelFormat == 25 else 24 if PixelFormat == 2 "
    "else 8)"
)
_SENSOR_RATE = f"1000000 / (Height * BinningVertical * {ROW_TIME_US} + 50)"
_LINK_RATE = "DeviceLinkThroughputLimit / PayloadSize"
FRAME_RATE_MAX = f"{_LINK_RATE} if {_LINK_RATE} < {_SENSOR_RATE} else {_SENSOR_RATE}"


# Free-running, the frame rate in force bounds the exposure; triggered, nothing does.
_EXPOSURE_MAX = (
    "32000000.0 if TriggerMode == 1 or AcquisitionFrameRateEnabled == 0 "
    "else 1000000.0 / AcquisitionFrameRate - 120.0"
)


def _category(name: str) -> NodeSpec:
    return NodeSpec(name, Kind.CATEGORY, "", category="Root", text=name)


def device_table(serial: str, model: str = "Grasshopper3 GS3-U3-51S5C") -> tuple[NodeSpec, ...]:
    """All features of one camera."""
    categories = (
        "Root",
        "DeviceControl",
        "ImageFormatControl",
        "AcquisitionControl",
        "AnalogControl",
        "DigitalIOControl",
        "ChunkDataControl",
        "UserSetControl",
        "TransportLayerControl",
        "EventControl",
    )
    fmt, acq, analog = "ImageFormatControl", "AcquisitionControl", "AnalogControl"
    digital, chunk, user = "DigitalIOControl", "ChunkDataControl", "UserSetControl"
    transport = "TransportLayerControl"
    return (
        *secondary_table(),
        *(_category(name) for name in categories),
        fixed("DeviceVendorName", Kind.STRING, SIMULATED_VENDOR),
        fixed("DeviceModelName", Kind.STRING, model),
        fixed("DeviceSerialNumber", Kind.STRING, serial),
        fixed("DeviceID", Kind.STRING, serial),
        fixed("DeviceVersion", Kind.STRING, "Emulated"),
        fixed("DeviceFirmwareVersion", Kind.STRING, "2.25.3.0"),
        NodeSpec("DeviceUserID", Kind.STRING, ""),
        fixed("DeviceTemperature", Kind.FLOAT, 41.5, unit="C"),
        command("DeviceReset"),
        integer("DeviceLinkThroughputLimit", 384_000_000, 1_000_000, 384_000_000, locked_if=_LOCKED),
        fixed("DeviceLinkSpeed", Kind.INTEGER, 500_000_000),
        fixed("Timestamp", Kind.INTEGER, 0),
        fixed("TimestampIncrement", Kind.INTEGER, 125_000),
        command("TimestampLatch"),
        fixed("SensorWidth", Kind.INTEGER, SENSOR_WIDTH, category=fmt),
        fixed("SensorHeight", Kind.INTEGER, SENSOR_HEIGHT, category=fmt),
        fixed(
            "WidthMax",
            Kind.INTEGER,
            SENSOR_WIDTH,
            computed=f"{SENSOR_WIDTH} // BinningVertical",
            category=fmt,
        ),
        fixed(
            "HeightMax",
            Kind.INTEGER,
            SENSOR_HEIGHT,
            computed=f"{SENSOR_HEIGHT} // BinningVertical",
            category=fmt,
        ),
        integer(
            "Width", SENSOR_WIDTH, 16, "WidthMax - OffsetX", increment=8, locked_if=_LOCKED, category=fmt
        ),
        integer(
            "Height", SENSOR_HEIGHT, 2, "HeightMax - OffsetY", increment=2, locked_if=_LOCKED, category=fmt
        ),
        integer("OffsetX", 0, 0, "WidthMax - Width", increment=8, category=fmt),
        integer("OffsetY", 0, 0, "HeightMax - Height", increment=2, category=fmt),
        fixed("BinningHorizontal", Kind.INTEGER, 1, computed="BinningVertical", category=fmt),
        integer("BinningVertical", 1, 1, 2, locked_if=_LOCKED, category=fmt),
        boolean("ReverseX", False, locked_if=_LOCKED, category=fmt),
        choice("PixelFormat", "BayerRG8", PIXEL_FORMATS, locked_if=_LOCKED, category=fmt),
        choice("VideoMode", "Mode0", symbols("Mode0", "Mode1", "Mode7"), locked_if=_LOCKED, category=fmt),
        choice("TestPattern", "Off", symbols("Off", "TestImage1", "TestImage2"), category=fmt),
        choice(
            "AcquisitionMode",
            "Continuous",
            symbols("Continuous", "SingleFrame", "MultiFrame"),
            locked_if=_LOCKED,
            category=acq,
        ),
        command("AcquisitionStart", category=acq),
        command("AcquisitionStop", category=acq),
        integer("AcquisitionFrameCount", 2, 1, 65535, locked_if=_LOCKED, category=acq),
        boolean("AcquisitionFrameRateEnabled", False, locked_if=_TRIGGERED, category=acq),
        choice(
            "AcquisitionFrameRateAuto",
            "Continuous",
            _AUTO,
            locked_if=f"{_TRIGGERED} or AcquisitionFrameRateEnabled == 0",
            category=acq,
        ),
        real(
            "AcquisitionFrameRate",
            30.0,
            1.0,
            FRAME_RATE_MAX,
            "Hz",
            category=acq,
            locked_if=f"{_TRIGGERED} or AcquisitionFrameRateEnabled == 0 or AcquisitionFrameRateAuto != 0",
        ),
        choice("TriggerSelector", "FrameStart", symbols("FrameStart", "ExposureActive"), category=acq),
        choice("TriggerMode", "Off", symbols("Off", "On"), selector="TriggerSelector", category=acq),
        command("TriggerSoftware", category=acq, hidden_if="TriggerMode == 0 or TriggerSource != 16"),
        choice("TriggerSource", "Line0", (("Software", 16), *_LINES), category=acq),
        choice("TriggerActivation", "FallingEdge", symbols("FallingEdge", "RisingEdge"), category=acq),
        choice(
            "TriggerOverlap", "Off", symbols("Off", "ReadOut"), hidden_if="TriggerMode == 0", category=acq
        ),
        boolean("TriggerDelayEnabled", False, category=acq),
        real("TriggerDelay", 0.0, 0.0, 65000.0, "us", locked_if="TriggerDelayEnabled == 0", category=acq),
        choice("ExposureMode", "Timed", symbols("Timed", "TriggerWidth"), locked_if=_LOCKED, category=acq),
        choice("ExposureAuto", "Continuous", _AUTO, category=acq),
        real("ExposureTime", 10000.0, 6.0, _EXPOSURE_MAX, "us", locked_if="ExposureAuto != 0", category=acq),
        fixed("ExposureTimeAbs", Kind.FLOAT, 0.0, computed="ExposureTime", unit="us", category=acq),
        choice("GainAuto", "Continuous", _AUTO, category=analog),
        choice("GainSelector", "All", symbols("All"), category=analog),
        real("Gain", 0.0, 0.0, 47.994, "dB", locked_if="GainAuto != 0", category=analog),
        choice("BlackLevelSelector", "All", symbols("All"), category=analog),
        real("BlackLevel", 0.0, 0.0, 12.475, "%", category=analog),
        choice("BalanceWhiteAuto", "Continuous", _AUTO, category=analog),
        choice("BalanceRatioSelector", "Red", symbols("Red", "Blue"), category=analog),
        real(
            "BalanceRatio",
            1.0,
            0.25,
            4.0,
            "",
            locked_if="BalanceWhiteAuto != 0",
            selector="BalanceRatioSelector",
            category=analog,
        ),
        boolean("GammaEnabled", False, category=analog),
        real("Gamma", 1.0, 0.5, 4.0, "", locked_if="GammaEnabled == 0", category=analog),
        boolean("SharpnessEnabled", False, category=analog),
        boolean("SaturationEnabled", False, category=analog),
        choice("LineSelector", "Line0", _LINES, category=digital),
        choice(
            "LineMode",
            "Input",
            symbols("Input", "Output"),
            selector="LineSelector",
            category=digital,
            locked_if="LineSelector < 2",
        ),
        choice(
            "LineSource",
            "ExposureActive",
            symbols("ExposureActive", "ExternalTriggerActive", "UserOutput1", "UserOutput2", "UserOutput3"),
            selector="LineSelector",
            category=digital,
            hidden_if="LineMode == 0",
        ),
        boolean(
            "LineInverter", False, selector="LineSelector", category=digital, hidden_if="LineSelector == 0"
        ),
        fixed("LineStatus", Kind.BOOLEAN, False, category=digital),
        integer("LineDebouncerTimeRaw", 0, 0, 65535, selector="LineSelector", category=digital),
        boolean("StrobeEnabled", False, selector="LineSelector", category=digital),
        boolean("ChunkModeActive", False, locked_if=_LOCKED, category=chunk),
        choice("ChunkSelector", "Image", symbols(*_CHUNKS), category=chunk),
        boolean(
            "ChunkEnable",
            False,
            selector="ChunkSelector",
            category=chunk,
            locked_if=f"{_LOCKED} or ChunkSelector == 0",
        ),
        choice("UserSetSelector", "Default", symbols("Default", "UserSet1", "UserSet2"), category=user),
        choice(
            "UserSetDefaultSelector", "Default", symbols("Default", "UserSet1", "UserSet2"), category=user
        ),
        command("UserSetLoad", locked_if=_LOCKED, category=user),
        command("UserSetSave", locked_if=f"{_LOCKED} or UserSetSelector == 0", category=user),
        choice(
            "EventSelector",
            "ExposureEnd",
            symbols("AcquisitionStart", "AcquisitionEnd", "ExposureEnd"),
            category="EventControl",
        ),
        choice(
            "EventNotification",
            "Off",
            symbols("Off", "On"),
            selector="EventSelector",
            category="EventControl",
        ),
        integer("TLParamsLocked", 0, 0, 1, category=transport),
        fixed(
            "PayloadSize",
            Kind.INTEGER,
            0,
            computed=f"Width * Height * {_PIXEL_BITS} // 8",
            category=transport,
        ),
    )


def stream_table() -> tuple[NodeSpec, ...]:
    """The host side's stream features (TLStream)."""
    group = "StreamInformation"
    counters = (
        "StreamStartedFrameCount",
        "StreamDeliveredFrameCount",
        "StreamReceivedFrameCount",
        "StreamIncompleteFrameCount",
        "StreamLostFrameCount",
        "StreamDroppedFrameCount",
        "StreamInputBufferCount",
        "StreamOutputBufferCount",
        "StreamAnnouncedBufferCount",
    )
    busy = "StreamIsGrabbing != 0"
    return (
        fixed("StreamID", Kind.STRING, "0", category=group),
        fixed("StreamType", Kind.STRING, "USB3Vision", category=group),
        choice(
            "StreamBufferHandlingMode",
            "OldestFirst",
            symbols("OldestFirst", "OldestFirstOverwrite", "NewestOnly", "NewestFirst"),
            locked_if=busy,
            category=group,
        ),
        choice("StreamBufferCountMode", "Manual", symbols("Manual"), locked_if=busy, category=group),
        integer("StreamBufferCountManual", 10, 1, "StreamBufferCountMax", locked_if=busy, category=group),
        fixed("StreamBufferCountMax", Kind.INTEGER, 2048, category=group),
        fixed(
            "StreamBufferCountResult", Kind.INTEGER, 10, computed="StreamBufferCountManual", category=group
        ),
        boolean("StreamCRCCheckEnable", False, category=group),
        integer("StreamBlockTransferSize", 1_048_576, 65_536, 16_777_216, locked_if=busy, category=group),
        fixed("StreamIsGrabbing", Kind.BOOLEAN, False, category=group),
        *(fixed(name, Kind.INTEGER, 0, category=group) for name in counters),
    )


def transport_table(serial: str, model: str = "Grasshopper3 GS3-U3-51S5C") -> tuple[NodeSpec, ...]:
    """The transport layer's view of the device (TLDevice), readable before Init."""
    return (
        fixed("DeviceID", Kind.STRING, serial),
        fixed("DeviceSerialNumber", Kind.STRING, serial),
        fixed("DeviceVendorName", Kind.STRING, SIMULATED_VENDOR),
        fixed("DeviceModelName", Kind.STRING, model),
        fixed("DeviceDisplayName", Kind.STRING, f"{SIMULATED_VENDOR} {model}"),
        fixed("DeviceVersion", Kind.STRING, "Emulated"),
        NodeSpec("DeviceType", Kind.ENUMERATION, "USB3Vision", entries=symbols("GigEVision", "USB3Vision")),
        NodeSpec(
            "DeviceAccessStatus",
            Kind.ENUMERATION,
            "ReadWrite",
            entries=symbols("Unknown", "ReadWrite", "ReadOnly", "NoAccess"),
        ),
        NodeSpec(
            "DeviceCurrentSpeed",
            Kind.ENUMERATION,
            "SuperSpeed",
            entries=symbols("UnknownSpeed", "LowSpeed", "FullSpeed", "HighSpeed", "SuperSpeed"),
        ),
    )
