"""Motion on a known pan: a second search takes away what the LSR camera's sampling adds to its error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_scene import pan, reduce

from fusion.gop import prepare_reference
from fusion.motion import DisFlow, search, side_by_side
from fusion.resample import lose_detail, lose_detail_planes, upscale


def error(source: DisFlow, step: tuple[float, float], scale: int) -> float:
    """Mean end-point error [px] away from the borders."""
    frames = pan(2, 128, 192, step, seed=2)
    (lsr,) = reduce(frames[:1], scale)
    reference = prepare_reference(frames[1], None, lsr.shape[:2])
    flow = source(upscale(lsr, 128, 192), reference)[16:-16, 16:-16]
    return float(np.linalg.norm(flow - np.array(step), axis=2).mean())


@pytest.mark.parametrize("scale", [4, 8])
def test_a_second_search_removes_what_the_place_of_the_lsr_pixels_does(
    scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [(2.5, 1.25), (1.5, 0.5), (6.3, -3.1), (1.0, 3.0)]
    twice = [error(DisFlow(scale), step, scale) for step in steps]
    monkeypatch.setattr("fusion.motion._SEARCHES", ((0.0, 8, 3, 1),))
    once = [error(DisFlow(scale), step, scale) for step in steps]
    assert np.mean(twice) < 0.6 * np.mean(once)
    assert max(twice) < 0.025 * scale


@pytest.mark.parametrize(("scale", "noise"), [(3.0, 0.0), (4.0, 0.01)])
def test_where_a_second_search_gains_nothing_there_is_none(
    scale: float, noise: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = []
    monkeypatch.setattr("fusion.motion.search", lambda *given: searches.append(1) or search(*given))
    picture = pan(1, 45, 70, (0, 0))[0].astype(np.float32)
    reference = prepare_reference(picture.astype(np.uint8), None, (15, 23))
    for source, count in ((DisFlow(scale, noise), 1), (DisFlow(4.0), 2), (DisFlow(3.9, 1e-3), 2)):
        searches.clear()
        flow = source(reference.matched, reference)
        assert len(searches) == count
        assert flow.shape == (45, 70, 2)
        assert np.abs(flow).mean() < 0.1


def test_detail_is_lost_alike_in_arrays_and_planes() -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (37, 52, 3)).astype(np.float32)
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
    lost = lose_detail(picture, (9, 13))
    there = lose_detail_planes(planes, (9, 13))[0].permute(1, 2, 0).numpy()
    assert lost.shape == picture.shape
    np.testing.assert_allclose(lost, there, atol=0.01)
    np.testing.assert_allclose(lose_detail(picture[..., 0], (9, 13)), lost[..., 0], atol=1e-3)
    assert lost.std() < 0.7 * picture.std()


def test_threads_that_share_a_search_find_what_each_would_alone():
    frames = pan(4, 160, 224, (1.5, -1))
    lsr = reduce(frames, 4)
    up = upscale(lsr[0], 160, 224)
    references = [prepare_reference(frame, None, lsr[0].shape[:2]) for frame in frames[1:]]
    shared = DisFlow(4.0)
    together = side_by_side(lambda reference: shared(up, reference), references * 4)
    alone = [DisFlow(4.0)(up, reference) for reference in references]
    for found, expected in zip(together, alone * 4, strict=True):
        np.testing.assert_array_equal(found, expected)
