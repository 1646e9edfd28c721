"""The order in which a Grasshopper3 takes its settings."""

from __future__ import annotations

from dataclasses import replace

from drivers._nodes import Nodes
from drivers.camera import Applied, CameraSettings

REAL_FEATURES = frozenset({"ExposureTime", "Gain", "BlackLevel"})
_WATCHED = REAL_FEATURES | {"Width", "Height", "OffsetX", "OffsetY", "BinningVertical"}
_CHOICES = {"VideoMode": "Mode0", "TestPattern": "Off"}
_SWITCHES = ("ReverseX", "ReverseY", "LUTEnable", "pgrHDRModeEnabled")
_FACTORS = ("DecimationVertical", "DecimationHorizontal")
_TOLD = ("OnBoardColorProcessEnabled",)
_CHUNKS = ("FrameCounter", "Timestamp", "ExposureTime", "Gain")


def apply_settings(
    nodes: Nodes, host: Nodes, settings: CameraSettings
) -> tuple[tuple[Applied, ...], frozenset[str]]:
    """Write everything; return requested and applied values, and the chunks that are on.

    Args:
        nodes: The camera's features.
        host: The stream's features.
        settings: What is wanted.

    Raises:
        CameraSettingError: A value is refused.
        CameraDisconnectedError: The camera is gone.

    """
    applied: list[Applied] = []
    nodes.choose("AcquisitionMode", "Continuous")
    # Locks the frame-rate group while on; a user set may have booted the camera in trigger mode.
    nodes.choose("TriggerMode", "Off")
    # Each of the triggers has a mode of its own.
    nodes.choose("TriggerSelector", "FrameStart")
    nodes.choose("TriggerMode", "Off")
    _set_plain(nodes)
    # Before the rate: a low limit that another program has left bounds it.
    nodes.set_integer("DeviceLinkThroughputLimit", int(nodes.limits("DeviceLinkThroughputLimit").maximum))
    _set_format(nodes, settings, applied)
    _set_rate(nodes, settings, applied)
    _set_trigger(nodes, settings)
    _set_output(nodes, settings)
    # Last: free-running, the frame rate in force bounds the exposure; triggered, nothing does.
    _set_exposure(nodes, settings, applied)
    chunks = _set_chunks(nodes)
    _set_stream(host, settings, applied)
    return tuple(applied), chunks


def expected_values(
    nodes: Nodes, settings: CameraSettings, applied: tuple[Applied, ...]
) -> dict[str, float | str]:
    """Features to compare later, when the camera may have changed by itself."""
    values: dict[str, float | str] = {a.name: a.applied for a in applied if a.name in _WATCHED}
    # A camera may lack some of them, or not let them be written: then it must at least be told.
    values |= {name: wanted for name, wanted in _CHOICES.items() if nodes.exists(name)}
    values |= {name: "False" for name in _SWITCHES if nodes.exists(name)}
    values |= {name: 1.0 for name in _FACTORS if nodes.exists(name)}
    values["PixelFormat"] = str(settings.pixel_format)
    values["ExposureAuto"] = values["GainAuto"] = "Off"
    if any(a.name == "BalanceRatioRed" for a in applied):
        values["BalanceWhiteAuto"] = "Off"
    values["TriggerMode"] = "On" if settings.triggered else "Off"
    if settings.triggered:
        values["TriggerSource"] = settings.trigger_source
        values["TriggerActivation"] = settings.trigger_activation
        values["TriggerOverlap"] = "ReadOut"
        if settings.trigger_source.startswith("Line"):
            values["LineMode"] = "Input"
    if settings.exposure_output is not None:
        # Of the selected line, as above; nothing else selects another while the camera streams.
        values["LineMode"], values["LineSource"] = "Output", "ExposureActive"
    return values


def picture_features(nodes: Nodes) -> dict[str, str]:
    """Features that change the picture and have no setting here, as they are now; those that exist."""
    found = {name: nodes.symbol(name) for name in (*_CHOICES, *_SWITCHES, *_TOLD) if nodes.exists(name)}
    return found | {name: str(nodes.integer(name)) for name in _FACTORS if nodes.exists(name)}


def _set_plain(nodes: Nodes) -> None:
    """The picture as the sensor sees it, whatever another program or a user set has left behind."""
    # First of all: another video mode has other regions, formats and rates.
    for name, wanted in _CHOICES.items():
        if nodes.writable(name) and nodes.offers(name, wanted):
            nodes.choose(name, wanted)
    for name in _SWITCHES:
        if nodes.writable(name):
            nodes.set_boolean(name, False)
    for name in _FACTORS:
        if nodes.writable(name):
            nodes.set_integer(name, 1)


def _set_format(nodes: Nodes, settings: CameraSettings, applied: list[Applied]) -> None:
    nodes.set_integer("OffsetX", 0)
    nodes.set_integer("OffsetY", 0)
    if nodes.exists("BinningVertical"):
        applied.append(nodes.set_integer("BinningVertical", settings.binning))
    nodes.choose("PixelFormat", str(settings.pixel_format))
    applied.append(nodes.set_integer("Width", settings.width))
    applied.append(nodes.set_integer("Height", settings.height))
    for name, wanted in (("OffsetX", settings.offset_x), ("OffsetY", settings.offset_y)):
        if wanted is None:
            limits = nodes.limits(name)
            # An odd offset would turn the Bayer pattern round.
            step = max(2, int(limits.increment))
            wanted = int(limits.maximum) // 2 // step * step
        applied.append(nodes.set_integer(name, wanted))


def _set_exposure(nodes: Nodes, settings: CameraSettings, applied: list[Applied]) -> None:
    nodes.choose("ExposureMode", "Timed")
    nodes.choose("ExposureAuto", "Off")
    applied.append(nodes.set_real("ExposureTime", settings.exposure_us))
    nodes.choose("GainAuto", "Off")
    applied.append(nodes.set_real("Gain", settings.gain_db))
    applied.append(nodes.set_real("BlackLevel", settings.black_level_percent))
    if nodes.exists("BalanceWhiteAuto"):
        applied.extend(set_white_balance(nodes, settings.red_balance, settings.blue_balance))
    if nodes.exists("GammaEnabled"):
        nodes.set_boolean("GammaEnabled", False)


def set_white_balance(nodes: Nodes, red: float, blue: float) -> tuple[Applied, Applied]:
    """Write both ratios; they are locked until BalanceWhiteAuto is off.

    Raises:
        CameraSettingError: A ratio is refused.

    """
    nodes.choose("BalanceWhiteAuto", "Off")
    written = []
    for colour, value in (("Red", red), ("Blue", blue)):
        nodes.choose("BalanceRatioSelector", colour)
        written.append(replace(nodes.set_real("BalanceRatio", value), name=f"BalanceRatio{colour}"))
    return written[0], written[1]


def white_balance(nodes: Nodes) -> tuple[Applied, Applied]:
    """Both ratios as the camera has them now."""
    found = []
    for colour in ("Red", "Blue"):
        nodes.choose("BalanceRatioSelector", colour)
        value = nodes.real("BalanceRatio")
        found.append(Applied(f"BalanceRatio{colour}", value, value))
    return found[0], found[1]


def _set_rate(nodes: Nodes, settings: CameraSettings, applied: list[Applied]) -> None:
    nodes.set_boolean("AcquisitionFrameRateEnabled", True)
    nodes.choose("AcquisitionFrameRateAuto", "Off")
    if not settings.triggered:
        applied.append(nodes.set_real("AcquisitionFrameRate", settings.frame_rate))


def _set_trigger(nodes: Nodes, settings: CameraSettings) -> None:
    nodes.choose("TriggerSource", settings.trigger_source)
    nodes.choose("TriggerActivation", settings.trigger_activation)
    if nodes.exists("TriggerDelayEnabled"):
        nodes.set_boolean("TriggerDelayEnabled", False)
    if settings.trigger_source.startswith("Line"):
        nodes.choose("LineSelector", settings.trigger_source)
        # Line2 and Line3 go both ways; an output hears no pulse.
        nodes.choose("LineMode", "Input")
        if nodes.writable("StrobeEnabled"):
            nodes.set_boolean("StrobeEnabled", False)
        if nodes.exists("LineDebouncerTimeRaw"):
            nodes.set_integer("LineDebouncerTimeRaw", 0)
    if settings.triggered:
        nodes.choose("TriggerMode", "On")
        # Not available while TriggerMode is Off; Off here would silently halve the frame rate.
        nodes.choose("TriggerOverlap", "ReadOut")


def _set_output(nodes: Nodes, settings: CameraSettings) -> None:
    """Let a line follow the exposures: high from the first moment of each to its last."""
    if settings.exposure_output is None:
        return
    nodes.choose("LineSelector", settings.exposure_output)
    nodes.choose("LineMode", "Output")
    nodes.choose("LineSource", "ExposureActive")
    if nodes.writable("LineInverter"):
        nodes.set_boolean("LineInverter", False)
    if nodes.exists("StrobeEnabled"):
        nodes.set_boolean("StrobeEnabled", True)
    for name in ("StrobeDelay", "StrobeDuration"):
        # A strobe of its own length would shift or merge the edges that the divider counts.
        if nodes.writable(name):
            nodes.set_real(name, 0.0)


def _set_chunks(nodes: Nodes) -> frozenset[str]:
    nodes.set_boolean("ChunkModeActive", True)
    enabled = set()
    for name in _CHUNKS:
        if nodes.offers("ChunkSelector", name):
            nodes.choose("ChunkSelector", name)
            if nodes.writable("ChunkEnable"):
                nodes.set_boolean("ChunkEnable", True)
            # Some are always on, and some cannot be had.
            if nodes.exists("ChunkEnable") and nodes.symbol("ChunkEnable") == "True":
                enabled.add(name)
    return frozenset(enabled)


def _set_stream(host: Nodes, settings: CameraSettings, applied: list[Applied]) -> None:
    host.choose("StreamBufferHandlingMode", "OldestFirst")
    if host.offers("StreamBufferCountMode", "Manual"):
        host.choose("StreamBufferCountMode", "Manual")
    most = int(host.limits("StreamBufferCountManual").maximum)
    count = host.set_integer("StreamBufferCountManual", min(settings.buffer_count, most))
    applied.append(Applied(count.name, float(settings.buffer_count), count.applied))
