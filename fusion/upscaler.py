"""Learned upscaler: detail guessed from LSR frames alone (paper Table 4; EDSR, Lim et al., 2017).

Residual blocks without normalisation, on pixels folded to a quarter of the size, so that it costs little.
Frames of other moments, moved onto the one to be enlarged, add what they show of it. Each writes features and
how far these can be believed, all with the same weights, so there may be any number of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fusion.folding import SIDE, fold, in_single_precision, unfold

_WIDTH = 64
_BLOCKS = 6
_SLOPE = 0.1
_DIFFERENCE_GAIN = 4.0


class Upscaler(nn.Module):
    """What a bicubically upscaled frame lacks; nothing before training."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3 * SIDE**2, _WIDTH, 3, padding=1)
        self.beside = nn.Conv2d(6 * SIDE**2, _WIDTH, 3, padding=1)
        self.told = nn.Conv2d(_WIDTH, 2 * _WIDTH, 1)
        self.blocks = nn.ModuleList([_residual(_WIDTH) for _ in range(_BLOCKS)])
        self.tail = nn.Conv2d(_WIDTH, 3 * SIDE**2, 3, padding=1)
        _silence(self.tail)
        with torch.no_grad():
            self.told.weight[:_WIDTH] = 0
            assert self.told.bias is not None
            self.told.bias[:_WIDTH] = 0

    def forward(self, lsr_up: Tensor, neighbours: Iterable[Tensor] = ()) -> Tensor:
        """Detail to add to `lsr_up`.

        Args:
            lsr_up: (B, 3, H, W) in 0..1; H and W multiples of 4.
            neighbours: (B, 3, H, W) upscaled frames of other moments, moved onto this one; each is looked at
                when it comes, and not kept.

        """
        x: Tensor = self.head(fold([lsr_up], self.head.weight))
        told = [self._look(lsr_up, neighbour) for neighbour in neighbours]
        if told:
            x = x + sum(told) / len(told)
        for block in self.blocks:
            x = x + block(x)
        with in_single_precision(x):
            return unfold(self.tail(x.float()))

    def _look(self, lsr_up: Tensor, neighbour: Tensor) -> Tensor:
        planes = lsr_up, _DIFFERENCE_GAIN * (neighbour - lsr_up)
        features = nn.functional.leaky_relu(self.beside(fold(planes, self.beside.weight)), _SLOPE)
        value, belief = self.told(features).chunk(2, dim=1)
        believed: Tensor = value * torch.sigmoid(belief)
        return believed


def _residual(width: int) -> nn.Sequential:
    last = nn.Conv2d(width, width, 3, padding=1)
    _silence(last)
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(_SLOPE), last)


def _silence(layer: nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
