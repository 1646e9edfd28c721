"""Running a trained network on pictures: padding, device, and back to bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.awnet import MULTIPLE, AWnet
from fusion.gop import Reference, Synthesis
from fusion.resample import ByteImage, FloatImage, to_bytes
from fusion.warp import backward_warp
from fusion.weights import ModelCard, load_weights


class AWnetSynthesiser:
    """The published network with trained weights.

    Args:
        card: The model.
        device: "cpu" or "cuda".

    """

    recursion = "recurrent"

    def __init__(self, card: ModelCard, device: str) -> None:
        network = AWnet()
        load_weights(card.path, network, layout="awnet")
        self._network = network.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def synthesise(self, lsr: ByteImage, upscaled: FloatImage, references: Sequence[Reference]) -> Synthesis:
        """Run the network on one frame; see `fusion.gop.Synthesiser`."""
        reference = references[0]
        inputs = to_planes(reference.image, self._device), to_planes(upscaled, self._device)
        padded = pad_to_multiple(torch.cat(inputs), MULTIPLE)
        fused = self._network(padded[:1], padded[1:])
        out, weight = fused.out, fused.weight
        valid = None
        if reference.valid is not None:
            seen = torch.from_numpy(reference.valid.astype(np.float32))[None, None].to(self._device)
            reached, _ = backward_warp(pad_to_multiple(seen, MULTIPLE), fused.flow)
            reached = (reached >= 0.999).float()
            out = reached * out + (1 - reached) * padded[1:]
            weight = weight * reached
            valid = crop(reached, *upscaled.shape[:2])[0, 0].cpu().numpy() > 0
        image = crop(out, *upscaled.shape[:2])[0].permute(1, 2, 0).float().cpu().numpy() * 255
        shares = crop(weight, *upscaled.shape[:2])[0, 0].float().cpu().numpy()
        return Synthesis(to_bytes(image), np.ascontiguousarray(shares), valid)


def to_planes(image: FloatImage, device: str) -> Tensor:
    """(H, W, 3) float32 in 0..255 to (1, 3, H, W) in 0..1 on `device`."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(device) / 255


def pad_to_multiple(planes: Tensor, multiple: int) -> Tensor:
    """Replicate the borders of (B, C, H, W), centred, up to multiples of `multiple`; any size works."""
    height, width = planes.shape[-2:]
    down, right = -height % multiple, -width % multiple
    return F.pad(planes, (right // 2, right - right // 2, down // 2, down - down // 2), mode="replicate")


def crop(planes: Tensor, height: int, width: int) -> Tensor:
    """Undo `pad_to_multiple`."""
    top, left = (planes.shape[-2] - height) // 2, (planes.shape[-1] - width) // 2
    return planes[..., top : top + height, left : left + width]
