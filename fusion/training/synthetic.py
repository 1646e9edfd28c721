"""Picture pairs with known flow, made on the device: layers of photos that move and bend.

In the manner of FlyingChairs (Dosovitskiy et al., ICCV 2015) and AutoFlow (Sun et al., CVPR 2021): a
background and several objects, each a piece of some picture, under an affine motion and a smooth local one.
Objects have the outline of a cut-out or of a random blob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.errors import TrainingError
from fusion.levels import ByteImage
from fusion.warp import backward_warp

TEXTURES = 256
"""Most pieces of pictures that pairs are made of."""

_INVERSIONS = 6
_OCCLUDED = 0.5


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """What the pairs look like.

    Attributes:
        size: Rows and columns [px].
        objects: Most objects in front of the background.
        motion: Typical length of a layer's translation [px]; most are shorter, some up to four times as long.
        turn: Standard deviation of a layer's rotation [rad], and of the logarithm of its change of size.
        bend: Largest local displacement [px].
        bend_cells: Cells of the local displacement's grid along one axis.
        cutouts: Share of objects with the outline of a cut-out, where there are any.

    """

    size: tuple[int, int] = (256, 384)
    objects: int = 6
    motion: float = 10.0
    turn: float = 0.04
    bend: float = 4.0
    bend_cells: int = 5
    cutouts: float = 0.5


class FlowPair(NamedTuple):
    """Two pictures and the truth between them.

    Attributes:
        first: (B, 3, H, W) in 0..1, on the output grid.
        second: (B, 3, H, W) in 0..1.
        flow: (B, 2, H, W) offset from each pixel of `first` into `second` [px].
        occluded: (B, 1, H, W), 1 where `second` does not show what `first` shows.

    """

    first: Tensor
    second: Tensor
    flow: Tensor
    occluded: Tensor


def texture_bank(pictures: Sequence[ByteImage], size: tuple[int, int], count: int, seed: int = 0) -> Tensor:
    """(count, 3, H, W) uint8 pieces of pictures, the same for the same seed; small pictures are mirrored on.

    Raises:
        TrainingError: No pictures.

    """
    if not pictures:
        raise TrainingError("no pictures to make flow examples from; give a folder with clips or photos")
    rng = np.random.default_rng(seed)
    pieces = []
    for index in range(count):
        picture = pictures[index % len(pictures)]
        missing = [(0, max(0, want - have)) for want, have in zip(size, picture.shape[:2], strict=True)]
        picture = np.pad(picture, (*missing, (0, 0)), mode="symmetric")
        top, left = (int(rng.integers(h - w + 1)) for h, w in zip(picture.shape[:2], size, strict=True))
        pieces.append(picture[top : top + size[0], left : left + size[1]])
    return torch.from_numpy(np.stack(pieces)).permute(0, 3, 1, 2).contiguous()


class FlowSynthesis:
    """Makes batches of pairs.

    Args:
        textures: (N, 3, H, W) uint8 pictures, on the device to work on.
        options: What the pairs look like.
        cutouts: (M, 4, H, W) uint8 objects with their outline as fourth channel, or None.

    """

    def __init__(
        self, textures: Tensor, options: SynthesisOptions | None = None, cutouts: Tensor | None = None
    ) -> None:
        self._textures, self._cutouts = textures, cutouts
        self._options = options or SynthesisOptions()

    def __call__(self, batch: int, seed: int) -> FlowPair:
        """Pairs; the same seed gives the same ones on the same kind of device."""
        # Positions need float32 wherever this is called from.
        with torch.autocast(self._textures.device.type, enabled=False):
            return self._make(batch, seed)

    def _make(self, batch: int, seed: int) -> FlowPair:
        generator = torch.Generator(self._textures.device).manual_seed(seed)
        options = self._options
        first, second, flow, label, label_there = self._background(batch, generator)
        for index in range(options.objects):
            layer = self._layer(batch, generator, background=False)
            there = torch.rand(batch, 1, 1, 1, generator=generator, device=flow.device) < 0.8
            alpha, alpha_there = layer.alpha * there, layer.alpha_there * there
            first = torch.lerp(first, layer.picture, alpha)
            second = torch.lerp(second, layer.picture_there, alpha_there)
            flow = torch.where(alpha > _OCCLUDED, layer.flow, flow)
            label = torch.where(alpha > _OCCLUDED, torch.full_like(label, index + 1), label)
            label_there = torch.where(
                alpha_there > _OCCLUDED, torch.full_like(label_there, index + 1), label_there
            )
        found, inside = backward_warp(label_there, flow.round())
        occluded = (found != label) | (inside == 0)
        return FlowPair(first.clamp(0, 1), second.clamp(0, 1), flow, occluded.float())

    def _background(
        self, batch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        layer = self._layer(batch, generator, background=True)
        label = torch.zeros_like(layer.alpha)
        return layer.picture, layer.picture_there, layer.flow, label, label.clone()

    def _layer(self, batch: int, generator: torch.Generator, *, background: bool) -> _Layer:
        device, (height, width) = self._textures.device, self._options.size
        y, x = torch.meshgrid(
            torch.arange(height, device=device) - (height - 1) / 2,
            torch.arange(width, device=device) - (width - 1) / 2,
            indexing="ij",
        )
        grid = torch.stack((x, y)).expand(batch, 2, height, width)
        motion = self._motion(batch, generator, background=background)
        bend = self._bend(batch, generator)
        moved = _affine(motion, grid) + bend
        # Where in the first picture a pixel of the second one was: the motion undone by fixed-point steps.
        undone = torch.linalg.inv_ex(motion).inverse
        source = _affine(undone, grid)
        for _ in range(_INVERSIONS):
            source = _affine(undone, grid - _sample_centred(bend, source))
        texture = self._choose(self._textures, batch, generator).float() / 255
        place = _placement(batch, generator, (height, width), texture.shape[-2:])
        picture = _sample_centred(texture, _affine(place, grid))
        picture_there = _sample_centred(texture, _affine(place, source))
        if background:
            ones = torch.ones_like(picture[:, :1])
            return _Layer(picture, picture_there, moved - grid, ones, ones)
        outline, own = self._outline(batch, generator)
        where = _placement(batch, generator, (height, width), outline.shape[-2:], small=True)
        here, there = _affine(where, grid), _affine(where, source)
        alpha, alpha_there = (_sample_centred(outline, g, zeros=True) for g in (here, there))
        if own is not None:
            colours, use = own
            picture = torch.where(use, _sample_centred(colours, here), picture)
            picture_there = torch.where(use, _sample_centred(colours, there), picture_there)
        return _Layer(picture, picture_there, moved - grid, alpha, alpha_there)

    def _motion(self, batch: int, generator: torch.Generator, *, background: bool) -> Tensor:
        options, device = self._options, generator.device
        draws = torch.randn(batch, 5, generator=generator, device=device).clamp(-2.5, 2.5)
        length = options.motion * (0.6 if background else 1.0) * draws[:, 4].exp().clamp(max=4.0)
        angle, zoom = options.turn * draws[:, 2], (options.turn * draws[:, 3]).exp()
        direction = F.normalize(draws[:, :2], dim=1) * length[:, None] * 0.7
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rows = (cos, -sin, direction[:, 0], sin, cos, direction[:, 1], zero, zero, one)
        return torch.stack(rows, dim=1).reshape(batch, 3, 3)

    def _bend(self, batch: int, generator: torch.Generator) -> Tensor:
        options, cells = self._options, self._options.bend_cells
        device = generator.device
        coarse = torch.rand(batch, 2, cells, cells, generator=generator, device=device) * 2 - 1
        share = torch.rand(batch, 1, 1, 1, generator=generator, device=device) ** 2
        # Neighbouring cells may differ by no more than a third of their distance, or the motion folds over.
        most = min(options.bend, min(options.size) / (cells - 1) / 6)
        return most * share * F.interpolate(coarse, options.size, mode="bicubic", align_corners=True)

    def _outline(self, batch: int, generator: torch.Generator) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """(B, 1, h, w) outlines, and for cut-outs their own colours with a flag which samples use them."""
        device, side = generator.device, 96
        coarse = torch.randn(batch, 1, 5, 5, generator=generator, device=device)
        ramp = torch.linspace(-1, 1, side, device=device)
        radius = torch.sqrt(ramp[:, None] ** 2 + ramp**2)
        bumps = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
        blob = ((0.65 + 0.2 * bumps - radius) * side / 4).clamp(0, 1)
        if self._cutouts is None:
            return blob, None
        chosen = self._choose(self._cutouts, batch, generator).float() / 255
        use = torch.rand(batch, 1, 1, 1, generator=generator, device=device) < self._options.cutouts
        alpha = F.interpolate(chosen[:, 3:], (side, side), mode="area")
        return torch.where(use, alpha, blob), (chosen[:, :3], use)

    def _choose(self, bank: Tensor, batch: int, generator: torch.Generator) -> Tensor:
        return bank[torch.randint(len(bank), (batch,), generator=generator, device=generator.device)]


class _Layer(NamedTuple):
    picture: Tensor
    picture_there: Tensor
    flow: Tensor
    alpha: Tensor
    alpha_there: Tensor


def _placement(
    batch: int,
    generator: torch.Generator,
    size: tuple[int, int],
    texture: Sequence[int],
    *,
    small: bool = False,
) -> Tensor:
    """(B, 3, 3) from centred pixels of the frame to centred pixels of a texture."""
    draws = torch.rand(batch, 4, generator=generator, device=generator.device)
    if small:
        # The outline covers between a fifth and nine tenths of the frame's height, anywhere in the frame.
        zoom = texture[0] / (size[0] * (0.2 + 0.7 * draws[:, 0] ** 1.5))
        field = (float(size[1]), float(size[0]))
    else:
        zoom = 0.7 + 0.6 * draws[:, 0]
        field = (0.3 * texture[1], 0.3 * texture[0])
    angle = (draws[:, 3] - 0.5) * (6.28 if small else 0.6)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    # Numbers go to the device as arguments of its kernels: copying them there would make it wait.
    x, y = (draws[:, 1 + axis] * field[axis] - field[axis] / 2 for axis in range(2))
    rows = (cos, -sin, sin * y - cos * x, sin, cos, -sin * x - cos * y, zero, zero, one)
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)


def _affine(matrix: Tensor, points: Tensor) -> Tensor:
    """Apply (B, 3, 3) to centred points (B, 2, H, W)."""
    linear = torch.einsum("bij,bjhw->bihw", matrix[:, :2, :2], points)
    return linear + matrix[:, :2, 2, None, None]


def _sample_centred(image: Tensor, points: Tensor, *, zeros: bool = False) -> Tensor:
    """Fetch (B, C, h, w) at centred positions (B, 2, H, W) [px]; mirrored beyond the edges, or zero there."""
    height, width = image.shape[-2:]
    x, y = points[:, 0] / (max(width - 1, 1) / 2), points[:, 1] / (max(height - 1, 1) / 2)
    grid = torch.stack((x, y), dim=-1)
    mode = "zeros" if zeros else "reflection"
    return F.grid_sample(image, grid, mode="bilinear", padding_mode=mode, align_corners=True)
