"""What the doctor says on machines that are half broken."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from app import doctor


def test_a_gpu_that_cannot_be_used_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> tuple[int, int]:
        raise RuntimeError("CUDA error: out of memory\nmore lines")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", refuse)
    found = doctor._gpu()
    assert found.state == "problem"
    assert "CUDA error: out of memory" in found.text
    assert "more lines" not in found.text


def test_a_dangling_udev_rule_does_not_end_the_examination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "10-gone.rules").symlink_to(tmp_path / "nowhere")
    (tmp_path / "40-flir.rules").write_text('ATTRS{idVendor}=="1e10", GROUP="flirimaging"')
    monkeypatch.setattr(doctor, "_UDEV_FOLDERS", (tmp_path,))
    assert any(finding.text == "udev rule 40-flir.rules" for finding in doctor._usb())
