"""The fast network against its formula, and the gradients of the custom functions."""

import numpy as np
import pytest
import torch
from fusion_scene import pan, reduce
from torch.autograd import gradcheck
from torch.utils.flop_counter import FlopCounterMode

from fusion.classical import Classical
from fusion.correlation import correlation
from fusion.dynamic_filter import dynamic_filter
from fusion.evaluation.metrics import psnr
from fusion.gop import NEIGHBOURS, synthesise_gop
from fusion.inference import LiveSynthesiser
from fusion.levels import to_bytes
from fusion.live import LiveNet, LiveReference
from fusion.resample import upscale


def references(count, size, batch=1):
    return [
        LiveReference(torch.rand(batch, 3, *size), torch.rand(batch, 3, *size), torch.randn(batch, 2, *size))
        for _ in range(count)
    ]


def shaken(network, spread=0.05):
    """The network with random last layers, so that everything it writes differs from pixel to pixel."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for layer in (network.tail, network.guess.tail):
            layer.weight.copy_(spread * torch.randn(layer.weight.shape, generator=generator))
    return network.eval()


def box(values):
    """Mean over the part of a 5x5 window that lies inside the picture, by the definition."""
    height, width = values.shape
    out = torch.zeros_like(values)
    for y in range(height):
        for x in range(width):
            out[y, x] = values[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].mean()
    return out


def agreement_logit(reference, up, scale, noise):
    """Logit of 1 / (1 + (error / tolerance)^2)."""
    detail = box(box((reference.sharp - reference.matched).abs().mean(dim=1)[0]))
    error = box(box((reference.matched - up).abs().mean(dim=1)[0]))
    tolerance = 2 / scale * detail + 0.007 + 3 * noise
    return (2 * torch.log(tolerance / (error + 1e-4))).clamp(-5, 5)


def written_by(layer, fold=4):
    """What a layer writes, unfolded, as it comes."""
    kept = []
    layer.register_forward_hook(lambda _m, _i, out: kept.append(torch.nn.functional.pixel_shuffle(out, fold)))
    return kept


@pytest.mark.parametrize(("count", "noise"), [(1, 0.0), (2, 0.1), (3, 0.02)])
def test_the_result_is_the_sum_the_module_promises(count, noise):
    torch.manual_seed(0)
    size, up = (16, 32), torch.rand(1, 3, 16, 32)
    given, network = references(count, size), shaken(LiveNet(scale=4))
    tails, guesses = written_by(network.tail), written_by(network.guess.tail)
    with torch.inference_mode():
        fused = network(up, given, noise)
    raw, guess = torch.cat(tails), guesses[0][0]
    torch.testing.assert_close(fused.guess[0], up[0] + guess)
    m1_logits = raw[:, 25] + torch.stack([agreement_logit(reference, up, 4, noise) for reference in given])
    for y, x in ((0, 0), (7, 9), (15, 31)):
        want, weight, rest = up[0, :, y, x].clone(), 0.0, 1.0
        for index, reference in enumerate(given):
            m1 = float(m1_logits[index, y, x].exp() / (1 + m1_logits[:, y, x].exp().sum()))
            m2 = float(raw[index, 26, y, x].exp() / (1 + raw[:, 26, y, x].exp().sum()))
            filtered = torch.zeros(3)
            for tap in range(25):
                row, column = min(max(y + tap // 5 - 2, 0), 15), min(max(x + tap % 5 - 2, 0), 31)
                filtered += raw[index, tap, y, x] * reference.sharp[0, :, row, column]
            matched = reference.matched[0, :, y, x]
            want += m1 * (filtered - matched) + m2 * (matched - up[0, :, y, x])
            weight += m1 * float(raw[index, :25, y, x].sum())
            rest -= m1
            assert float(fused.detail[0, index, y, x]) == pytest.approx(m1, abs=1e-4)
            assert float(fused.blend[0, index, y, x]) == pytest.approx(m2, abs=1e-5)
        want += rest * guess[:, y, x]
        torch.testing.assert_close(fused.out[0, :, y, x], want, atol=1e-3, rtol=1e-3)
        assert float(fused.weight[0, 0, y, x]) == pytest.approx(weight, abs=1e-3)


@pytest.mark.parametrize(("bfloat16", "most"), [(False, 1e-5), (True, 2 / 255)])
@pytest.mark.parametrize("size", [(16, 32), (512, 512)], ids=["small", "in strips"])
def test_laid_out_for_a_processor_it_makes_the_same_pictures(monkeypatch, bfloat16, most, size):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": bfloat16}, raising=False)
    torch.manual_seed(0)
    up, given, network = torch.rand(1, 3, *size), references(2, size), shaken(LiveNet(), 0.01)
    with torch.no_grad():
        for one in given:
            one.sharp.mul_(0.1).add_(up)
            one.matched.mul_(0.1).add_(up)
    trained = [each.detach() for each in network(up, given, 0.01)]
    with torch.inference_mode():
        fast = network.for_inference("cpu")(up, given, 0.01)
    for mine, own in zip(fast, trained, strict=True):
        assert float((mine - own).abs().max()) < most
    assert torch.allclose(fast.out, trained[0], rtol=0, atol=1e-6) != bfloat16


def test_the_order_of_the_references_does_not_matter():
    torch.manual_seed(0)
    up, given, network = torch.rand(2, 3, 16, 32), references(2, (16, 32), batch=2), shaken(LiveNet())
    with torch.inference_mode():
        one, other = network(up, given), network(up, given[::-1])
    torch.testing.assert_close(one.out, other.out)
    torch.testing.assert_close(one.detail, other.detail.flip(1))


@pytest.mark.parametrize("scale", [4, 8])
def test_untrained_it_is_as_good_as_the_method_it_starts_from(scale):
    torch.manual_seed(0)
    frames = pan(3, 96, 160, (1.5, 0.5))
    gop = reduce(frames, scale), [-1, 0, 1], [(frames[1], None)]
    levels = []
    for synthesiser in (Classical(scale), LiveSynthesiser(LiveNet(scale), scale)):
        made = synthesise_gop(synthesiser, *gop, recursion="direct", cancelled=lambda: False)
        levels.append([psnr(f.image, frames[f.position]) for f in made if f.distance])
    assert levels[1] == pytest.approx(levels[0], abs=0.2)


def test_a_frame_outside_the_reference_is_the_upscaled_one():
    frames = pan(3, 64, 96, (1, 0))
    valid = np.ones((64, 96), bool)
    valid[:, 48:] = False
    lsr = reduce(frames, 4)
    made = synthesise_gop(
        LiveSynthesiser(LiveNet(), 4),
        lsr,
        [-1, 0, 1],
        [(frames[1], valid)],
        recursion="recurrent",
        cancelled=lambda: False,
    )
    for frame in made:
        plain = to_bytes(upscale(lsr[frame.position], 64, 96))
        assert np.array_equal(frame.image[:, 56:], plain[:, 56:])
        assert not np.array_equal(frame.image[:, :40], plain[:, :40])


def test_it_is_cheap_enough_for_live_preview():
    network = LiveNet().eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        up, *near = torch.rand(1 + NEIGHBOURS, 1, 3, 64, 64)
        network(up, references(1, (64, 64)), neighbours=near)
    assert counter.get_total_flops() / 64**2 < 160e3


def test_gradients_of_the_custom_functions():
    torch.manual_seed(0)

    def random(*shape):
        return torch.rand(*shape, dtype=torch.double, requires_grad=True)

    assert gradcheck(dynamic_filter, (random(1, 2, 3, 4), random(1, 9, 3, 4)))
    assert gradcheck(lambda a, b: correlation(a, b, 1), (random(1, 2, 3, 4), random(1, 2, 3, 4)))


def test_in_mixed_precision_taps_are_as_good_as_bytes_need():
    torch.manual_seed(0)
    network = LiveNet()
    seen = written_by(network.tail)
    given, up = references(1, (32, 32)), torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        fused = network(up, given)
    assert seen[0].dtype == torch.float32
    with torch.inference_mode():
        exact = network(up, given).out
    assert float((fused.out.detach() - exact).abs().max()) < 0.5 / 255
