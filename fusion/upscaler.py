"""Learned upscaler: detail guessed from the upscaled frame alone (paper Table 4; EDSR, Lim et al., 2017).

Residual blocks without normalisation, on pixels folded to a quarter of the size, so that it costs little.
"""

from __future__ import annotations

from torch import Tensor, nn

from fusion.folding import SIDE, fold, in_single_precision, unfold

_WIDTH = 64
_BLOCKS = 4
_SLOPE = 0.1


class Upscaler(nn.Module):
    """What a bicubically upscaled frame lacks; nothing before training."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3 * SIDE**2, _WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList([_residual(_WIDTH) for _ in range(_BLOCKS)])
        self.tail = nn.Conv2d(_WIDTH, 3 * SIDE**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        assert self.tail.bias is not None
        nn.init.zeros_(self.tail.bias)

    def forward(self, lsr_up: Tensor) -> Tensor:
        """Detail to add to `lsr_up`, (B, 3, H, W) in 0..1; H and W multiples of 4."""
        x = self.head(fold([lsr_up], self.head.weight))
        for block in self.blocks:
            x = x + block(x)
        with in_single_precision(x):
            return unfold(self.tail(x.float()))


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(_SLOPE), nn.Conv2d(width, width, 3, padding=1)
    )
