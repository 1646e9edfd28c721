"""The published layout, and the paper's formulas against loops written from them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fusion_scene import pan, reduce, texture

from fusion import AWnet, FusionError
from fusion.awnet import Base, LsrCamera, blend
from fusion.cards import base_for
from fusion.correlation import correlation
from fusion.dynamic_filter import dynamic_filter
from fusion.evaluation.metrics import psnr
from fusion.flownet import FlowNet
from fusion.fusionnet import FusionNet, _parts
from fusion.gop import prepare_reference
from fusion.inference import AWnetSynthesiser, LiveSynthesiser
from fusion.levels import to_bytes, to_floats
from fusion.live import LiveNet, load_live
from fusion.padding import crop, pad_to_multiple
from fusion.resample import upscale
from fusion.warp import backward_warp, backward_warp_border


@pytest.fixture(autouse=True)
def _one_thread():
    torch.manual_seed(0)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_published_layout_has_the_published_number_of_parameters():
    network = AWnet()
    assert count(network) == 27_355_038
    assert count(network.flow) == count(FlowNet()) == 9_374_340
    assert count(network.fusion) == count(FusionNet()) == 17_980_698


def test_flow_warp_mask_and_weight_have_the_size_of_the_frames():
    network = AWnet().eval()
    with torch.inference_mode():
        fused = network(torch.rand(2, 3, 64, 128), torch.rand(2, 3, 64, 128))
    assert fused.out.shape == fused.warped.shape == (2, 3, 64, 128)
    assert fused.mask.shape == fused.weight.shape == (2, 1, 64, 128)
    assert fused.taps.shape == (2, 25, 64, 128)
    assert fused.flow.shape == (2, 2, 64, 128)
    assert fused.mask.min() >= 0
    assert fused.mask.max() <= 1


@pytest.mark.parametrize("shape", [(1, 3, 60, 64), (1, 3, 64, 65), (1, 4, 64, 64)])
def test_sizes_the_network_cannot_take_are_refused(shape):
    with pytest.raises(FusionError, match=r"multiples of 64|same size"):
        AWnet()(torch.zeros(shape), torch.zeros(shape))


def test_the_flow_network_learns_only_through_the_warped_picture():
    # With every tap zero the warped picture has no part in the result, and the U-Net's input is detached.
    network = AWnet()
    torch.nn.init.zeros_(network.fusion.tail.weight)
    torch.nn.init.zeros_(network.fusion.tail.bias)
    network(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)).out.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in network.flow.parameters())
    with torch.no_grad():
        network.fusion.tail.bias[12] = 1.0
    network(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)).out.square().sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in network.flow.parameters())


def test_zero_flow_is_the_identity_and_valid_everywhere():
    image = torch.rand(1, 3, 37, 53)
    warped, valid = backward_warp(image, torch.zeros(1, 2, 37, 53))
    assert valid.all()
    torch.testing.assert_close(warped, image, atol=2e-5, rtol=0)


def test_whole_pixel_flow_fetches_the_neighbour_and_marks_what_lies_outside():
    image = torch.rand(1, 3, 20, 30)
    flow = torch.zeros(1, 2, 20, 30)
    flow[:, 0], flow[:, 1] = 3, -2
    warped, valid = backward_warp(image, flow)
    torch.testing.assert_close(warped[..., 2:, :27], image[..., :18, 3:], atol=2e-5, rtol=0)
    expected = torch.zeros(20, 30)
    expected[2:, :27] = 1
    assert torch.equal(valid[0, 0], expected)
    assert not warped[..., :2, :].any()


def test_warp_keeps_its_grid_exact_for_half_precision_pictures():
    image = torch.rand(1, 3, 4, 4096).half()
    warped, _ = backward_warp(image, torch.zeros(1, 2, 4, 4096))
    torch.testing.assert_close(warped, image, atol=1e-3, rtol=0)


@pytest.mark.parametrize("rows", [False, True])
def test_correlation_is_the_mean_product_at_every_displacement(rows):
    a, b = torch.rand(1, 5, 7, 8), torch.rand(1, 5, 7, 8)
    volume = correlation(a, b, 2, rows=rows)
    assert volume.shape == (1, 25, 7, 8)
    for index in range(25):
        dy, dx = index // 5 - 2, index % 5 - 2
        for y in range(7):
            for x in range(8):
                inside = 0 <= y + dy < 7 and 0 <= x + dx < 8
                want = float((a[0, :, y, x] * b[0, :, y + dy, x + dx]).mean()) if inside else 0.0
                assert float(volume[0, index, y, x]) == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("rows", [False, True])
def test_the_gradient_of_the_correlation_is_that_of_its_formula(rows):
    a, b = (torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, y: correlation(x, y, 2, rows=rows), (a, b))


@pytest.mark.parametrize("references", [1, 2])
def test_filter_blend_and_weight_follow_the_paper_s_formulas(references):
    generator = np.random.default_rng(1)

    def random(channels):
        return torch.from_numpy(generator.random((1, channels, 6, 7), np.float32))

    warped, up = [random(3) for _ in range(references)], random(3)
    masks = 1 if references == 1 else references + 1
    raw = 4 * random(25 * references + masks) - 2
    valid = [torch.ones(1, 1, 6, 7) for _ in warped]
    valid[0][..., 0, :] = 0
    fused = blend(warped, up, raw, valid, [random(2) for _ in warped])
    for y in range(6):
        for x in range(7):
            want, weight, left = torch.zeros(3), 0.0, 1.0
            logits = raw[0, 25 * references :, y, x]
            for index in range(references):
                taps = raw[0, 25 * index : 25 * index + 25, y, x].reshape(5, 5)
                share = (
                    torch.sigmoid(logits[0]) if references == 1 else logits[index].exp() / logits.exp().sum()
                )
                mask = float(share) * float(valid[index][0, 0, y, x])
                filtered = torch.zeros(3)
                for j in range(5):
                    for i in range(5):
                        row, column = min(max(y + j - 2, 0), 5), min(max(x + i - 2, 0), 6)
                        filtered += taps[j, i] * warped[index][0, :, row, column]
                want += mask * filtered
                weight += mask * float(taps.sum())
                left -= mask
                assert float(fused.mask[0, index, y, x]) == pytest.approx(mask, abs=1e-5)
            want += left * up[0, :, y, x]
            torch.testing.assert_close(fused.out[0, :, y, x], want, atol=1e-5, rtol=1e-5)
            assert float(fused.weight[0, 0, y, x]) == pytest.approx(weight, abs=1e-5)
    if references == 1:
        assert torch.equal(fused.out[..., 0, :], up[..., 0, :])


def test_two_references_have_fifty_taps_and_three_masks():
    network = AWnet(references=2).eval()
    assert network.fusion.head.in_channels == 19
    assert network.fusion.tail.out_channels == 53
    images = torch.rand(3, 1, 3, 64, 64)
    with torch.inference_mode():
        fused = network(images[0], images[1], images[2])
    assert fused.mask.shape == (1, 2, 64, 64)
    assert float(fused.mask.sum(dim=1).max()) <= 1 + 1e-6
    with pytest.raises(FusionError, match="made for 2"):
        network(images[0], images[1])


def test_the_refined_network_goes_on_from_the_frame_given_and_fetches_beyond_the_edges():
    network = AWnet(2, refined=True).eval()
    assert network.layout == "awnet-2-refined"
    assert network.fusion.tail.out_channels == 56
    torch.nn.init.zeros_(network.fusion.tail.weight)
    with torch.no_grad():
        network.fusion.tail.bias.zero_()
        network.fusion.tail.bias[[12, 25 + 12]] = 1.0
        network.fusion.tail.bias[-3:] = torch.tensor([0.1, 0.2, 0.3])
    shift = torch.tensor([3.5, -2.0])[:, None, None].expand(1, 2, 64, 64)
    seen = []
    network.fusion.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    first, second, up, base = torch.rand(4, 1, 3, 64, 64)
    weight = torch.rand(1, 1, 64, 64)
    camera = LsrCamera((15, 15), (60, 60), 0.05)
    with torch.inference_mode():
        fused = network(
            first, up, second, flows=[shift, shift], camera=camera, base=lambda flows: Base(base, weight)
        )
        with pytest.raises(FusionError, match="awnet-2-refined must be given the LSR camera and the frame"):
            network(first, up, second, flows=[shift, shift])
    moved = [backward_warp_border(image, shift) for image in (first, second)]
    guess = base + torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    torch.testing.assert_close(fused.guess, guess)
    torch.testing.assert_close(fused.out, (guess + moved[0] + moved[1]) / 3)
    torch.testing.assert_close(fused.weight, (2 + weight) / 3)
    # Of the last columns nothing is in the picture; the mask has them all the same.
    assert float(fused.mask[..., -1].min()) == pytest.approx(1 / 3)
    # What the LSR camera would leave of a moved reference: of the 60 x 60 pixels that it fills.
    inner = moved[1][..., 2:62, 2:62]
    left = F.interpolate(inner, (15, 15), mode="bicubic", antialias=True)
    left = F.interpolate(left, (60, 60), mode="bicubic", align_corners=False)
    torch.testing.assert_close(seen[0][:, 16:19, 2:62, 2:62], left - up[..., 2:62, 2:62])
    agrees, noise, done = seen[0][:, 19:21], seen[0][:, 21], seen[0][:, 22:]
    assert float(agrees.abs().max()) <= 1
    assert float(noise.mean()) == pytest.approx(0.5)
    torch.testing.assert_close(done, base - up)


@pytest.mark.parametrize("count", [1, 2])
def test_an_untrained_refined_network_leaves_what_live_made_nearly_as_it_is(count):
    network = AWnet(2, matched=True, refined=True)
    network.start_at_plain_warp()
    frames = pan(3, 75, 100, (1.5, -1))
    lsr = to_floats(reduce(frames[1:2], 4)[0])
    up = upscale(lsr, 75, 100)
    sharp = [prepare_reference(frames[k], None, lsr.shape[:2]) for k in (0, 2)][:count]
    live = load_live(base_for(4, 0.0).path)
    made, base = (
        one.synthesise(lsr, up, sharp)
        for one in (AWnetSynthesiser(network, 4, base=live), LiveSynthesiser(live, 4))
    )
    assert psnr(to_bytes(made.image), to_bytes(base.image)) > 45
    assert np.abs(made.weight - base.weight).max() < 0.05
    # Where no reference reaches, the frame is as enlarged, and so it is in live.
    valid = np.ones((75, 100), np.bool_)
    valid[:, :40] = False
    limited = [prepare_reference(one.image, valid, one.lsr_size, up) for one in sharp]
    made, base = (
        one.synthesise(lsr, up, limited)
        for one in (AWnetSynthesiser(network, 4, base=live), LiveSynthesiser(live, 4))
    )
    assert np.array_equal(made.valid, base.valid)
    assert 0.5 < made.valid.mean() < 0.7
    assert psnr(to_bytes(made.image), to_bytes(base.image)) > 45
    with pytest.raises(FusionError, match="goes on from live; give a live network as its base"):
        AWnetSynthesiser(network, 4)


def test_what_the_refined_network_finds_depends_on_the_motion_it_is_given():
    network = AWnet(1, refined=True)
    network.start_at_plain_warp()
    with torch.no_grad():
        network.fusion.tail.bias[25] = 8.0  # all of the reference
    frames = pan(2, 64, 96, (4, 0))
    lsr = to_floats(reduce(frames[:1], 4)[0])
    up, sharp = upscale(lsr, 64, 96), [prepare_reference(frames[1], None, lsr.shape[:2])]

    def made(shift):
        def flow(upscaled, _reference):
            return np.full((*upscaled.shape[:2], 2), (shift, 0), np.float32)

        synthesiser = AWnetSynthesiser(network, 4, noise_variance=0.01, flow=flow, base=LiveNet())
        return to_bytes(synthesiser.synthesise(lsr, up, sharp).image[:, 8:-8])

    assert psnr(made(4), frames[0][:, 8:-8]) > psnr(made(-4), frames[0][:, 8:-8]) + 10


def test_the_refined_network_is_corrected_by_a_clean_frame_and_not_by_a_noisy_one():
    network = AWnet(matched=True, refined=True)
    network.start_at_plain_warp()
    with torch.no_grad():
        network.fusion.tail.bias[25] = 8.0  # all of the reference, which shows something else
    target, other = (texture(60, 100, seed) for seed in range(2))
    lsr = to_floats(reduce([target], 4)[0])
    reference = prepare_reference(other, None, lsr.shape[:2])

    def missed(noise):
        synthesiser = AWnetSynthesiser(network, 4, noise_variance=noise, base=LiveNet())
        made = synthesiser.synthesise(lsr, upscale(lsr, 60, 100), [reference])
        assert made.valid is None
        return np.abs(reduce([made.image], 4)[0].astype(float) - lsr).mean()

    assert missed(0.0) < 0.3 * missed(0.01)


def test_an_untrained_u_net_lets_pictures_through_to_its_smallest_scale_and_no_further():
    network = AWnet(matched=True)
    network.start_at_plain_warp()
    coarse, fine = [], []
    network.fusion.encoder[-1].register_forward_hook(lambda *given: coarse.append(given[-1]))
    network.fusion.decoder[-1].register_forward_hook(lambda *given: fine.append(given[-1]))
    with torch.inference_mode():
        for picture in torch.rand(2, 1, 11, 64, 64):
            network.fusion(picture)
    assert float((coarse[0] - coarse[1]).std()) > 0.3 * float(coarse[0].std())
    assert not torch.cat(fine).any()


@pytest.mark.parametrize("direct", [False, True])
def test_in_mixed_precision_the_u_net_writes_float32(direct):
    network, x = FusionNet(width=8, direct=direct), torch.rand(1, 11, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert network.head(x).dtype == torch.bfloat16
        assert network(x).dtype == torch.float32


@pytest.mark.parametrize("size", [(64, 256), (256, 192), (448, 384)])
def test_the_u_net_does_large_pictures_in_parts(size):
    network = FusionNet(width=8).eval()
    x = torch.rand(2, 11, *size)
    seen = []
    network.head.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[-2:]))
    with torch.inference_mode():
        whole, parts = network(x), network.in_tiles(x, 128)
    assert len(seen) == 1 + -(-size[0] // 128) * -(-size[1] // 128)
    assert max(side for shape in seen[1:] for side in shape) <= 128 + 2 * 112
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-4 * float(whole.std()))


def test_parts_show_all_that_a_pixel_of_the_u_net_sees():
    # No activation may hide what is there.
    network = FusionNet(width=2, slope=0.5).double()
    network.tail.float()
    x = torch.rand(1, 11, 16, 512, dtype=torch.float64, requires_grad=True)
    network(x)[..., 256:264].sum().backward()
    (seen,) = torch.nonzero(x.grad.abs().sum(dim=(0, 1, 2)), as_tuple=True)
    whole = slice(int(seen[0]), int(seen[-1]) + 1)
    assert whole.stop - whole.start > 200
    looked_at = [look for look, keep in _parts(512, 8) if keep.start == 256]
    assert looked_at[0].start <= whole.start
    assert whole.stop <= looked_at[0].stop


def test_coarse_features_do_not_jump_where_parts_meet():
    # Each scale passes on its pixels' columns, so a result that is off is off by its displacement [px].
    network, keep = FusionNet(width=8), torch.nn.Identity()
    network.head = network.tail = keep
    network.encoder, network.decoder = (torch.nn.ModuleList([keep] * count) for count in (4, 3))
    network.down = torch.nn.ModuleList([torch.nn.AvgPool2d(2)] * 3)
    columns = torch.arange(1024.0).expand(1, 1, 64, 1024)
    whole, parts = network(columns), network.in_tiles(columns, 256)
    torch.testing.assert_close(parts, whole, rtol=0, atol=0.01)
    # With the corners of every scale on those of the others, coarse features are where the published are.
    assert float(whole[0, 0, 32, 512] - 4 * 512) == pytest.approx(0, abs=0.1)
    assert float(whole[0, 0, 32, 16] - 4 * 16) > 3


def test_flow_into_several_references_is_that_into_each():
    network = FlowNet()
    image, *references = torch.rand(3, 2, 3, 64, 128)
    with torch.inference_mode():
        together = network.towards(image, references)
        for flow, reference in zip(together, references, strict=True):
            torch.testing.assert_close(flow, network(image, reference), rtol=1e-4, atol=1e-4)


def test_a_single_centre_tap_leaves_the_picture_as_it_is():
    image = torch.rand(2, 3, 9, 11)
    taps = torch.zeros(2, 25, 9, 11)
    taps[:, 12] = 1
    assert torch.equal(dynamic_filter(image, taps), image)


@pytest.mark.parametrize("size", [(1, 1), (63, 65), (64, 128), (5, 200)])
def test_padding_is_centred_replicates_and_is_undone_by_the_crop(size):
    image = torch.rand(1, 3, *size)
    padded = pad_to_multiple(image, 64)
    assert padded.shape[2] % 64 == padded.shape[3] % 64 == 0
    assert torch.equal(crop(padded, *size), image)
    top = (padded.shape[2] - size[0]) // 2
    left = (padded.shape[3] - size[1]) // 2
    assert torch.equal(
        padded,
        F.pad(
            image,
            (left, padded.shape[3] - size[1] - left, top, padded.shape[2] - size[0] - top),
            mode="replicate",
        ),
    )


def test_the_network_runs_on_pictures_of_any_size_and_falls_back_where_the_reference_ends():
    network = AWnet()
    torch.nn.init.zeros_(network.fusion.tail.weight)
    with torch.no_grad():
        network.fusion.tail.bias.zero_()
        network.fusion.tail.bias[12] = 1.0
    # No flow, centre tap only, half of each: the result is known.
    for parameter in network.flow.parameters():
        torch.nn.init.zeros_(parameter)
    frames = pan(2, 40, 70, (0, 0))
    valid = np.ones((40, 70), bool)
    valid[:, 35:] = False
    lsr = to_floats(reduce(frames, 2)[0])
    up = upscale(lsr, 40, 70)
    reference = prepare_reference(frames[1], valid, lsr.shape[:2])
    made = AWnetSynthesiser(network, 4).synthesise(lsr, up, [reference])
    want = np.where(valid[..., None], 0.5 * reference.image + 0.5 * up, up)
    assert np.abs(made.image - want).max() <= 0.01
    assert np.array_equal(made.valid, valid)
    assert np.allclose(made.weight, 0.5 * valid, atol=1e-5)
