"""Looks at the machine as an experienced colleague would: each finding says what is and what to do."""

from __future__ import annotations

import importlib.util
import math
import os
import platform
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import psutil

from app.errors import OutputError
from app.paper_rig import PAPER_HSR_SIZE, PAPER_LSR_SIZE
from app.torch_missing import REMEDY
from app.versions import versions

# The paper's rig at 30 and 240 frames/s, one byte a pixel.
NEEDED_MB_PER_S = (math.prod(PAPER_HSR_SIZE) * 30 + math.prod(PAPER_LSR_SIZE) * 240) / 1e6
_USBFS = Path("/sys/module/usbcore/parameters/usbfs_memory_mb")
_USBFS_WANTED_MB = 1000
_UDEV_FOLDERS = (Path("/etc/udev/rules.d"), Path("/usr/lib/udev/rules.d"), Path("/lib/udev/rules.d"))
_FLIR_USB_VENDOR = "1e10"
_PROBE_MB = 256


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What was looked at.
        state: "ok", "note" (works, but know this) or "problem".
        text: What was seen.
        advice: What to do; empty where nothing is needed.

    """

    subject: str
    state: Literal["ok", "note", "problem"]
    text: str
    advice: str = ""


def examine(folder: Path) -> tuple[Finding, ...]:
    """All findings; takes a few seconds, most of it for the disk.

    Args:
        folder: Where takes will be recorded.

    """
    return (
        _software(),
        *_driver(),
        *_usb(),
        _gpu(),
        _memory(),
        _disk(folder),
    )


def _software() -> Finding:
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    return Finding("software", "ok", f"{found} on {platform.system()} {platform.machine()}")


def _driver() -> tuple[Finding, ...]:
    wanted = (
        "install the Spinnaker SDK and its spinnaker_python wheel for Python "
        f"{platform.python_version_tuple()[0]}.{platform.python_version_tuple()[1]} from the camera vendor "
        "(never the unrelated PyPI package of a similar name); until then use the emulated rig"
    )
    from drivers import CameraError, DriverMissingError
    from drivers.grasshopper import list_cameras

    try:
        cameras = list_cameras()
    except DriverMissingError as error:
        state: Literal["note", "problem"] = "problem" if importlib.util.find_spec("PySpin") else "note"
        cause = str(error.__cause__)
        if "_ARRAY_API" in cause or "multiarray" in cause:
            wanted = (
                "install a newer Spinnaker SDK and its wheel, or the NumPy that this wheel is made for into "
                "this environment (pip install 'numpy<2'): Twinrate runs with NumPy 1.26 as well"
            )
        return (Finding("camera driver", state, str(error), wanted),)
    except CameraError as error:
        return (Finding("cameras", "problem", str(error)),)
    names = ", ".join(f"{camera.model} #{camera.serial}" for camera in cameras)
    slow = tuple(
        Finding(
            "USB speed",
            "problem",
            f"camera {camera.serial} is connected at {camera.link}, as if to USB 2",
            "use a USB 3 port and cable, plug it in again, and close programs that had it open",
        )
        for camera in cameras
        if camera.link and not camera.link.startswith("SuperSpeed")
    )
    if len(cameras) >= 2:
        return (Finding("cameras", "ok", f"{len(cameras)} found: {names}"), *slow)
    return (
        *slow,
        Finding(
            "cameras",
            "note",
            f"{len(cameras)} found{': ' + names if names else ''}, a rig needs two",
            "check cables and power, and close other programs that hold a camera (SpinView)",
        ),
    )


def _usb() -> tuple[Finding, ...]:
    if platform.system() != "Linux":
        return ()
    findings = []
    try:
        megabytes = int(_USBFS.read_text())
    except (OSError, ValueError):
        findings.append(Finding("USB memory", "note", "this machine has no usbfs limit that can be read"))
    else:
        enough = megabytes == 0 or megabytes >= _USBFS_WANTED_MB
        findings.append(
            Finding(
                "USB memory",
                "ok" if enough else "problem" if importlib.util.find_spec("PySpin") else "note",
                f"usbfs_memory_mb is {megabytes}, two cameras need {_USBFS_WANTED_MB}",
                ""
                if enough
                else f"echo {_USBFS_WANTED_MB} | sudo tee {_USBFS} "
                f"(for good: usbcore.usbfs_memory_mb={_USBFS_WANTED_MB} on the kernel command line)",
            )
        )
    rules = [rule for place in _UDEV_FOLDERS if place.is_dir() for rule in place.glob("*.rules")]
    named = [rule.name for rule in rules if _FLIR_USB_VENDOR in _text(rule).lower()]
    findings.append(
        Finding("USB rights", "ok", f"udev rule {named[0]}")
        if named
        else Finding(
            "USB rights",
            "note",
            f"no udev rule names the camera vendor {_FLIR_USB_VENDOR}",
            "run the Spinnaker installer's configuration step, or only root can open the cameras",
        )
    )
    return tuple(findings)


def _text(path: Path) -> str:
    """A file's text; none where it is a broken link, or another user's."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _gpu() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("torch", "problem", f"it cannot be loaded ({error})", REMEDY)
    if torch.cuda.is_available():
        try:
            free, total = torch.cuda.mem_get_info()
        except RuntimeError as error:
            return Finding(
                "GPU",
                "problem",
                f"torch {torch.__version__} sees one but cannot use it ({str(error).splitlines()[0]})",
                "close other programs that hold it, or update its driver",
            )
        return Finding(
            "GPU",
            "ok",
            f"{torch.cuda.get_device_name()}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, "
            f"CUDA {torch.version.cuda}",
        )
    if torch.version.cuda is None and shutil.which("nvidia-smi"):
        return Finding(
            "GPU",
            "note",
            f"there is an NVIDIA driver, but torch {torch.__version__} was built without CUDA, as pip "
            f"installs it on Windows; fusion runs on {os.cpu_count()} CPU cores",
            "recording is not affected; for fusion on the card install torch "
            f"{torch.__version__.partition('+')[0]} with CUDA into this environment, by the pip command that "
            "PyTorch's page Get Started gives",
        )
    return Finding(
        "GPU",
        "note",
        f"none that torch {torch.__version__} can use; fusion runs on {os.cpu_count()} CPU cores",
        "recording is not affected; fusion is faster with an NVIDIA card and a CUDA build of torch",
    )


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    seconds = memory.available / (NEEDED_MB_PER_S * 1e6)
    text = f"{memory.available / 1e9:.1f} GB free = {seconds:.0f} s of both streams in memory"
    if seconds < 10:
        return Finding("memory", "problem", text, "close other programs before recording")
    return Finding("memory", "ok", text)


def _disk(folder: Path) -> Finding:
    if not folder.is_dir():
        raise OutputError(f"{folder} is not a folder; give an existing one with --folder")
    try:
        speed = write_speed_mb_s(folder)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "disk", "problem", f"{folder} cannot be written ({error.strerror})", "choose another folder"
        )
    minutes = free / (NEEDED_MB_PER_S * 1e6) / 60
    text = (
        f"{folder.resolve()} writes {speed:.0f} MB/s (the rig needs {NEEDED_MB_PER_S:.0f}), "
        f"{free / 1e9:.0f} GB free = {minutes:.0f} min"
    )
    if speed < NEEDED_MB_PER_S:
        return Finding("disk", "problem", text, "record to a faster disk, such as an NVMe drive")
    if minutes < 2:
        return Finding("disk", "problem", text, "free some space before recording")
    return Finding("disk", "ok", text)


def write_speed_mb_s(folder: Path) -> float:
    """Sustained write speed [MB/s] of the disk under `folder`, synced; the measuring file is removed."""
    block = np.random.default_rng(0).integers(0, 256, 1 << 22, dtype=np.uint8).tobytes()
    probe = folder / f".twinrate-probe-{os.getpid()}"
    try:
        began = time.perf_counter()
        with probe.open("wb", buffering=0) as stream:
            for _ in range(_PROBE_MB * 1_000_000 // len(block)):
                stream.write(block)
            os.fsync(stream.fileno())
            written = stream.tell()
        return written / 1e6 / (time.perf_counter() - began)
    finally:
        probe.unlink(missing_ok=True)
