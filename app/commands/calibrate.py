"""`twinrate calibrate`: from two views to one, by a board, by the scene, or again after the rail moved."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.aligner import rig_doubts
from app.commands._calibrate_pictures import board_pictures, moment
from app.commands._common import JsonOption, OverwriteOption, emit, parse_size, say, warn
from app.commands.sync import offset_option
from app.errors import InputError
from app.outputs import check_output, real_path, write_picture
from calibration import (
    Alignment,
    Board,
    CameraId,
    align_scene,
    align_with_rig,
    calibrate_rig,
    find_pairs,
    load_rig,
    match_features,
    measure_shift,
    relock,
    write_report,
)

_FAR_TURN_DEG = 5.0

app = typer.Typer(no_args_is_help=True, help="From two views to one: make, check and refresh a rig file.")


class Refinement(str, Enum):
    """How far the alignment goes."""

    NONE = "none"
    MESH = "mesh"
    FLOW = "flow"
    DENSE = "dense"


Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT...", help="HSR and LSR picture or clip of one moment; or a take folder."),
]
FrameOption = Annotated[int, typer.Option(min=0, help="Clips and takes: which HSR frame, from 0.")]
OffsetOption = Annotated[
    str,
    typer.Option(metavar="X|auto", help="Clips: first HSR frame's time minus first LSR frame's in ms."),
]


def _region(text: str | None) -> tuple[int, int, int, int] | None:
    if text is None:
        return None
    parts = re.fullmatch(r"(\d+),(\d+),(\d+),(\d+)", text.replace(" ", ""))
    if parts is None:
        raise typer.BadParameter(f"--region {text!r} is not x,y,width,height in LSR pixels")
    x, y, w, h = (int(p) for p in parts.groups())
    return x, y, w, h


def _check_outputs(paths: Sequence[Path | None], *, overwrite: bool, inputs: Sequence[Path]) -> None:
    given = [path for path in paths if path is not None]
    for path in given:
        check_output(path, overwrite=overwrite, inputs=inputs)
    if len({real_path(path) for path in given}) < len(given):
        raise typer.BadParameter(f"{given[0]} is given for two outputs; give each its own")


def _check_finite(options: Mapping[str, float]) -> None:
    for name, value in options.items():
        if not math.isfinite(value):
            raise typer.BadParameter(f"{name} {value} is not a length in mm")


def describe(alignment: Alignment) -> dict[str, Any]:
    """What `--json` says about an alignment."""
    height, width = alignment.valid.shape
    return {
        "method": alignment.method,
        "inliers": alignment.inliers,
        "residual_px": alignment.residual_px,
        "scale": alignment.scale,
        "width": width,
        "height": height,
        "lsr_crop": list(alignment.lsr_crop),
        "valid_share": float(alignment.valid.mean()),
        **{k: float(v) for k, v in alignment.stats.items() if k != "valid_share"},
    }


@app.command("scene")
def scene(
    inputs: Inputs,
    warped: Annotated[
        Path | None, typer.Option(help="Write the HSR picture in the LSR camera's view here.")
    ] = None,
    rig: Annotated[Path | None, typer.Option(help="Use this rig file instead of the pictures alone.")] = None,
    refine: Annotated[Refinement, typer.Option(help="How far to go.")] = Refinement.DENSE,
    scale: Annotated[
        float | None, typer.Option(min=0.25, max=32, help="Output px per LSR px; measured if left out.")
    ] = None,
    common_field: Annotated[
        bool, typer.Option("--common-field", help="Cover only what both cameras see.")
    ] = False,
    frame: FrameOption = 0,
    offset_ms: OffsetOption = "auto",
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Align two views by what they show; report how well it worked."""
    _check_outputs([warped], overwrite=overwrite, inputs=[*inputs, *([rig] if rig else [])])
    seen = moment(inputs, frame, offset_option(offset_ms))
    hsr, lsr = seen.hsr, seen.lsr
    if rig is None:
        found = align_scene(hsr, lsr, refine=refine.value, scale=scale, common_field=common_field)
    elif refine in (Refinement.NONE, Refinement.DENSE):
        calibrated = load_rig(rig)
        calibrated.check(hsr=seen.hsr_id, lsr=seen.lsr_id)
        for sentence in rig_doubts(rig, calibrated):
            warn(sentence)
        found = align_with_rig(
            hsr,
            lsr,
            calibrated,
            refine="dense" if refine is Refinement.DENSE else "plane",
            scale=scale,
            common_field=common_field,
        )
    else:
        raise typer.BadParameter(f"--refine {refine.value} needs no rig file; with one, use none or dense")
    if warped is not None:
        write_picture(warped, np.asarray(found.warp(seen.filmed), np.uint8))
    height, width = found.valid.shape
    agreeing = (
        f"{found.inliers} points agree to {found.residual_px:.2f} px"
        if found.inliers
        else "too few points to check the rig file by"
    )
    say(
        f"{found.method}: {agreeing}, "
        f"output {width}x{height} ({found.scale:.3f} px per LSR px), "
        f"{found.valid.mean():.0%} of it seen by both cameras, "
        f"{found.stats['seconds']:.2f} s",
        quiet=json,
    )
    emit(describe(found) | {"warped": str(warped) if warped else None}, as_json=json)


def _named(identity: CameraId, serial: str, lens: str) -> CameraId:
    return identity.model_copy(update={"serial": serial or identity.serial, "lens": lens})


@app.command("board")
def board(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Folders of HSR and of LSR board pictures (same order of names); or a take folder.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The rig file to write.")],
    corners: Annotated[str, typer.Option(help="Inner corners of the board, such as 9x6.")],
    square_mm: Annotated[float, typer.Option(min=0.01, help="Side of one square in mm.")],
    marker_mm: Annotated[
        float | None,
        typer.Option(min=0.01, help="ChArUco: side of a marker in mm; without it, a chessboard."),
    ] = None,
    dictionary: Annotated[str, typer.Option(help="ChArUco: marker dictionary.")] = "DICT_5X5_100",
    report: Annotated[Path | None, typer.Option(help="Write the quality report here (PNG).")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out this view (may be repeated).")] = None,
    reference_mm: Annotated[
        float, typer.Option(min=1, help="Usual distance of the scene, the reference plane in mm.")
    ] = 2000.0,
    hsr_serial: Annotated[str, typer.Option(help="Serial number that the rig file is bound to.")] = "",
    lsr_serial: Annotated[str, typer.Option(help="Serial number that the rig file is bound to.")] = "",
    hsr_lens: Annotated[str, typer.Option(help='Lens, such as "20 mm".')] = "",
    lsr_lens: Annotated[str, typer.Option(help='Lens, such as "6 mm".')] = "",
    note: Annotated[str, typer.Option(help="Anything to remember: temperature, focus, apertures.")] = "",
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Calibrate both cameras and their baseline from pictures of a board."""
    _check_finite({"--square-mm": square_mm, "--reference-mm": reference_mm})
    columns, rows = parse_size(corners, "--corners", "9x6")
    target = Board(
        columns,
        rows,
        square_mm,
        kind="chessboard" if marker_mm is None else "charuco",
        marker_mm=marker_mm or 0.0,
        dictionary=dictionary,
    )
    _check_outputs([out, report], overwrite=overwrite, inputs=inputs)
    if report is not None and report.suffix.lower() != ".png":
        raise typer.BadParameter(f"--report {report} is a PNG picture; give it a name that ends with .png")
    hsr, lsr, hsr_id, lsr_id = board_pictures(inputs)
    hsr_id = _named(hsr_id, hsr_serial, hsr_lens)
    lsr_id = _named(lsr_id, lsr_serial, lsr_lens)
    unknown = sorted(set(exclude or ()) - set(hsr))
    if unknown:
        raise InputError(f"--exclude {unknown[0]}: there is no such view; there are {', '.join(sorted(hsr))}")
    hsr = {name: image for name, image in hsr.items() if name not in (exclude or ())}
    lsr = {name: image for name, image in lsr.items() if name not in (exclude or ())}
    pairs, left_out = find_pairs(hsr, lsr, target)
    for sentence in left_out:
        warn(sentence)
    rig, quality = calibrate_rig(pairs, target, hsr=hsr_id, lsr=lsr_id, reference_mm=reference_mm, note=note)
    rig.save(out)
    if report is not None:
        write_report(report, quality, hsr_id, lsr_id)
    say(
        f"{out}: {quality.verdict}, "
        f"baseline {quality.baseline_mm:.3f} +- {quality.baseline_sigma_mm:.3f} mm, "
        f"reprojection {quality.stereo_rms_px:.3f} px, epipolar p95 {quality.epipolar_p95_px:.3f} px, "
        f"{rig.views} views",
        quiet=json,
    )
    for reason in quality.reasons:
        warn(reason)
    emit(
        {
            "rig": str(out),
            "report": str(report) if report else None,
            "verdict": quality.verdict,
            "reasons": list(quality.reasons),
            "views": rig.views,
            "left_out": left_out,
            "stereo_rms_px": quality.stereo_rms_px,
            "hsr_rms_px": quality.hsr_rms_px,
            "lsr_rms_px": quality.lsr_rms_px,
            "view_rms_px": dict(zip(quality.names, quality.view_rms_px.tolist(), strict=True)),
            "epipolar_median_px": quality.epipolar_median_px,
            "epipolar_p95_px": quality.epipolar_p95_px,
            "holdout_px": None if np.isnan(quality.holdout_px) else quality.holdout_px,
            "baseline_mm": quality.baseline_mm,
            "baseline_sigma_mm": quality.baseline_sigma_mm,
        },
        as_json=json,
    )


@app.command("relock")
def relock_command(
    inputs: Inputs,
    rig: Annotated[Path, typer.Option(help="The rig file from before the move.")],
    baseline_mm: Annotated[float, typer.Option(min=0.1, help="Where the rail stands now in mm.")],
    distance_mm: Annotated[
        float, typer.Option(min=1, help="Distance of the region along the LSR camera's axis in mm.")
    ],
    region: Annotated[
        str | None,
        typer.Option(
            help="x,y,width,height in LSR px that lies at that distance; without it, the whole view."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The new rig file; the old one is replaced if left out.")
    ] = None,
    frame: FrameOption = 0,
    offset_ms: OffsetOption = "auto",
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Lock on again after the rail or a head moved, without a board."""
    where = _region(region)
    _check_finite({"--baseline-mm": baseline_mm, "--distance-mm": distance_mm})
    if out is not None:
        _check_outputs([out], overwrite=overwrite, inputs=inputs)
    old = load_rig(rig)
    seen = moment(inputs, frame, offset_option(offset_ms))
    old.check(hsr=seen.hsr_id, lsr=seen.lsr_id)
    matches = match_features(seen.hsr, seen.lsr, zoom=old.zoom)
    result = relock(old, matches, baseline_mm=baseline_mm, distance_mm=distance_mm, region=where)
    shift = measure_shift(result.rig, matches, where)
    target = rig if out is None else out
    result.rig.save(target)
    for sentence in rig_doubts(target, result.rig):
        warn(sentence)
    pitch, yaw, roll = result.turned_deg
    say(
        f"{target}: {result.rig.verdict}, the head had turned by "
        f"{pitch:+.3f} pitch, {yaw:+.3f} yaw, {roll:+.3f} roll [deg]; "
        f"region {result.residual_px:.2f} px, epipolar {result.across_px:.2f} px "
        f"from {result.inliers[0]} points; "
        f"shift predicted {shift.predicted_px:.1f} px, measured {shift.measured_px:.1f} px",
        quiet=json,
    )
    if max(map(abs, result.turned_deg)) > _FAR_TURN_DEG:
        warn(
            f"a turn of more than {_FAR_TURN_DEG:g} degrees also comes from a wrong baseline or distance; "
            "check both"
        )
    emit(
        {
            "rig": str(target),
            "verdict": result.rig.verdict,
            "turned_deg": list(result.turned_deg),
            "residual_px": result.residual_px,
            "epipolar_px": result.across_px,
            "inliers": result.inliers[0],
            "region_inliers": result.inliers[1],
            "baseline_mm": baseline_mm,
            "distance_mm": distance_mm,
            "shift": asdict(shift),
        },
        as_json=json,
    )
