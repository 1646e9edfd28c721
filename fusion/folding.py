"""Pixels folded into channels for small networks, and how their convolutions are computed fastest.

On a CPU convolutions take half the time where a pixel's channels lie side by side, and again a quarter of
that in bfloat16 where the processor multiplies matrices of such numbers by itself (Intel's AMX). Sums, and
all that is written from the features, keep single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 4
"""Of the square of pixels that becomes one [px]."""

_ROW = {torch.float32: torch.complex128, torch.bfloat16: torch.int64}
"""What is as wide as a square's row: copying pixel by pixel takes four times as long."""


def fold(parts: Sequence[Tensor], like: Tensor, *, bfloat16: bool = False) -> Tensor:
    """Fold the planes of all parts, in their order, as `pixel_unshuffle` would.

    Args:
        parts: (B, C, H, W) each; H and W multiples of `SIDE`.
        like: The weights of the convolution that follows; it wants channels where its own lie.
        bfloat16: Round them to bfloat16.

    Returns:
        (B, sum of C times SIDE^2, H / SIDE, W / SIDE).

    """
    if not like.is_contiguous(memory_format=torch.channels_last):
        return F.pixel_unshuffle(torch.cat(list(parts), dim=1), SIDE)
    kind = torch.bfloat16 if bfloat16 else torch.float32
    channels = [part.shape[1] for part in parts]
    batch, _, height, width = parts[0].shape
    size = height // SIDE, width // SIDE
    squares = torch.empty(batch, *size, sum(channels), SIDE, dtype=_ROW[kind], device=like.device)
    for part, place in zip(parts, torch.split(squares, channels, dim=3), strict=True):
        rows = part.to(kind).contiguous().view(_ROW[kind])
        place.copy_(rows.view(batch, -1, size[0], SIDE, size[1]).permute(0, 2, 4, 1, 3))
    return squares.view(kind).flatten(3).permute(0, 3, 1, 2)


def unfold(folded: Tensor) -> Tensor:
    """Undo `fold`: (B, C SIDE^2, h, w) to (B, C, h SIDE, w SIDE); `pixel_shuffle` takes thrice the time."""
    batch, channels, height, width = folded.shape
    squares = folded.reshape(batch, -1, SIDE, SIDE, height, width).permute(0, 1, 4, 2, 5, 3)
    return squares.reshape(batch, channels // SIDE**2, height * SIDE, width * SIDE)


def lay_out_for(device: str, *parts: nn.Module) -> None:
    """Lay the weights of convolutions out as the device computes them fastest, for use without training."""
    if device == "cpu" and _has_onednn():
        for part in parts:
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _has_onednn() -> bool:
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def multiplies_bfloat16(device: str) -> bool:
    """Whether the device is a processor that multiplies bfloat16 faster than single precision.

    That is one with AMX; with AVX-512's own instructions for them `live` took longer, not less.
    """
    # Older versions of torch cannot tell.
    ask: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    return device == "cpu" and _has_onednn() and bool(ask().get("amx_bf16"))


def in_bfloat16(wanted: bool) -> AbstractContextManager[object]:
    """Within it, convolutions on a CPU multiply in bfloat16 where that is wanted."""
    return torch.autocast("cpu", dtype=torch.bfloat16) if wanted else nullcontext()


def in_single_precision(x: Tensor) -> AbstractContextManager[object]:
    """Within it, nothing that is on `x`'s device is computed in half precision."""
    return torch.autocast(x.device.type, enabled=False)
