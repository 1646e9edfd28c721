"""The rig file: written whole, checked when read, refused for another pair."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration import RigFileError, StaleRigError, load_rig
from calibration_boards import make_true_rig


def test_file_round_trip(tmp_path: Path) -> None:
    rig = make_true_rig()
    rig.save(tmp_path / "rig.json")
    assert load_rig(tmp_path / "rig.json") == rig
    assert [p.name for p in tmp_path.iterdir()] == ["rig.json"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no JSON"),
        ('{"format": "twinrate-rig", "ver', "no JSON"),
        ("[1, 2]", "not a rig file"),
        ('{"a": 1}', "not a rig file"),
        ('{"format": "twinrate-rig", "version": 9}', "layout 9"),
        ('{"format": "twinrate-rig", "version": 1}', "damaged at lsr"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "rig.json"
    path.write_text(text)
    with pytest.raises(RigFileError, match=match):
        load_rig(path)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(RigFileError, match="no such rig file"):
        load_rig(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(RigFileError, match="cannot be read"):
        load_rig(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("rotation", [[1, 0, 0], [0, 1, 0], [0, 0.1, 1]], "rotation is not one"),
        ("direction", [1, 1, 0], "unit vector"),
        ("baseline_mm", -5, "baseline_mm"),
        ("baseline_mm", float("nan"), "baseline_mm"),
        ("surprise", 1, "surprise"),
    ],
)
def test_impossible_values_are_named(tmp_path: Path, field: str, value: object, match: str) -> None:
    data = make_true_rig().model_dump(mode="json")
    data[field] = value
    (tmp_path / "rig.json").write_text(json.dumps(data))
    with pytest.raises(RigFileError, match=match):
        load_rig(tmp_path / "rig.json")


@pytest.mark.parametrize("focal", [20.0, 1e300])
def test_a_focal_length_that_is_none_is_named(tmp_path: Path, focal: float) -> None:
    """A lens's mm typed in for px, for one."""
    data = make_true_rig().model_dump(mode="json")
    data["hsr"]["matrix"][0][0] = focal
    (tmp_path / "rig.json").write_text(json.dumps(data))
    with pytest.raises(RigFileError, match="px, not mm"):
        load_rig(tmp_path / "rig.json")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_rig_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("rig") / "rig.json"
    path.write_bytes(data)
    with pytest.raises(RigFileError):
        load_rig(path)


def test_another_pair_is_stale() -> None:
    rig = make_true_rig()
    rig = rig.model_copy(
        update={"hsr": rig.hsr.model_copy(update={"id": rig.hsr.id.model_copy(update={"binning": 1})})}
    )
    rig.check(hsr=rig.hsr.id, lsr=rig.lsr.id)
    rig.check(hsr=rig.hsr.id.model_copy(update={"binning": None}), lsr=rig.lsr.id)
    rig.check(hsr=rig.hsr.id.model_copy(update={"serial": "", "lens": ""}), lsr=rig.lsr.id)
    rig.check(hsr=rig.hsr.id.model_copy(update={"offset_x": None}), lsr=rig.lsr.id)
    for change, match in (
        ({"serial": "9"}, "HSR camera is 9"),
        ({"lens": "8 mm"}, "lens is 8 mm"),
        ({"width": 640}, "pictures are 640x600"),
        ({"offset_x": 32}, "starts at 32,0"),
        ({"binning": 2}, "camera sums 2 pixels, the rig's summed 1"),
    ):
        with pytest.raises(StaleRigError, match=match):
            rig.check(hsr=rig.hsr.id.model_copy(update=change), lsr=rig.lsr.id)


def test_rescaling_moves_pixel_centres() -> None:
    rig = make_true_rig().rescaled(hsr_size=(400, 300), lsr_size=(240, 180))
    old = make_true_rig()
    assert rig.hsr.k[0, 0] == pytest.approx(old.hsr.k[0, 0] / 2)
    assert rig.hsr.k[0, 2] == pytest.approx((old.hsr.k[0, 2] + 0.5) / 2 - 0.5)
    assert np.allclose(rig.lsr.k, old.lsr.k)
    with pytest.raises(StaleRigError, match="aspect ratio"):
        old.rescaled(hsr_size=(400, 400), lsr_size=(240, 180))
