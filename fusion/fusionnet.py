"""FusionNet of AWnet: the U-Net that writes every pixel's filter and mask (paper 3.2.2).

The paper's text says "no skip connections"; the published model adds the encoder's feature at every scale.
This is the published model: no normalisation, one activation in each block, 17,980,698 parameters.

The ablation without filters and masks (ConvDP, paper Table 6) is the same U-Net whose last layer is followed
by three more convolutions that write the picture itself, 36 convolutions in all. Where the three are in the
paper's it does not say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SCALES = 3
_FLOW_UNIT = 20.0
_TILE = 1024
_OVERLAP = 112
"""How far a pixel's output can see [px]; a multiple of what the smallest scale needs."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part of a picture lies, and the size of the whole picture [px]."""

    top: int
    left: int
    height: int
    width: int


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(F.leaky_relu(self.first(x), self.slope))
        return out


class FusionNet(nn.Module):
    """U-Net with additive skips.

    Args:
        inputs: Channels in: 11 for one reference.
        outputs: Channels out: 25 taps and one mask for one reference.
        width: Channels at full size; doubled at each of the three smaller scales.
        direct: Write the picture itself (ConvDP); `outputs` is then 3.
        slope: What the blocks' activation leaves of negative values; none in the published model.

    """

    def __init__(
        self,
        inputs: int = 11,
        outputs: int = 26,
        width: int = 64,
        *,
        direct: bool = False,
        slope: float = 0.0,
    ) -> None:
        super().__init__()

        def pair(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(_Block(before, after, slope), _Block(after, after, slope))

        self.head = nn.Conv2d(inputs, width, 3, padding=1)
        widths = [width * 2**scale for scale in range(_SCALES + 1)]
        self.encoder = nn.ModuleList([pair(w, w) for w in widths])
        self.down = nn.ModuleList(
            [nn.Conv2d(w, 2 * w, 3, stride=2, padding=1) for w in widths[:-1]],
        )
        self.decoder = nn.ModuleList([pair(2 * w, w) for w in reversed(widths[:-1])])
        self.tail = nn.Conv2d(width, width if direct else outputs, 3, padding=1)
        self.picture = _picture(width, outputs) if direct else None

    @torch.no_grad()
    def start_with_signal(self, flows: Sequence[int]) -> None:
        """Let pictures reach the smallest scale, and the decoder change nothing at first.

        From torch's own start (the published one) a tenth of the signal passes each block, so at the smallest
        scale biases are all there is. Adam follows the noise that this leaves of the gradient until the
        coarser half of the network is dead: after 2,900 steps at a rate of 3e-4 it gave the same for every
        picture.

        Args:
            flows: Input channels that hold offsets in pixels, not values in 0..1.

        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for block in (module for module in self.modules() if isinstance(module, _Block)):
            nn.init.kaiming_normal_(block.first.weight, block.slope, nonlinearity="leaky_relu")
        self.head.weight[:, list(flows)] /= _FLOW_UNIT
        for blocks in self.decoder:
            *_, last = blocks.children()
            assert isinstance(last, _Block)
            nn.init.zeros_(last.second.weight)

    def forward(self, x: Tensor, place: _Place | None = None) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W); H and W multiples of 8.

        Args:
            x: The picture, or a part of it.
            place: Where the part lies; None for a whole picture.

        """
        x = self.head(x)
        skips = []
        for scale, blocks in enumerate(self.encoder):
            if scale:
                skips.append(x)
                x = self.down[scale - 1](x)
            x = blocks(x)
        for scale, blocks in zip(range(_SCALES, 0, -1), self.decoder, strict=True):
            x = blocks(_enlarge(x, place, 2**scale)) + skips.pop()
        if self.picture is not None:
            x = F.relu(self.tail(x))
            x, last = self.picture[:-1](x), self.picture[-1]
        else:
            last = self.tail
        # Taps and pictures need more digits than half precision has.
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = last(x.float())
        return out

    def shares(self, last: float) -> list[tuple[nn.Parameter, float]]:
        """Parameters with their shares of the learning rate: the wider a layer's input, the smaller.

        Adam moves all weights equally far. Where thousands of them add up, a step that the narrow layers need
        is too large: at one rate of 3e-4 for all of them the network was lost within a hundred steps, and so
        it was with residual blocks; with these shares 5e-4 does no harm. So too Yang et al., "Tensor Programs
        V" (2022), table 3.

        Args:
            last: Share of the last layer, where every tap of a filter adds up.

        """
        rates = []
        for layer in (module for module in self.modules() if isinstance(module, nn.Conv2d)):
            share = last if layer is self.tail else min(1.0, self.head.out_channels / layer.in_channels)
            rates += [(parameter, share) for parameter in layer.parameters()]
        return rates

    def in_tiles(self, x: Tensor, tile: int = _TILE) -> Tensor:
        """As `forward`, a part of the picture at a time: memory for a whole 4K frame few machines have.

        Args:
            x: (B, inputs, H, W); H and W multiples of 8.
            tile: Largest side of a part [px], without what it sees around itself. Smaller pictures are done
                whole.

        Returns:
            (B, outputs, H, W), the same but for rounding.

        """
        height, width = x.shape[-2:]
        if max(height, width) <= tile:
            whole: Tensor = self(x)
            return whole
        out: Tensor | None = None
        for rows, own_rows in _parts(height, tile):
            for columns, own_columns in _parts(width, tile):
                place = _Place(rows.start, columns.start, height, width)
                part = self(x[..., rows, columns], place)[
                    ...,
                    own_rows.start - rows.start : own_rows.stop - rows.start,
                    own_columns.start - columns.start : own_columns.stop - columns.start,
                ]
                if out is None:
                    out = part.new_empty(len(x), part.shape[1], height, width)
                out[..., own_rows, own_columns] = part
        assert out is not None
        return out


def _parts(length: int, tile: int) -> Iterator[tuple[slice, slice]]:
    """Equal parts of a side, each as what to look at and what to keep of it."""
    unit = 2**_SCALES
    count = -(-length // tile)
    bounds = [round(index * length / count / unit) * unit for index in range(count)] + [length]
    for start, stop in pairwise(bounds):
        yield slice(max(start - _OVERLAP, 0), min(stop + _OVERLAP, length)), slice(start, stop)


def _enlarge(x: Tensor, place: _Place | None, reduction: int) -> Tensor:
    """(B, C, H, W), reduced by `reduction`, at twice the size, the whole picture's corners on its corners.

    Laid on a part's own corners, what coarse scales hold would jump by several pixels from part to part.
    """
    if place is None:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    rows = _sources(x.shape[-2], place.top // reduction, place.height // reduction, x.device)
    columns = _sources(x.shape[-1], place.left // reduction, place.width // reduction, x.device)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).expand(len(x), -1, -1, -1)
    # In half precision positions would be off by pixels.
    out = F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return out.to(x.dtype)


def _sources(count: int, first: int, whole: int, device: torch.device) -> Tensor:
    """Positions of 2 `count` outputs in a part, -1..1; its `count` inputs are `first` and on of `whole`."""
    # In double precision: at the far end of a large picture single steps get lost.
    outputs = torch.arange(2 * first, 2 * (first + count), dtype=torch.float64, device=device)
    inputs = outputs * ((whole - 1) / (2 * whole - 1)) - first
    return (2 * inputs / max(count - 1, 1) - 1).float()


def _picture(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, outputs, 3, padding=1),
    )
