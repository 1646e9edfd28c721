"""Where each fused frame comes from, and when it was filmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers import FrameSource, Gop


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """Where one output frame came from.

    Attributes:
        lsr_index: The LSR frame that it shows.
        lsr_frame_id: The camera's id of that frame.
        time_s: When that frame was filmed, in real seconds after the first LSR frame.
        hsr_index: The HSR frame that it took its detail from.
        distance: LSR frames between the two (0 = synchronised).
        reference: "hsr" or, in the recursion, "hstr".
        replaced: Whether a fused frame is shown where the HSR frame of its instant shows something else; None
            where that is not known: an earlier run has made it, or none yet.

    """

    lsr_index: int
    lsr_frame_id: int
    time_s: float
    hsr_index: int
    distance: int
    reference: str
    replaced: bool | None = False


def frame_record(
    lsr: FrameSource, gop: Gop, position: int, reference: str, replaced: bool | None = False
) -> FrameRecord:
    """The record of the frame at a position of a GoP.

    Args:
        lsr: The stream that the GoP's LSR frames are of.
        gop: The GoP.
        position: Index into its LSR frames.
        reference: As in `FrameRecord`.
        replaced: As there.

    """
    k = gop.lsr_indices[position]
    times = lsr.mid_exposure_ns
    passed = round((int(times[k]) - int(times[0])) * 1e-9, 6)
    frame_id, distance = int(lsr.frame_ids[k]), gop.distances[position]
    return FrameRecord(k, frame_id, passed, gop.hsr_index, distance, reference, replaced)


def frame_records(
    lsr: FrameSource, gops: Sequence[Gop], recursion: str, replaced: Mapping[int, bool] | None = None
) -> tuple[FrameRecord, ...]:
    """Records of all frames of some GoPs in order, without computing any frame.

    Args:
        lsr: The stream that their LSR frames are of.
        gops: The GoPs.
        recursion: A name from `fusion.RECURSIONS`.
        replaced: Which HSR frames were looked at, and whether a fused one is shown instead; None where all of
            them are shown, or none.

    """

    def gave_way(gop: Gop, position: int) -> bool | None:
        if replaced is None or gop.away[position] != 0:
            return False
        return replaced.get(gop.hsr_index)

    return tuple(
        frame_record(lsr, gop, position, origin, gave_way(gop, position))
        for gop in gops
        for position, origin in enumerate(_origins(gop.away, recursion))
    )


def _origins(distances: Sequence[float], recursion: str) -> list[str]:
    """What each frame of a GoP is warped from: "hsr", or "hstr" for the frame made just before it."""
    if recursion == "direct":
        return ["hsr"] * len(distances)
    first_before = max((d for d in distances if d < 0), default=0)
    first_after = min((d for d in distances if d > 0), default=0)
    return ["hsr" if d in (0, first_before, first_after) else "hstr" for d in distances]
