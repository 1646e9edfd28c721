"""Sharp frames that were filmed between two LSR frames: no LSR frame is shown as one of another moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from drivers import open_clip_pair
from fusion.evaluation.metrics import psnr
from synthetic import moving_scene, shrink, write_lossless


@pytest.mark.parametrize("references", [1, 2])
@pytest.mark.parametrize("recursion", ["direct", "recurrent"])
def test_frames_of_60_fps_between_sharp_ones_of_24_show_their_own_moments(
    tmp_path: Path, references: int, recursion: str
) -> None:
    """Every other sharp frame lies half way between two LSR frames."""
    truth = moving_scene(41, 160, 192)
    streams = open_clip_pair(
        write_lossless(tmp_path / "hsr.mkv", truth[::5], 24),
        write_lossless(tmp_path / "lsr.mkv", [shrink(f, 4) for f in truth[::2]], 60),
        offset_ms=0.0,
    )
    how = FusionOptions(align="none", method="classical", references=references, recursion=recursion)
    pipeline = Pipeline(streams, how)
    assert {round(abs(gop.subframe), 1) for gop in pipeline.gops} == {0.0, 0.5}
    made = list(pipeline.frames())
    assert [frame.record.lsr_index for frame in made] == list(range(21))
    assert [frame.record for frame in made] == list(pipeline.records())
    for k, frame in enumerate(made):
        own = psnr(frame.image, truth[2 * k])
        assert own > 27
        others = [truth[n] for n in (2 * k - 1, 2 * k + 1) if 0 <= n < len(truth)]
        assert all(own > psnr(frame.image, other) for other in others)
        if 2 * k % 5 == 0:
            np.testing.assert_array_equal(frame.image, truth[2 * k])
    streams.hsr.close()
    streams.lsr.close()
