"""FlowNet of AWnet: a pyramid, warping and cost-volume network (PWC-Net, Sun et al., CVPR 2018; paper 3.2.1).

Written from the layer table of the paper and of its published model: dense decoders at five levels, a dilated
context network at the finest one, 9,374,340 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.correlation import correlation
from fusion.warp import backward_warp

FLOW_UNIT = 20.0
"""Pixels of the full frame per unit of the flow inside the network."""

_WIDTHS = (16, 32, 64, 96, 128, 196)
_DENSE = (128, 128, 96, 64, 32)
_CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
_RADIUS = 4
_SLOPE = 0.1


def _conv(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation),
        nn.LeakyReLU(_SLOPE),
    )


class _Decoder(nn.Module):
    """One level: five dense convolutions, a flow, and what the next finer level gets of both."""

    def __init__(self, inputs: int, *, feature_up: bool) -> None:
        super().__init__()
        layers = []
        for width in _DENSE:
            layers.append(_conv(inputs, width))
            inputs += width
        self.dense = nn.ModuleList(layers)
        self.width = inputs
        self.flow = nn.Conv2d(inputs, 2, 3, padding=1)
        # The published model holds this layer at the finest level too, where nothing reads it.
        self.flow_up = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
        self.feature_up = nn.ConvTranspose2d(inputs, 2, 4, stride=2, padding=1) if feature_up else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.dense:
            x = torch.cat((layer(x), x), dim=1)
        return self.flow(x), x


class FlowNet(nn.Module):
    """Optical flow from the output grid (first image) into the reference (second image)."""

    def __init__(self) -> None:
        super().__init__()
        pyramid, inputs = [], 3
        for width in _WIDTHS:
            pyramid.append(
                nn.Sequential(_conv(inputs, width, stride=2), _conv(width, width), _conv(width, width))
            )
            inputs = width
        self.pyramid = nn.ModuleList(pyramid)
        volume = (2 * _RADIUS + 1) ** 2
        decoders = [_Decoder(volume, feature_up=True)]
        decoders += [
            _Decoder(volume + width + 4, feature_up=index < 3)
            for index, width in enumerate(reversed(_WIDTHS[1:-1]))
        ]
        self.decoders = nn.ModuleList(decoders)
        layers, inputs = [], decoders[-1].width
        for width, dilation in _CONTEXT:
            layers.append(_conv(inputs, width, dilation=dilation))
            inputs = width
        self.context = nn.Sequential(*layers, nn.Conv2d(inputs, 2, 3, padding=1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def features(self, image: Tensor) -> list[Tensor]:
        """Pyramid features of (B, 3, H, W) from 1/2 size down to 1/64."""
        levels = []
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
        flow = self.coarse_to_fine(self.features(image), self.features(reference))
        full = F.interpolate(flow, scale_factor=4, mode="bilinear", align_corners=False)
        return full * FLOW_UNIT

    def coarse_to_fine(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """Flow at a quarter of the size, in units of `FLOW_UNIT`, from two feature pyramids."""
        flow = feature = None
        for index, decoder in enumerate(self.decoders):
            level = len(_WIDTHS) - 1 - index
            a, b = first[level], second[level]
            if flow is None or feature is None:
                x = F.leaky_relu(correlation(a, b, _RADIUS), _SLOPE)
            else:
                before = self.decoders[index - 1]
                assert isinstance(before, _Decoder)
                assert before.feature_up is not None
                flow, feature = before.flow_up(flow), before.feature_up(feature)
                warped, _ = backward_warp(b, flow * (FLOW_UNIT / 2 ** (level + 1)))
                volume = F.leaky_relu(correlation(a, warped, _RADIUS), _SLOPE)
                x = torch.cat((volume, a, flow, feature), dim=1)
            flow, feature = decoder(x)
        assert flow is not None
        assert feature is not None
        refined: Tensor = flow + self.context(feature)
        return refined
