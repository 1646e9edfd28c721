"""`twinrate train pack / split / join`: training data and weights in a form that travels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, emit, progress_bar, say, warn


def warn_of_doubts(doubts: Sequence[str]) -> None:
    """One warning about clips that the operator should look at."""
    if doubts:
        more = f" ({len(doubts) - 1} more like this)" if doubts[1:] else ""
        warn(f"{doubts[0]}{more}")


def pack(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder of clips, or with clips, photos and masks in it.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The pack's folder, new or empty.")],
    validate: Annotated[
        list[str] | None, typer.Option("--validate", help="A clip to leave out; repeatable.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Pack only names like this (`sam2_*`); repeatable.")
    ] = None,
    megabytes: Annotated[float, typer.Option(min=0.1, help="Largest size of the folder in MB.")] = 55.0,
    width: Annotated[int, typer.Option(min=64, help="Wider frames are reduced to this, in px.")] = 640,
    run: Annotated[int, typer.Option(min=3, help="Consecutive frames in a run.")] = 12,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Most runs of one clip; all that fit if left out.")
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality.")] = 90,
    json: JsonOption = False,
) -> None:
    """Put training frames, photos and cut-outs into one small folder for `train --data`."""
    from fusion.training.clips import find_clips
    from fusion.training.pack import PackOptions, write_pack

    options = PackOptions(
        megabytes=megabytes, width=width, run=run, runs=runs, quality=quality, only=tuple(only or ())
    )
    with progress_bar("packing", len(find_clips(data, without=validate or []))) as bar:
        packed = write_pack(data, out, validate=validate or [], options=options, on_clip=bar.advance)
    warn_of_doubts(packed.doubts)
    frames = sum(item["frames"][1] for item in packed.items if item["kind"] == "run")
    say(f"{out}: {frames} frames, {packed.bytes / 1e6:.1f} MB; use it as --data of train", quiet=json)
    emit({"frames": frames, "bytes": packed.bytes, "items": len(packed.items)}, as_json=json)


def split(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A weights file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for its pieces.")],
    mebibytes: Annotated[float, typer.Option(min=1.0, help="Largest piece in MiB.")] = 15.0,
    json: JsonOption = False,
) -> None:
    """Cut a weights file into pieces for ways that carry only small files."""
    from fusion.training.shards import split_weights

    pieces = split_weights(weights, out, mebibytes=mebibytes)
    say(f"{out}: {len(pieces)} pieces and their index", quiet=json)
    emit({"pieces": [str(piece) for piece in pieces]}, as_json=json)


def join(
    pieces: Annotated[Path, typer.Argument(metavar="PIECES", help="Folder written by split.")],
    out: Annotated[Path, typer.Option("--out", help="The weights file to write.")],
    json: JsonOption = False,
) -> None:
    """Make one weights file from its pieces again."""
    from fusion.training.shards import join_weights

    join_weights(pieces, out)
    say(f"{out}: whole again", quiet=json)
    emit({"weights": str(out)}, as_json=json)
