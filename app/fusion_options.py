"""What to do with a pair of streams: the choices of `twinrate fuse` and of the export dialog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """What to do with a pair of streams.

    Attributes:
        method: A name from `fusion.METHODS`; None takes the best for the device and scale.
        references: 1 = the GoP's own HSR frame, 2 = also the HSR frame on the other side of each LSR frame;
            None takes 2 where the method can.
        align: "auto" aligns the views by the scene, "none" says that they are one view already,
            anything else is the path of a rig file.
        device: "auto", "cpu" or "cuda".
        recursion: "direct": each frame from the sharp frames; "recurrent": from the one made just before;
            None takes the better one of the method.
        weights: A weights file of the operator's own, written by `twinrate train`; None takes a shipped one.
        flow: Weights file of a flow network that finds motion: AWnet's FlowNet, as shipped or of the
            operator's own, or a small one; None takes DIS.
        start_s: First moment to fuse, in real seconds after the first LSR frame.
        end_s: Moment to stop at; None = the end.
        colours: Whose colours and light the frames have: "lsr" the fast camera's, which filmed every moment,
            or "hsr" the sharp camera's, in which lamps do not flicker.

    """

    method: str | None = None
    references: int | None = None
    align: str = "auto"
    device: str = "auto"
    recursion: str | None = None
    weights: Path | None = None
    flow: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None
    colours: str = "lsr"
