"""FlowNet of AWnet: a pyramid, warping and cost-volume network (PWC-Net, Sun et al., CVPR 2018; paper 3.2.1).

Written from the layer table of the paper and of its published model: dense decoders at five levels, a dilated
context network at the finest one, 9,374,340 parameters. `SMALL` is the same idea for fast fusion on a GPU:
its pyramid begins at a quarter of the size, on folded pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.cards import layout_of
from fusion.correlation import correlation
from fusion.errors import WeightsError
from fusion.warp import backward_warp
from fusion.weights import load_weights

FLOW_UNIT = 20.0
"""Pixels of the full frame per unit of the flow inside the network."""

_FINEST = 4
_RADIUS = 4
_SLOPE = 0.1
_MEAN_GREY = 0.45
_SMALL_START = 1e-3
_SHORTEST = 1e-6


@dataclass(frozen=True, slots=True)
class FlowLayout:
    """Layers of a flow network.

    Attributes:
        fold: Pixels folded into channels before the first layer, along one axis; 1 for none.
        widths: Channels of the pyramid's levels. Each halves the size, the first only where nothing is
            folded.
        dense: Channels of each decoder's dense convolutions.
        context: Channels and dilation of the context network's convolutions.
        normalised: Compare the directions of feature vectors, less the picture's mean, instead of the vectors
            themselves. Raw features from a random start say hardly where they match: their cost volume is
            one of brightness.

    """

    fold: int
    widths: tuple[int, ...]
    dense: tuple[int, ...]
    context: tuple[tuple[int, int], ...]
    normalised: bool = False

    @property
    def scales(self) -> list[int]:
        """Full-size pixels per pixel of each level."""
        first = self.fold if self.fold > 1 else 2
        return [first * 2**level for level in range(len(self.widths))]


PUBLISHED = FlowLayout(
    fold=1,
    widths=(16, 32, 64, 96, 128, 196),
    dense=(128, 128, 96, 64, 32),
    context=((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1)),
)
"""The model of the paper."""

NORMALISED = replace(PUBLISHED, normalised=True)
"""The same layers, made to be trained from a random start."""

SMALL = FlowLayout(
    fold=4,
    widths=(32, 48, 64, 96, 128),
    dense=(64, 48, 32),
    context=((48, 1), (48, 2), (48, 4), (32, 1)),
    normalised=True,
)
"""For GPUs; multiples of 64 as well."""

SMALL_LAYOUT = "flownet-small"
"""Name of `SMALL` in weights files."""

MATCHED_LAYOUT = "flownet-matched"
"""Name of `NORMALISED`, trained on pictures of equal sharpness."""

_LAYOUTS = {SMALL_LAYOUT: SMALL, MATCHED_LAYOUT: NORMALISED}


def _conv(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation),
        nn.LeakyReLU(_SLOPE),
    )


class _Decoder(nn.Module):
    """One level: five dense convolutions, a flow, and what the next finer level gets of both."""

    def __init__(self, inputs: int, dense: Sequence[int], *, feature_up: bool) -> None:
        super().__init__()
        layers = []
        for width in dense:
            layers.append(_conv(inputs, width))
            inputs += width
        self.dense = nn.ModuleList(layers)
        self.width = inputs
        self.flow = nn.Conv2d(inputs, 2, 3, padding=1)
        # The published model holds this layer at the finest level too, where nothing reads it.
        self.flow_up = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
        self.feature_up = nn.ConvTranspose2d(inputs, 2, 4, stride=2, padding=1) if feature_up else None

    def start_at_coarser_flow(self, *, passes_on: bool) -> None:
        """Let the flow begin as the coarser level's, where there is one (`passes_on`), else as zero."""
        nn.init.normal_(self.flow.weight, std=_SMALL_START)
        nn.init.zeros_(self.flow_up.weight)
        bilinear = torch.tensor([0.25, 0.75, 0.75, 0.25])
        for axis in range(2):
            self.flow_up.weight[axis, axis] = bilinear[:, None] * bilinear
            if passes_on:
                # The input ends with the coarser flow and two features.
                self.flow.weight[axis, self.width - 4 + axis, 1, 1] = 1.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.dense:
            x = torch.cat((layer(x), x), dim=1)
        return _precise(self.flow, x), x


def _precise(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer in float32: half precision rounds a flow of 20 px by a tenth of a pixel."""
    with torch.autocast(x.device.type, enabled=False):
        out: Tensor = layer(x.float())
    return out


class FlowNet(nn.Module):
    """Optical flow from the output grid (first image) into the reference (second image).

    Args:
        layout: The layers.

    """

    def __init__(self, layout: FlowLayout = PUBLISHED) -> None:
        super().__init__()
        self.layout = layout
        widths = layout.widths
        pyramid, inputs = [], 3 * layout.fold**2
        for level, width in enumerate(widths):
            stride = 1 if level == 0 and layout.fold > 1 else 2
            pyramid.append(
                nn.Sequential(_conv(inputs, width, stride=stride), _conv(width, width), _conv(width, width))
            )
            inputs = width
        self.pyramid = nn.ModuleList(pyramid)
        volume = (2 * _RADIUS + 1) ** 2
        self._finest = layout.scales.index(_FINEST)
        finer = widths[self._finest : -1]
        decoders = [_Decoder(volume, layout.dense, feature_up=True)]
        decoders += [
            _Decoder(volume + width + 4, layout.dense, feature_up=index < len(finer) - 1)
            for index, width in enumerate(reversed(finer))
        ]
        self.decoders = nn.ModuleList(decoders)
        layers, inputs = [], decoders[-1].width
        for width, dilation in layout.context:
            layers.append(_conv(inputs, width, dilation=dilation))
            inputs = width
        self.context = nn.Sequential(*layers, nn.Conv2d(inputs, 2, 3, padding=1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @torch.no_grad()
    def start_at_zero_flow(self) -> None:
        """Let an untrained network find no motion, and each level begin with what the coarser one found.

        From the published start, random flows of tens of pixels, learning takes far longer.
        """
        first = next(module for module in self.pyramid.modules() if isinstance(module, nn.Conv2d))
        assert first.bias is not None
        # As if the mean grey were subtracted, so that features tell structure, not brightness.
        first.bias.copy_(-_MEAN_GREY * first.weight.sum(dim=(1, 2, 3)))
        for index, decoder in enumerate(self.decoders):
            assert isinstance(decoder, _Decoder)
            decoder.start_at_coarser_flow(passes_on=index > 0)
        last = self.context[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.normal_(last.weight, std=_SMALL_START)

    def features(self, image: Tensor) -> list[Tensor]:
        """Pyramid features of (B, 3, H, W), finest first."""
        levels = []
        image = F.pixel_unshuffle(image, self.layout.fold)
        for level in self.pyramid:
            image = level(image)
            levels.append(image)
        return levels

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Flow in pixels of the full frame.

        Args:
            image: (B, 3, H, W) in 0..1 on the output grid; H and W multiples of 64.
            reference: (B, 3, H, W) in 0..1.

        Returns:
            (B, 2, H, W): where in `reference` each pixel of `image` is found, as an offset [px].

        """
        return self.towards(image, [reference])[0]

    def towards(self, image: Tensor, references: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Flow into each of several references, in one go; see `forward`."""
        count = len(references)
        first = [level.repeat(count, 1, 1, 1) for level in self.features(image)]
        second = self.features(torch.cat(list(references)))
        return full_size(self.coarse_to_fine(first, second)[-1]).chunk(count)

    def coarse_to_fine(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> list[Tensor]:
        """Flow at every level from two feature pyramids.

        Returns:
            In units of `FLOW_UNIT`, coarsest first; the last is at a quarter of the size and refined by the
            context network.

        """
        flows: list[Tensor] = []
        feature = None
        for index, decoder in enumerate(self.decoders):
            level = len(first) - 1 - index
            a, b = first[level], second[level]
            if feature is None:
                x = self._costs(a, b)
            else:
                before = self.decoders[index - 1]
                assert isinstance(before, _Decoder)
                assert before.feature_up is not None
                flow, feature = _precise(before.flow_up, flows[-1]), before.feature_up(feature)
                warped, _ = backward_warp(b, flow * (FLOW_UNIT / self.layout.scales[level]))
                x = torch.cat((self._costs(a, warped), a, flow, feature), dim=1)
            flow, feature = decoder(x)
            flows.append(flow)
        assert feature is not None
        flows[-1] = flows[-1] + _precise(self.context[-1], self.context[:-1](feature))
        return flows

    def _costs(self, first: Tensor, second: Tensor) -> Tensor:
        if self.layout.normalised:
            first, second = _directions(first), _directions(second)
        return F.leaky_relu(correlation(first, second, _RADIUS), _SLOPE)


def _directions(features: Tensor) -> Tensor:
    """Feature vectors less their mean over the picture, of length sqrt(C): their correlation is a cosine."""
    centred = features - features.mean(dim=(2, 3), keepdim=True)
    length = torch.linalg.vector_norm(centred, dim=1, keepdim=True).clamp(min=_SHORTEST)
    directions: Tensor = centred * (features.shape[1] ** 0.5 / length)
    return directions.to(features.dtype)


def full_size(flow: Tensor) -> Tensor:
    """Flow of the finest level (B, 2, H/4, W/4), in units of `FLOW_UNIT`, as (B, 2, H, W) in pixels."""
    return FLOW_UNIT * F.interpolate(flow, scale_factor=_FINEST, mode="bilinear", align_corners=False)


def load_flow(path: Path) -> FlowNet:
    """The flow network of a weights file, made for pictures of equal sharpness.

    Raises:
        WeightsError: The file is missing, damaged, or for another network.

    """
    layout = layout_of(path) if path.is_file() else SMALL_LAYOUT
    if layout not in _LAYOUTS:
        raise WeightsError(
            f"{path}: made for {layout}, which is no flow network; give one written by twinrate train "
            "--model live-flow, or the word shipped"
        )
    network = FlowNet(_LAYOUTS[layout])
    load_weights(path, network, layout=layout)
    return network
