"""The learning-free method against bicubic, and every shipped model against its card."""

import json

import numpy as np
import pytest

from fusion import Fuser
from fusion.cards import shipped
from fusion.evaluation.protocols import gops
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
def test_a_default_model_is_what_runs_without_a_wish_and_beats_bicubic(card):
    options = {"scale": card.scale, "noise_variance": card.noise_variance}
    fuser = Fuser(None, **options)
    assert (fuser.model == card.name) == card.default
    noise = card.noise_variance
    own, bar = (level(f, int(card.scale), noise_variance=noise) for f in (fuser, Fuser("bicubic", **options)))
    assert own > bar


@pytest.mark.parametrize("card", [c for c in CARDS if c.default], ids=lambda card: card.name)
def test_a_default_models_card_shows_it_ahead_of_what_needs_no_learning(card):
    figures = json.loads(card.path.with_suffix(".json").read_text())["figures"]
    septuplets = next(value for name, value in figures.items() if name.startswith("septuplets"))
    bar, own = (septuplets[name]["psnr_by_clip"] for name in ("classical", card.name))
    assert np.mean(list(own.values())) > np.mean(list(bar.values()))
    assert sum(own[clip] > bar[clip] for clip in bar) >= 0.9 * len(bar) > 0
