"""The part of a recording that is wanted, in GoPs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from app.errors import InputError
from app.timing import between
from drivers import FrameSource, Gop


def gops_between(
    gops: Sequence[Gop], lsr: FrameSource, start_s: float, end_s: float | None
) -> tuple[tuple[Gop, ...], int]:
    """GoPs of which LSR frames lie in a part of a recording, cut to those, and how many lie before it.

    Args:
        gops: All of them.
        lsr: The stream that their LSR frames are of.
        start_s: First moment, in real seconds after the first LSR frame.
        end_s: Moment to stop at; None = the end.

    Raises:
        InputError: Nothing lies in it.

    """
    passed = lsr.mid_exposure_ns - lsr.mid_exposure_ns[0]
    end = math.inf if end_s is None else end_s
    if start_s >= end:
        raise InputError(f"--start {start_s:g} s is not before --end {end:g} s; swap them")
    wanted = between(passed, start_s, end_s)
    chosen: list[Gop] = []
    before = 0
    for number, gop in enumerate(gops):
        inside = [i for i, k in enumerate(gop.lsr_indices) if wanted[k]]
        if inside:
            before = before if chosen else number
            part = slice(inside[0], inside[-1] + 1)
            chosen.append(replace(gop, lsr_indices=gop.lsr_indices[part], distances=gop.distances[part]))
    if not chosen:
        raise InputError(
            f"nothing to fuse between {start_s:g} s and {end:g} s: "
            f"the LSR stream lasts {passed[-1] * 1e-9:.3f} s; choose --start and --end inside it"
        )
    return tuple(chosen), before
