"""The module object that programs import as `PySpin`."""

from __future__ import annotations

import types
from typing import Any

from drivers.spinnaker_emulator import blackfly, camera, gs3, image, nodes, system
from drivers.spinnaker_emulator.errors import SpinnakerException
from drivers.spinnaker_emulator.specs import Kind

DOC = "Emulated PySpin: two virtual Grasshopper3 cameras and a trigger box."
_NOT_QUICK = frozenset(
    {
        "Root",
        "AcquisitionFrameRateEnabled",
        "AcquisitionFrameRateAuto",
        "TriggerDelayEnabled",
        "GammaEnabled",
        "VideoMode",
        "UserSetDefaultSelector",
        "TimestampIncrement",
        "LineDebouncerTimeRaw",
        "StrobeEnabled",
        "SharpnessEnabled",
        "SaturationEnabled",
    }
)
# Quick-spin attributes that neither profile has as a node: they read as not implemented.
_QUICK_ELSEWHERE = {
    "AdcBitDepth": Kind.ENUMERATION,
    "CounterSelector": Kind.ENUMERATION,
    "DeviceUptime": Kind.INTEGER,
    "LineFilterWidth": Kind.FLOAT,
    "LogicBlockSelector": Kind.ENUMERATION,
    "SaturationEnable": Kind.BOOLEAN,
    "SequencerMode": Kind.ENUMERATION,
    "SharpeningEnable": Kind.BOOLEAN,
}
_STATUS = (
    ("UNKNOWN_ERROR", -1),
    ("NO_ERROR", 0),
    ("CRC_CHECK_FAILED", 1),
    ("DATA_OVERFLOW", 2),
    ("MISSING_PACKETS", 3),
    ("LEADER_BUFFER_SIZE_INCONSISTENT", 4),
    ("TRAILER_BUFFER_SIZE_INCONSISTENT", 5),
    ("PACKETID_INCONSISTENT", 6),
    ("MISSING_LEADER", 7),
    ("MISSING_TRAILER", 8),
    ("DATA_INCOMPLETE", 9),
    ("INFO_INCONSISTENT", 10),
    ("CHUNK_DATA_INVALID", 11),
)
_FILE_FORMATS = ("FROM_FILE_EXT", "PGM", "PPM", "BMP", "JPEG", "JPEG2000", "TIFF", "PNG", "RAW")
_ALGORITHMS = (
    "NONE",
    "NEAREST_NEIGHBOR",
    "NEAREST_NEIGHBOR_AVG",
    "BILINEAR",
    "EDGE_SENSING",
    "HQ_LINEAR",
    "IPP",
    "DIRECTIONAL_FILTER",
    "RIGOROUS",
    "WEIGHTED_DIRECTIONAL_FILTER",
)
_ERRORS = (
    ("SUCCESS", 0),
    ("ERROR", -1001),
    ("NOT_INITIALIZED", -1002),
    ("NOT_IMPLEMENTED", -1003),
    ("RESOURCE_IN_USE", -1004),
    ("ACCESS_DENIED", -1005),
    ("INVALID_HANDLE", -1006),
    ("INVALID_ID", -1007),
    ("NO_DATA", -1008),
    ("INVALID_PARAMETER", -1009),
    ("IO", -1010),
    ("TIMEOUT", -1011),
    ("ABORT", -1012),
    ("INVALID_BUFFER", -1013),
    ("NOT_AVAILABLE", -1014),
    ("INVALID_ADDRESS", -1015),
    ("BUFFER_TOO_SMALL", -1016),
    ("INVALID_INDEX", -1017),
    ("PARSING_CHUNK_DATA", -1018),
    ("INVALID_VALUE", -1019),
    ("RESOURCE_EXHAUSTED", -1020),
    ("OUT_OF_MEMORY", -1021),
    ("BUSY", -1022),
)
_INTERFACES = (
    ("IValue", 0),
    ("IBase", 1),
    ("IInteger", 2),
    ("IBoolean", 3),
    ("ICommand", 4),
    ("IFloat", 5),
    ("IString", 6),
    ("IRegister", 7),
    ("ICategory", 8),
    ("IEnumeration", 9),
    ("IEnumEntry", 10),
    ("IPort", 11),
)


def quick_names() -> dict[str, Kind]:
    """Attributes of every CameraPtr and their interfaces, whether the camera has the node or not."""
    tables = (*gs3.device_table("0"), *blackfly.device_table("0"))
    return {s.name: s.kind for s in tables if s.name not in _NOT_QUICK} | _QUICK_ELSEWHERE


def build(instance: system.System) -> types.ModuleType:
    """A module with the modern (3.x/4.x) PySpin surface around one System."""
    module = types.ModuleType("PySpin", DOC)
    module.__version__ = "4.0.0.0"  # type: ignore[attr-defined]

    class System(system.System):
        """PySpin.System: only GetInstance() makes sense on the class."""

        @staticmethod
        def GetInstance() -> system.SystemPtr:  # noqa: N802
            """Return a reference to the singleton."""
            return system.SystemPtr(instance)

    exported: dict[str, Any] = {
        "System": System,
        "SpinnakerException": SpinnakerException,
        "CameraPtr": camera.CameraPtr,
        "Camera": camera.CameraPtr,
        "Image": image.ImagePtr,
        "ImagePtr": image.ImagePtr,
        "ImageProcessor": image.ImageProcessor,
        "ChunkData": image.ChunkData,
        "EVENT_TIMEOUT_INFINITE": camera.TIMEOUT_INFINITE,
        "EVENT_TIMEOUT_NONE": 0,
        "NodeMap": nodes.NodeMap,
        "INode": nodes.IValue,
    }
    for name in (
        "CameraList",
        "InterfaceList",
        "EventHandler",
        "InterfaceEventHandler",
        "DeviceEventHandler",
        "ImageEventHandler",
        "SystemEventHandler",
    ):
        exported[name] = getattr(system, name)
    for name in (
        "IValue",
        "IInteger",
        "IFloat",
        "IBoolean",
        "IString",
        "ICommand",
        "ICategory",
        "IEnumeration",
        "CIntegerPtr",
        "CFloatPtr",
        "CBooleanPtr",
        "CStringPtr",
        "CCommandPtr",
        "CEnumerationPtr",
        "CEnumEntryPtr",
        "CCategoryPtr",
        "CValuePtr",
        "CNodePtr",
        "IsImplemented",
        "IsAvailable",
        "IsReadable",
        "IsWritable",
    ):
        exported[name] = getattr(nodes, name)
    exported.update({"NI": 0, "NA": 1, "WO": 2, "RO": 3, "RW": 4})
    exported.update({f"intf{name}": number for name, number in _INTERFACES})
    exported.update({f"SPINNAKER_ERR_{name}": number for name, number in _ERRORS})
    exported.update({f"SPINNAKER_IMAGE_STATUS_{name}": number for name, number in _STATUS})
    exported.update({f"SPINNAKER_IMAGE_FILE_FORMAT_{name}": i - 1 for i, name in enumerate(_FILE_FORMATS)})
    exported.update({f"SPINNAKER_COLOR_PROCESSING_ALGORITHM_{n}": i for i, n in enumerate(_ALGORITHMS)})
    for spec in (
        *gs3.device_table("0"),
        *blackfly.device_table("0"),
        *gs3.stream_table(),
        *gs3.transport_table("0"),
    ):
        if spec.kind is Kind.ENUMERATION:
            exported.update({f"{spec.name}_{symbol}": value for symbol, value in spec.entries})
    for name, value in exported.items():
        setattr(module, name, value)
    return module
