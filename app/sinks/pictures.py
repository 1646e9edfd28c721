"""RGB frames to a folder of numbered pictures, under a partial name until the last one is there."""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path

import cv2
import tifffile

from app.errors import OutputError
from app.outputs import claim_parts, explain_write_error, holds_pictures_only, partial_path
from app.sinks.codecs import Codec
from drivers import Image
from drivers.durable import give_name

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


def _is_whole(path: Path) -> bool:
    """Whether a picture of ours is there to its end, which a power failure loses first."""
    try:
        if path.suffix == ".png":
            with path.open("rb") as stream:
                stream.seek(-len(_PNG_END), os.SEEK_END)
                return stream.read() == _PNG_END
        with tifffile.TiffFile(path) as file:
            strips = file.pages.first
            file.filehandle.seek(strips.dataoffsets[-1])
            zlib.decompress(file.filehandle.read(strips.databytecounts[-1]))
    except (OSError, ValueError, IndexError, zlib.error, tifffile.TiffFileError):
        return False
    return True


class PictureSink:
    """A folder of numbered pictures: 000000.png or 000000.tiff upwards."""

    def __init__(self, path: Path, codec: Codec, width: int, height: int, *, resume: bool = False) -> None:
        self._path = path
        self._codec = codec
        self.width, self.height = width, height
        self._folder = partial_path(path)
        self._claim = claim_parts(path, self._folder, resume=resume)
        self.frames_done = 0
        while _is_whole(self._name(self.frames_done)):
            self.frames_done += 1
        dropped = self.frames_done
        while self._name(dropped).exists():
            # One that is not whole, and what comes behind it.
            self._name(dropped).unlink()
            dropped += 1

    def _name(self, number: int) -> Path:
        return self._folder / f"{number:06d}.{self._codec.name}"

    def write(self, image: Image) -> None:
        """See `Sink.write`."""
        name = self._name(self.frames_done)
        temporary = name.with_name(name.name + ".tmp")
        try:
            if self._codec.name == "tiff":
                tifffile.imwrite(temporary, image, photometric="rgb", compression="zlib", predictor=True)
            else:
                whole, data = cv2.imencode(".png", image[:, :, ::-1])
                if not whole:
                    raise OutputError(f"{name}: a picture of {image.shape} cannot be stored as PNG")
                temporary.write_bytes(data.tobytes())
            # Each by itself: synced at the end only, a power cut would cost the work of half a minute.
            give_name(temporary, name)
        except OSError as error:
            raise explain_write_error(error, self._path) from error
        self.frames_done += 1

    def finish(self) -> None:
        """See `Sink.finish`."""
        try:
            if not self.frames_done:
                raise OutputError(f"{self._path}: there is no frame to write")
            if self._path.is_dir():
                if not holds_pictures_only(self._path):
                    raise OutputError(
                        f"{self._path} holds more than numbered pictures by now and is not replaced; move "
                        "them away, or give another --out"
                    )
                shutil.rmtree(self._path)
            give_name(self._folder, self._path)
        except OSError as error:
            raise explain_write_error(error, self._path) from error
        finally:
            self._claim.give_up()

    def abandon(self) -> Path | None:
        """See `Sink.abandon`."""
        if not self.frames_done or not self._folder.is_dir():
            self.discard()
            return None
        self._claim.give_up()
        return self._folder

    def discard(self) -> None:
        """See `Sink.discard`."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._claim.give_up()
