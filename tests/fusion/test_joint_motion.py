"""Two sharp pictures say of each other where a frame's pixels are: on known motion, with known errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fusion_scene import Image, layers, pan, reduce

from fusion import Fuser
from fusion.classical import Classical
from fusion.evaluation.metrics import psnr
from fusion.gop import Reference, prepare_reference, synthesise_gop
from fusion.joint_motion import JointMotion
from fusion.levels import FloatImage
from fusion.motion import DisFlow, FlowArray, search
from fusion.resample import upscale

HEIGHT, WIDTH, SCALE = 160, 224, 8
STEP = np.array((3.0, -1.5), np.float32)
INNER = (slice(40, -40), slice(40, -40))
OFF = np.array((1.0, 1.0), np.float32)


class Given:
    """A source of motion that was told what to find in which reference."""

    def __init__(self) -> None:
        self.flows: list[tuple[Reference, FlowArray]] = []

    def tell(self, reference: Reference, motion: np.ndarray) -> None:
        flow = np.zeros((HEIGHT, WIDTH, 2), np.float32) + motion.astype(np.float32)
        self.flows.append((reference, flow))

    def __call__(self, upscaled: FloatImage, reference: Reference) -> FlowArray:
        return next(flow for known, flow in self.flows if known is reference)


def scene(before: int, after: int) -> tuple[Image, FloatImage, Reference, Reference]:
    """A frame of a pan, as it is and enlarged, and sharp ones so many frames before and after it."""
    frames = pan(before + after + 1, HEIGHT, WIDTH, (float(STEP[0]), float(STEP[1])), seed=3)
    (lsr,) = reduce(frames[before : before + 1], SCALE)
    first, second = (prepare_reference(frames[k], None, lsr.shape[:2]) for k in (0, -1))
    return lsr, upscale(lsr, HEIGHT, WIDTH), first, second


def off(flow: FlowArray, motion: np.ndarray) -> float:
    """Mean end-point error [px] away from the borders."""
    return float(np.linalg.norm(flow[INNER] - motion, axis=2).mean())


def test_of_two_answers_as_far_the_one_that_shows_the_frame_counts_more() -> None:
    lsr, up, first, second = scene(2, 2)
    source = Given()
    source.tell(first, -2 * STEP + OFF)
    source.tell(second, 2 * STEP)
    before, after = JointMotion(source, SCALE)(lsr, up, [first, second])
    # Most of the error goes, as the right one shows the frame better; and both fetch the same point.
    assert off(before, -2 * STEP) < 0.4 * np.linalg.norm(OFF)
    assert off(after, 2 * STEP) < 0.2 * np.linalg.norm(OFF)
    assert np.abs((after - before)[INNER] - 4 * STEP).mean() < 0.15


def test_the_nearer_picture_counts_more() -> None:
    lsr, up, first, second = scene(1, 5)
    source = Given()
    source.tell(first, -STEP)
    source.tell(second, 5 * STEP + OFF)
    near, far = JointMotion(source, SCALE)(lsr, up, [first, second])
    assert off(near, -STEP) < 0.15 * np.linalg.norm(OFF)
    assert off(far, 5 * STEP) < 0.4 * np.linalg.norm(OFF)


def test_answers_that_contradict_each_other_stay_as_they_are() -> None:
    lsr, up, first, second = scene(2, 2)
    wrong = np.array((4.0 * SCALE, 0.0), np.float32)
    source = Given()
    source.tell(first, -2 * STEP + wrong)
    source.tell(second, 2 * STEP)
    before, after = JointMotion(source, SCALE)(lsr, up, [first, second])
    assert np.abs((before - source.flows[0][1])[INNER]).max() < 0.1
    assert np.abs((after - source.flows[1][1])[INNER]).max() < 0.1


def test_where_a_picture_shows_nothing_it_says_nothing() -> None:
    lsr, up, first, second = scene(2, 2)
    valid = np.ones((HEIGHT, WIDTH), np.bool_)
    valid[:, WIDTH // 2 :] = False
    first = replace(first, valid=valid)
    source = Given()
    source.tell(first, -2 * STEP + OFF)
    source.tell(second, 2 * STEP)
    for flow, (_, given) in zip(
        JointMotion(source, SCALE)(lsr, up, [first, second]), source.flows, strict=True
    ):
        changed = np.linalg.norm(flow - given, axis=2)
        assert changed[40:-40, -60:-20].max() == 0
        assert changed[40:-40, 40:80].mean() > 0.1


def test_fused_pictures_and_single_ones_are_taken_as_found() -> None:
    lsr, up, first, second = scene(2, 2)
    source = Given()
    source.tell(first, -2 * STEP + OFF)
    fused = replace(second, fused=True)
    source.tell(fused, 2 * STEP)
    joint = JointMotion(source, SCALE)
    for references in ([first], [first, fused]):
        for flow, (_, given) in zip(joint(lsr, up, references), source.flows, strict=False):
            np.testing.assert_array_equal(flow, given)


def test_a_gop_looks_once_how_its_sharp_pictures_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []
    monkeypatch.setattr("fusion.joint_motion.search", lambda *given: searches.append(1) or search(*given))
    frames = pan(9, 96, 128, (1.0, 0.5))
    lsr = reduce(frames[1:8], 4)
    given = [(frames[0], None), (frames[8], None)]

    def gop(recursion: str) -> int:
        searches.clear()
        made = synthesise_gop(
            Classical(4), lsr, range(1, 8), given, recursion=recursion, cancelled=lambda: False
        )
        assert len(list(made)) == 7
        return len(searches)

    assert gop("direct") == 2
    # In the recursion only the first frame has two pictures that a camera saw.
    assert gop("recurrent") == 2


def test_between_two_sharp_pictures_frames_come_out_better(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = layers(5, HEIGHT, WIDTH)
    monkeypatch.setattr("fusion.joint_motion.share_of_way", lambda references: None)
    lsr = reduce(frames[1:4], SCALE)

    def quality() -> float:
        fuser = Fuser("classical", scale=SCALE, references=2, device="cpu")
        made = fuser.fuse_gop(
            lsr, (1, 2, 3), frames[0], next_reference=frames[-1], next_distances=(-3, -2, -1)
        )
        pairs = zip(made, frames[1:4], strict=True)
        return float(np.mean([psnr(one.image[INNER], truth[INNER]) for one, truth in pairs]))

    with_each_other = quality()
    monkeypatch.setattr(
        JointMotion, "__call__", lambda self, lsr, up, refs: [DisFlow(SCALE)(up, one) for one in refs]
    )
    assert with_each_other > quality() + 0.5
