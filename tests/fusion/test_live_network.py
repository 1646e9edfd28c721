"""The fast network against its formula, and the gradients of the custom functions."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.utils.flop_counter import FlopCounterMode

from fusion.correlation import correlation
from fusion.dynamic_filter import dynamic_filter
from fusion.live import LiveNet, LiveReference


def references(count, size):
    return [
        LiveReference(torch.rand(1, 3, *size), torch.rand(1, 3, *size), torch.zeros(1, 2, *size))
        for _ in range(count)
    ]


def shaken(network, spread=0.05):
    """The network with random last layer, so that taps and shares differ from pixel to pixel."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        network.tail.weight.copy_(spread * torch.randn(network.tail.weight.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize("count", [1, 2])
def test_the_result_is_the_sum_the_module_promises(count):
    torch.manual_seed(0)
    size, up = (16, 32), torch.rand(1, 3, 16, 32)
    given, network = references(count, size), shaken(LiveNet(count))
    raw = []
    network.tail.register_forward_hook(lambda _m, _i, out: raw.append(out))
    with torch.inference_mode():
        fused = network(up, given)
    raw = torch.nn.functional.pixel_shuffle(raw[0], 4)[0].reshape(count, 27, *size)
    for y, x in ((0, 0), (7, 9), (15, 31)):
        want, weight = up[0, :, y, x].clone(), 0.0
        for index, reference in enumerate(given):
            m1 = float(raw[index, 25, y, x].exp() / (1 + raw[:, 25, y, x].exp().sum()))
            m2 = float(raw[index, 26, y, x].exp() / (1 + raw[:, 26, y, x].exp().sum()))
            filtered = torch.zeros(3)
            for tap in range(25):
                row, column = min(max(y + tap // 5 - 2, 0), 15), min(max(x + tap % 5 - 2, 0), 31)
                filtered += raw[index, tap, y, x] * reference.image[0, :, row, column]
            matched = reference.matched[0, :, y, x]
            want += m1 * (filtered - matched) + m2 * (matched - up[0, :, y, x])
            weight += m1 * float(raw[index, :25, y, x].sum())
            assert float(fused.detail[0, index, y, x]) == pytest.approx(m1, abs=1e-5)
            assert float(fused.blend[0, index, y, x]) == pytest.approx(m2, abs=1e-5)
        torch.testing.assert_close(fused.out[0, :, y, x], want, atol=1e-4, rtol=1e-4)
        assert float(fused.weight[0, 0, y, x]) == pytest.approx(weight, abs=1e-4)


def test_untrained_it_is_plain_transfer_of_the_detail():
    torch.manual_seed(0)
    up, given = torch.rand(1, 3, 32, 32), references(1, (32, 32))
    with torch.inference_mode():
        fused = LiveNet()(up, given)
    expected = up + 0.731 * (given[0].image - given[0].matched) + 0.047 * (given[0].matched - up)
    assert float((fused.out - expected).abs().max()) < 0.03


def test_it_is_cheap_enough_for_live_preview():
    network = LiveNet().eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.rand(1, 3, 64, 64), references(1, (64, 64)))
    assert counter.get_total_flops() / 64**2 < 160e3


def test_gradients_of_the_custom_functions():
    torch.manual_seed(0)

    def random(*shape):
        return torch.rand(*shape, dtype=torch.double, requires_grad=True)

    assert gradcheck(dynamic_filter, (random(1, 2, 3, 4), random(1, 9, 3, 4)))
    assert gradcheck(lambda a, b: correlation(a, b, 1), (random(1, 2, 3, 4), random(1, 2, 3, 4)))
