"""A picture of how to connect the pulse box, for the operator."""

from __future__ import annotations

from html import escape

from drivers.frame import Role
from drivers.trigger import TriggerPlan

_WIDTH, _HEIGHT = 760, 300
_COLOURS = {Role.LSR: "#1f77b4", Role.HSR: "#d95f02"}


def _box(x: int, y: int, title: str, lines: tuple[str, ...]) -> str:
    rows = "".join(
        f'<text x="{x + 12}" y="{y + 44 + 18 * i}" class="small">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return (
        f'<rect x="{x}" y="{y}" width="210" height="{60 + 18 * len(lines)}" rx="8" class="box"/>'
        f'<text x="{x + 12}" y="{y + 24}" class="title">{escape(title)}</text>{rows}'
    )


def _wire(y_from: int, y_to: int, colour: str, text: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    path = f"M 230 {y_from} C 330 {y_from} 420 {y_to} 520 {y_to}"
    label_y = (y_from + y_to) // 2 - 14
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dash}/>'
        f'<text x="375" y="{label_y}" class="small" text-anchor="middle">{escape(text)}</text>'
    )


def wiring_svg(plan: TriggerPlan) -> str:
    """The wires of a trigger plan as an SVG document.

    Args:
        plan: Rates, line and edge; pins are those of the 8-pin connector of a GS3-U3.

    """
    opto = plan.line == "Line0"
    pin = "pin 1, Line0 (opto)" if opto else "pin 4, Line3 (3.3 V)"
    ground = "pin 6, OPTO_GND" if opto else "pin 5, GND"
    edge = "rising edge" if plan.activation == "RisingEdge" else "falling edge"
    fast, slow = f"{plan.lsr_fps:g} pulses/s", f"{plan.hsr_fps:g} pulses/s"
    counter = ("one counter", "fast out: every pulse", f"slow out: every {plan.ratio}th pulse", "ground")
    parts = (
        _box(20, 80, "Pulse box", counter),
        _box(520, 20, "LSR camera", (f"{pin}, {edge}", ground)),
        _box(520, 170, "HSR camera", (f"{pin}, {edge}", ground)),
        _wire(138, 58, _COLOURS[Role.LSR], fast),
        _wire(156, 208, _COLOURS[Role.HSR], slow),
        _wire(174, 76, "#777777", "", dashed=True),
        _wire(174, 226, "#777777", "", dashed=True),
    )
    style = (
        "text{font-family:sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}.small{font-size:12px}"
        ".box{fill:#f6f6f6;stroke:#555}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}"><style>{style}</style>{"".join(parts)}</svg>'
    )
