"""What a camera does by itself while BalanceWhiteAuto is Once: it looks for grey."""

from __future__ import annotations

from drivers.frame import Image
from drivers.spinnaker_emulator import sensor
from drivers.spinnaker_emulator.nodemap import NodeState
from drivers.spinnaker_emulator.painter import Shot

RED, BLUE = 0, 1
"""Entries of BalanceRatioSelector."""
_SETTLED = 0.01  # a step below this part is the last


def balance_step(nodes: NodeState, shot: Shot, picture: Image) -> None:
    """One step towards the ratios at which `picture` is grey on the whole; with the last, Auto is Off.

    Args:
        nodes: The camera's features.
        shot: What the picture shows.
        picture: It, as the camera sends it.

    """
    found = sensor.grey_world(picture, shot.exposure, shot.pixel_format)
    if found is None:
        return
    low, high, _ = nodes.limits("BalanceRatio")
    ratios = [min(max(ratio, low), high) for ratio in found]
    for colour, ratio in zip((RED, BLUE), ratios, strict=True):
        nodes.force("BalanceRatio", ratio, colour)
    before = (shot.exposure.red, shot.exposure.blue)
    if all(abs(now / old - 1) < _SETTLED for now, old in zip(ratios, before, strict=True)):
        nodes.force("BalanceWhiteAuto", "Off")
