"""One picture of each camera as PNG files."""

from __future__ import annotations

from pathlib import Path

import cv2

from drivers import Frame, to_rgb8


def save_snapshot(frames: list[Frame], folder: Path, stem: str) -> list[Path]:
    """Write one PNG a frame, named by stream and frame id; nothing is overwritten.

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
        done, data = cv2.imencode(".png", cv2.cvtColor(to_rgb8(frame), cv2.COLOR_RGB2BGR))
        if not done:
            raise OSError(f"{path}: the picture could not be encoded")
        path.write_bytes(data.tobytes())
        paths.append(path)
    return paths
