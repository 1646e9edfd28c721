"""Trigger plans: what one counter and two sensors can do, and what is said otherwise."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import Role, TriggerPlanError
from drivers.trigger import ExternalPulses, check_exposure, plan_trigger
from drivers.trigger_wiring import wiring_svg


def test_the_papers_plan() -> None:
    plan = plan_trigger(30, ratio=8, hsr_rows=1920, lsr_rows=480)
    assert plan.lsr_fps == 240
    assert plan.max_exposure_us(Role.LSR) == pytest.approx(1e6 / 240 - 60)
    assert plan.ticks(1.0) == 240
    assert plan.ticks(0.05) == 16
    assert "pin 1" in plan.wiring()
    assert "every 8th pulse" in plan.wiring()


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"hsr_fps": 30, "lsr_fps": 100}, "nearest that work: 90:30, 100:25, 120:30"),
        ({"hsr_fps": 30, "ratio": 8.5}, "255:30 is not a whole ratio"),
        ({"hsr_fps": 30, "ratio": 20}, "LSR camera cannot read 480 rows 600 times a second"),
        ({"hsr_fps": 90, "ratio": 2}, "HSR camera cannot read 1920 rows 90 times a second"),
        ({"hsr_fps": -1, "ratio": 8}, "must be positive"),
        ({"hsr_fps": 30, "ratio": 0.5}, "at least as fast"),
        ({"hsr_fps": 30, "ratio": 8, "line": "Software"}, "use Line0 or Line3"),
        ({"hsr_fps": 30}, "either the ratio m or the LSR rate"),
        ({"hsr_fps": 30, "ratio": 8, "lsr_fps": 240}, "either the ratio m or the LSR rate"),
    ],
)
def test_impossible_plans_say_why(wanted: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TriggerPlanError, match=re.escape(sentence)):
        plan_trigger(hsr_rows=1920, lsr_rows=480, **wanted)


@given(st.floats(1, 200), st.floats(1, 600), st.integers(64, 2048), st.integers(64, 2048))
def test_every_plan_offered_instead_works(
    hsr_fps: float, lsr_fps: float, hsr_rows: int, lsr_rows: int
) -> None:
    try:
        plan = plan_trigger(hsr_fps, lsr_fps=lsr_fps, hsr_rows=hsr_rows, lsr_rows=lsr_rows)
    except TriggerPlanError as error:
        offered = re.findall(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)(?=,|$)", str(error))
        for fast, slow in offered[1:] if "whole" in str(error) and len(offered) > 4 else offered:
            again = plan_trigger(float(slow), lsr_fps=float(fast), hsr_rows=hsr_rows, lsr_rows=lsr_rows)
            assert again.ratio == round(float(fast) / float(slow))
    else:
        assert plan.period_us(Role.LSR) * plan.ratio == pytest.approx(plan.period_us(Role.HSR))


def test_exposure_must_end_before_the_next_pulse() -> None:
    plan = plan_trigger(30, ratio=8, hsr_rows=1920, lsr_rows=480)
    check_exposure(Role.HSR, 30_000, plan.hsr_fps, plan.max_exposure_us(Role.HSR))
    with pytest.raises(TriggerPlanError, match=r"5000 us of the LSR camera.*at most 4107 us"):
        check_exposure(Role.LSR, 5000, plan.lsr_fps, plan.max_exposure_us(Role.LSR))


def test_a_box_started_by_hand_counts_nothing() -> None:
    pulses = ExternalPulses()
    assert not pulses.counts_pulses
    pulses.start(240, 8)
    assert pulses.expected == (240, 8)
    assert pulses.ticks_given() is None
    pulses.stop()
    pulses.stop()


def test_the_fast_camera_as_master() -> None:
    plan = plan_trigger(30, ratio=8, hsr_rows=1920, lsr_rows=480, master=True)
    assert plan.phase is None
    assert plan_trigger(30, ratio=1, hsr_rows=1920, lsr_rows=480, master=True).phase == 0
    assert plan.max_exposure_us(Role.LSR) < 1e6 / 240 - 60
    assert "pin 3 (Line2" in plan.wiring()
    assert "divider by 8" in plan.wiring()
    texts = {
        t.text for t in ElementTree.fromstring(wiring_svg(plan)).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {
        "240/s",
        "30/s",
        "pin 3, Line2 out (3.3 V)",
        "Divider by 8",
        "pin 1, Line0 (opto), rising edge",
    } <= texts


def test_the_wiring_picture_names_rates_and_pins() -> None:
    plan = plan_trigger(30, ratio=8, hsr_rows=1920, lsr_rows=480, line="Line3", activation="FallingEdge")
    texts = {
        t.text for t in ElementTree.fromstring(wiring_svg(plan)).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"240 pulses/s", "30 pulses/s", "pin 4, Line3 (3.3 V), falling edge", "pin 5, GND"} <= texts
