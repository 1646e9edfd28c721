"""The learning-free method against bicubic, and every shipped model against its card."""

import json

import numpy as np
import pytest

from fusion import Fuser
from fusion.evaluation.protocols import gops
from fusion.weights import shipped
from synthetic import moving_scene

CARDS = shipped()


def level(fuser, scale, **options):
    frames = moving_scene(8, 256, 320)
    figures = list(
        gops(fuser.synthesiser, "moving scene", frames, scale, recursion=fuser.recursion, **options)
    )
    assert len(figures) == 7
    return float(np.mean([figure.psnr for figure in figures]))


@pytest.mark.parametrize(("scale", "gain"), [(4, 3.0), (8, 2.5)])
def test_the_learning_free_method_beats_bicubic(scale, gain):
    bicubic, classical = (level(Fuser(method, scale=scale), scale) for method in ("bicubic", "classical"))
    assert classical > bicubic + gain


@pytest.mark.parametrize("card", CARDS, ids=[card.name for card in CARDS])
def test_a_shipped_model_gives_the_figure_on_its_card(card):
    promised = json.loads(card.path.with_suffix(".json").read_text())["test_clip_psnr"]
    fuser = Fuser(card.method, scale=card.scale, noise_variance=card.noise_variance, device="cpu")
    assert fuser.model == card.name
    found = level(fuser, int(card.scale), noise_variance=card.noise_variance)
    assert found == pytest.approx(promised, abs=0.05)


@pytest.mark.parametrize("card", CARDS, ids=[card.name for card in CARDS])
def test_a_default_model_is_what_runs_without_a_wish_and_beats_what_needs_no_learning(card):
    options = {"scale": card.scale, "noise_variance": card.noise_variance}
    fuser = Fuser(None, **options)
    assert (fuser.model == card.name) == card.default
    if card.default:
        own, bar = (level(f, int(card.scale)) for f in (fuser, Fuser("classical", **options)))
        assert own > bar
