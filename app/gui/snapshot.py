"""One picture of each camera as PNG files."""

from __future__ import annotations

from pathlib import Path

from app.outputs import write_picture
from drivers import Frame, to_rgb


def save_snapshot(frames: list[Frame], folder: Path, stem: str) -> list[Path]:
    """Write one PNG a frame, as deep as its samples, named by stream and frame id; nothing is overwritten.

    Args:
        frames: What to write.
        folder: Where; made when missing.
        stem: Beginning of the names.

    Raises:
        OSError: The folder cannot be written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for frame in frames:
        name = f"{stem}_{frame.role}_{frame.frame_id}"
        path = folder / f"{name}.png"
        number = 1
        while path.exists():
            number += 1
            path = folder / f"{name}_{number}.png"
        write_picture(path, to_rgb(frame))
        paths.append(path)
    return paths
