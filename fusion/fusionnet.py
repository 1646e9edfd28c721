"""FusionNet of AWnet: the U-Net that writes every pixel's filter and mask (paper 3.2.2).

The paper's text says "no skip connections"; the published model adds the encoder's feature at every scale.
This is the published model: no normalisation, one activation in each block, 17,980,698 parameters.

The ablation without filters and masks (ConvDP, paper Table 6) is the same U-Net whose last layer is followed
by three more convolutions that write the picture itself, 36 convolutions in all. Where the three are in the
paper's it does not say.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SCALES = 3


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(F.relu(self.first(x)))
        return out


class FusionNet(nn.Module):
    """U-Net with additive skips.

    Args:
        inputs: Channels in: 11 for one reference.
        outputs: Channels out: 25 taps and one mask for one reference.
        width: Channels at full size; doubled at each of the three smaller scales.
        direct: Write the picture itself (ConvDP); `outputs` is then 3.

    """

    def __init__(self, inputs: int = 11, outputs: int = 26, width: int = 64, *, direct: bool = False) -> None:
        super().__init__()
        self.head = nn.Conv2d(inputs, width, 3, padding=1)
        widths = [width * 2**scale for scale in range(_SCALES + 1)]
        self.encoder = nn.ModuleList([nn.Sequential(_Block(w, w), _Block(w, w)) for w in widths])
        self.down = nn.ModuleList(
            [nn.Conv2d(w, 2 * w, 3, stride=2, padding=1) for w in widths[:-1]],
        )
        self.decoder = nn.ModuleList(
            [nn.Sequential(_Block(2 * w, w), _Block(w, w)) for w in reversed(widths[:-1])],
        )
        self.tail = nn.Conv2d(width, width if direct else outputs, 3, padding=1)
        self.picture = _picture(width, outputs) if direct else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W); H and W multiples of 8."""
        x = self.head(x)
        skips = []
        for scale, blocks in enumerate(self.encoder):
            if scale:
                skips.append(x)
                x = self.down[scale - 1](x)
            x = blocks(x)
        for blocks in self.decoder:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = blocks(x) + skips.pop()
        if self.picture is not None:
            x = F.relu(self.tail(x))
            x, last = self.picture[:-1](x), self.picture[-1]
        else:
            last = self.tail
        # Taps and pictures need more digits than half precision has.
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = last(x.float())
        return out


def _picture(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, outputs, 3, padding=1),
    )
