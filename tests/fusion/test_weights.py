"""Weights files and cards: round trip, choice of the model, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch

from fusion import Fuser, FusionError
from fusion.cards import fingerprint, nearest, save_card, shipped, trustworthy
from fusion.live import LiveNet
from fusion.weights import load_weights, save_weights

CARD = {"method": "live", "scale": 4, "noise_variance": 0.0, "references": [1], "default": True}


@pytest.fixture
def stored(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "live_x4.safetensors"
    save_weights(path, LiveNet(), layout="live")
    save_card(path, CARD)
    return path


@pytest.mark.parametrize("half", [False, True])
def test_weights_survive_the_round_trip(tmp_path, half):
    network, path = LiveNet(), tmp_path / "w.safetensors"
    save_weights(path, network, layout="live", half=half)
    other = LiveNet()
    load_weights(path, other, layout="live")
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(
            other.state_dict()[name], tensor, rtol=1e-3 if half else 0, atol=1e-4 if half else 0
        )


def test_the_model_made_for_such_noise_and_then_nearest_in_scale_is_taken(stored):
    for scale, noise in ((8, 0.0), (4, 0.01)):
        path = stored.with_name(f"live_x{scale}_{noise}.safetensors")
        path.write_bytes(stored.read_bytes())
        save_card(path, {**CARD, "scale": scale, "noise_variance": noise, "noise_from": noise / 1000})
    cards = shipped(stored.parent)
    assert len(cards) == 3

    def choice(scale, noise, references: int | None = 1):
        card = nearest(cards, scale=scale, noise_variance=noise, references=references)
        return card and (card.scale, card.noise_variance)

    assert choice(3, 0.0) == (4, 0.0)
    assert choice(6, 0.0) == (8, 0.0)
    assert choice(4, 9e-6) == (4, 0.0)
    assert choice(4, 1e-5) == (4, 0.01)
    assert choice(8, 0.008) == (4, 0.01)
    save_card(stored.with_name("live_x8_0.0.safetensors"), {**CARD, "scale": 8, "noise_variance": 0.01})
    cards = shipped(stored.parent)
    assert choice(8, 0.008) == (8, 0.01)
    assert choice(8, 0.05) == (8, 0.01)
    save_card(stored.with_name("live_x8_0.0.safetensors"), {**CARD, "scale": 8})
    cards = shipped(stored.parent)
    assert choice(4, 0.0, references=2) is None
    save_card(stored, {**CARD, "references": [1, 2]})
    cards = shipped(stored.parent)
    assert choice(8, 0.0, references=2) == (4, 0.0)
    assert choice(4, 0.0, references=None) == (4, 0.0)


def test_asked_for_by_its_method_the_model_judged_on_such_input_goes_before_a_nearer_one(stored):
    card = {**CARD, "noise_variance": 0.01, "noise_from": 1e-5}
    save_card(stored, {**card, "noise_from_at": {"6": 1e-4}})
    other = stored.with_name("live_x8.safetensors")
    other.write_bytes(stored.read_bytes())
    save_card(other, {**card, "scale": 8})

    def choice(noise):
        return nearest(shipped(stored.parent), scale=6, noise_variance=noise, references=1).scale

    assert [choice(noise) for noise in (2e-5, 1e-4, 0.01)] == [8, 4, 4]


@pytest.mark.parametrize(
    ("scale", "noise", "trusted"),
    [(4, 0.0, True), (3.3, 0.0, True), (4.9, 0.0, True), (3, 0.0, False), (8, 0.0, False), (4, 0.001, False)],
)
def test_a_default_runs_unasked_only_on_input_like_that_it_was_judged_on(stored, scale, noise, trusted):
    card = shipped(stored.parent)[0]
    assert trustworthy(card, scale=scale, noise_variance=noise) == trusted
    assert not trustworthy(replace(card, default=False), scale=scale, noise_variance=noise)
    noisy = replace(card, noise_variance=0.01, noise_from=1e-5)
    variances = (0.0, 5e-6, 1e-5, 0.001, 0.02, 0.03)
    assert [v for v in variances if trustworthy(noisy, scale=4, noise_variance=v)] == [1e-5, 0.001, 0.02]


def test_where_there_is_noise_enough_a_model_runs_unasked_at_other_scales_that_it_was_judged_at(stored):
    card = {
        **CARD,
        "noise_variance": 0.01,
        "noise_from": 1e-5,
        "noise_from_at": {"3": 5e-4, "6": 1e-4, "9": 1e-3},
    }
    save_card(stored, card)
    made = shipped(stored.parent)[0]

    def trusted(scale):
        return [
            v
            for v in (0, 1e-5, 1e-4, 5e-4, 1e-3, 0.02, 0.03)
            if trustworthy(made, scale=scale, noise_variance=v)
        ]

    assert trusted(4) == trusted(3.3) == trusted(5) == [1e-5, 1e-4, 5e-4, 1e-3, 0.02]
    assert trusted(3) == trusted(3.1) == [5e-4, 1e-3, 0.02]
    assert trusted(6) == trusted(5.2) == [1e-4, 5e-4, 1e-3, 0.02]
    assert trusted(6.5) == trusted(9) == [1e-3, 0.02]
    assert trusted(2.9) == trusted(9.2) == []


def test_missing_damaged_and_foreign_weights_are_refused(stored):
    network = LiveNet()
    with pytest.raises(FusionError, match="no such weights file"):
        load_weights(stored.with_name("gone.safetensors"), network, layout="live")
    with pytest.raises(FusionError, match="made for live, not for awnet"):
        load_weights(stored, network, layout="awnet")
    with pytest.raises(FusionError, match="does not fit live"):
        load_weights(stored, torch.nn.Conv2d(1, 1, 1), layout="live")
    stored.write_bytes(stored.read_bytes()[:-100])
    with pytest.raises(FusionError, match="not a whole safetensors file"):
        load_weights(stored, network, layout="live")
    stored.write_bytes(b"\x80\x04pickle")
    with pytest.raises(FusionError, match="not a whole safetensors file"):
        load_weights(stored, network, layout="live")


def test_damaged_cards_are_named(stored):
    card = stored.with_suffix(".json")
    card.write_text(json.dumps({"method": "live"}))
    with pytest.raises(FusionError, match=r"live_x4.json: not a readable model card"):
        shipped(stored.parent)
    save_card(stored, CARD)
    stored.unlink()
    with pytest.raises(FusionError, match="card is there but not the weights"):
        shipped(stored.parent)


def test_weights_of_the_users_own_run_unasked_and_say_which_they_are(stored):
    mine = stored.rename(stored.with_name("mine.safetensors"))
    stored.with_suffix(".json").rename(mine.with_suffix(".json"))
    save_card(mine, {**CARD, "default": False})
    fuser = Fuser(scale=3, weights=mine)
    assert (fuser.method, fuser.model, fuser.weights) == ("live", "mine", mine)
    assert "made for scale 4" in fuser.note
    save_card(mine, {**CARD, "least_scale": 3})
    assert [bool(Fuser(weights=mine, scale=scale).note) for scale in (2.9, 3.3, 4.0, 4.2)] == [
        True,
        False,
        False,
        True,
    ]
    before = fingerprint(mine)
    save_weights(mine, LiveNet(), layout="live")
    assert fingerprint(mine) != before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "gone.safetensors"}, "gone.safetensors: there is no such weights file"),
        ({"weights": "bare.safetensors"}, "its model card bare.json is not beside it"),
        ({"weights": "live_x4.json"}, "live_x4.json: its model card live_x4.json is not beside it"),
        ({"method": "classical"}, "holds a live model, not classical"),
        ({"references": 2}, r"made for 1 reference\(s\), not 2; give --refs 1"),
    ],
)
def test_weights_that_do_not_fit_the_wish_are_refused_in_one_sentence(stored, options, message):
    stored.with_name("bare.safetensors").write_bytes(stored.read_bytes())
    weights = stored.with_name(options.pop("weights", stored.name))
    with pytest.raises(FusionError, match=message) as caught:
        Fuser(**{"scale": 4, **options}, weights=weights)
    assert "\n" not in str(caught.value)
