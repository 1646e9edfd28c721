"""What the doctor says on machines that are half broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from app import doctor
from drivers import CameraError, Role
from drivers.grasshopper import list_cameras
from drivers.spinnaker_emulator import install


def test_a_gpu_that_cannot_be_used_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> tuple[int, int]:
        raise RuntimeError("CUDA error: out of memory\nmore lines")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", refuse)
    found = doctor._gpu()
    assert found.state == "problem"
    assert "CUDA error: out of memory" in found.text
    assert "more lines" not in found.text


def test_a_torch_without_cuda_beside_an_nvidia_card_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows pip installs one for CPUs, whatever card there is."""
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    found = doctor._gpu()
    assert "there is an NVIDIA driver, but torch" in found.text
    assert f"install torch {torch.__version__.partition('+')[0]} with CUDA" in found.advice


def test_a_dangling_udev_rule_does_not_end_the_examination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "10-gone.rules").symlink_to(tmp_path / "nowhere")
    (tmp_path / "40-flir.rules").write_text('ATTRS{idVendor}=="1e10", GROUP="flirimaging"')
    monkeypatch.setattr(doctor, "_UDEV_FOLDERS", (tmp_path,))
    assert any(finding.text == "udev rule 40-flir.rules" for finding in doctor._usb())


@pytest.mark.parametrize(
    ("source", "reason", "remedy"),
    [
        ("import _PySpin", "No module named '_PySpin'", "install the Spinnaker SDK and its spinnaker_python"),
        ("raise AttributeError('_ARRAY_API')", "_ARRAY_API", "pip install 'numpy<2'"),
        (
            "raise ImportError('numpy.core.multiarray failed to import')",
            "numpy.core.multiarray failed to import",
            "pip install 'numpy<2'",
        ),
    ],
)
def test_a_pyspin_of_another_python_or_numpy_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str, remedy: str
) -> None:
    (tmp_path / "PySpin.py").write_text(source)
    monkeypatch.delitem(sys.modules, "PySpin", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = doctor._driver()
    assert found.state == "problem"
    assert f"installed but cannot be loaded ({reason}" in found.text
    assert remedy in found.advice
    with pytest.raises(CameraError, match="must match this Python and NumPy"):
        list_cameras()


def test_a_camera_on_usb_2_is_a_finding() -> None:
    """A link that trains badly falls back: https://github.com/NeLy-EPFL/octacam met it."""
    rig = install()
    try:
        assert [finding.state for finding in doctor._driver()] == ["ok"]
        rig.devices[Role.LSR].transport.force("DeviceCurrentSpeed", "HighSpeed")
        found = doctor._driver()
    finally:
        rig.uninstall()
    assert [finding.state for finding in found] == ["ok", "problem"]
    assert f"camera {rig.serials[Role.LSR]} is connected at HighSpeed" in found[1].text
