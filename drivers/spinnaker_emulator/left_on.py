"""What features do to a picture that no setting of the driver asks for: another program has left them on."""

from __future__ import annotations

import numpy as np

from drivers.frame import Image, PixelFormat
from drivers.spinnaker_emulator.nodemap import NodeState


def alter(picture: Image, pixel_format: PixelFormat, nodes: NodeState) -> None:
    """Put a test pattern in the picture's place, or mirror it (in place); not of packed ones."""
    if pixel_format.packed:
        return
    if "TestPattern" in nodes.specs and nodes.raw("TestPattern") != "Off":
        columns = np.arange(picture.shape[1]) * np.iinfo(picture.dtype).max // max(1, picture.shape[1] - 1)
        picture[...] = columns.reshape(1, -1, *(1,) * (picture.ndim - 2))
    if "ReverseX" in nodes.specs and nodes.raw("ReverseX"):
        picture[...] = picture[:, ::-1].copy()
