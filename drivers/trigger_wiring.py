"""A picture of how to connect the pulse box, or the fast camera and its divider, for the operator."""

from __future__ import annotations

from html import escape

from drivers.frame import Role
from drivers.trigger import MASTER_OUTPUT, TriggerPlan

_WIDTH, _HEIGHT = 760, 300
_COLOURS = {Role.LSR: "#1f77b4", Role.HSR: "#d95f02"}
_GROUND = "#777777"
_BOX_WIDTH = 210


def _box(x: int, y: int, title: str, lines: tuple[str, ...]) -> str:
    rows = "".join(
        f'<text x="{x + 12}" y="{y + 44 + 18 * i}" class="small">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{60 + 18 * len(lines)}" rx="8" class="box"/>'
        f'<text x="{x + 12}" y="{y + 24}" class="title">{escape(title)}</text>{rows}'
    )


def _wire(start: tuple[int, int], end: tuple[int, int], colour: str, text: str = "") -> str:
    """A wire with its rate above an end, where no other wire passes; without text it is ground."""
    (x0, y0), (x1, y1) = start, end
    bend = (x1 - x0) // 3
    path = f"M {x0} {y0} C {x0 + bend} {y0} {x1 - bend} {y1} {x1} {y1}"
    dash = "" if text else ' stroke-dasharray="6 4"'
    wire = f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dash}/>'
    if not text:
        return wire
    x, anchor = (x0 + 6, "start") if x1 - x0 < _BOX_WIDTH else (x1 - 10, "end")
    y = (y0 if anchor == "start" else y1) - 12
    return f'{wire}<text x="{x}" y="{y}" class="small" text-anchor="{anchor}">{escape(text)}</text>'


def wiring_svg(plan: TriggerPlan) -> str:
    """The wires of a trigger plan as an SVG document, on a light ground.

    Args:
        plan: Rates, line and edge; pins are those of the 8-pin connector of a GS3-U3.

    """
    opto = plan.line == "Line0"
    pin = "pin 1, Line0 (opto)" if opto else "pin 4, Line3 (3.3 V)"
    ground = "pin 6, OPTO_GND" if opto else "pin 5, GND"
    edge = "rising edge" if plan.activation == "RisingEdge" else "falling edge"
    triggered = (f"{pin}, {edge}", ground)
    parts = _through_divider(plan, triggered) if plan.master else _from_box(plan, triggered)
    style = (
        "text{font-family:sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}.small{font-size:12px}"
        ".box{fill:#f6f6f6;stroke:#555}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}"><style>{style}</style><rect width="{_WIDTH}" height="{_HEIGHT}" '
        f'fill="#ffffff"/>'
        f"{''.join(parts)}</svg>"
    )


def _from_box(plan: TriggerPlan, triggered: tuple[str, str]) -> tuple[str, ...]:
    counter = ("one counter", "fast out: every pulse", f"slow out: every {plan.ratio}th pulse", "ground")
    right, left = 20 + _BOX_WIDTH, 520
    return (
        _box(20, 80, "Pulse box", counter),
        _box(left, 20, "LSR camera", triggered),
        _box(left, 170, "HSR camera", triggered),
        _wire((right, 138), (left, 58), _COLOURS[Role.LSR], f"{plan.lsr_fps:g} pulses/s"),
        _wire((right, 156), (left, 208), _COLOURS[Role.HSR], f"{plan.hsr_fps:g} pulses/s"),
        _wire((right, 174), (left, 76), _GROUND),
        _wire((right, 174), (left, 226), _GROUND),
    )


def _through_divider(plan: TriggerPlan, triggered: tuple[str, str]) -> tuple[str, ...]:
    output = (f"pin 3, {MASTER_OUTPUT} out (3.3 V)", "pin 5, GND", "runs at its own rate")
    counter = ("counts rising edges", f"gives every {plan.ratio}th", "ground")
    first, second = 10, 275
    right, end = first + _BOX_WIDTH, 540
    through = second + _BOX_WIDTH
    return (
        _box(first, 20, "LSR camera", output),
        _box(second, 90, f"Divider by {plan.ratio}", counter),
        _box(end, 170, "HSR camera", triggered),
        _wire((right, 60), (second, 130), _COLOURS[Role.LSR], f"{plan.lsr_fps:g}/s"),
        _wire((through, 148), (end, 210), _COLOURS[Role.HSR], f"{plan.hsr_fps:g}/s"),
        _wire((right, 78), (second, 168), _GROUND),
        _wire((through, 168), (end, 228), _GROUND),
    )
