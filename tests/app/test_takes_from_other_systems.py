"""Takes that were made on Windows or on a Mac and are opened elsewhere, with their clips beside them."""

from __future__ import annotations

import json
import ntpath
import os
import unicodedata
from pathlib import Path

import pytest

from app.import_clips import import_clips
from drivers import Take
from synthetic import ClipPair, make_pair


@pytest.fixture
def pair(tmp_path: Path) -> ClipPair:
    clips = tmp_path / "Aufnahmen für Köln"
    clips.mkdir()
    return make_pair(clips)


def restate(take: Path, *, relative: str) -> None:
    """What take.json says of the way to the clips, `{}` being a clip's name; their old place is gone."""
    path = take / "take.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for role in ("hsr_clip", "lsr_clip"):
        name = Path(content[role]["path"]).name
        content[role] |= {"path": rf"C:\lab\{name}", "relative": relative.format(name)}
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("parted", ["/", "\\"])
def test_clips_are_found_however_their_place_is_spelled(
    pair: ClipPair, tmp_path: Path, form: str, parted: str
) -> None:
    take = tmp_path / "take"
    import_clips(pair.hsr, pair.lsr, take, offset_ms=pair.offset_ms)
    place = unicodedata.normalize(form, pair.hsr.parent.name)
    restate(take, relative=parted.join(("..", place, "{}")))
    with Take.open(take) as opened:
        assert opened.hsr.info.frame_count > 0


def test_the_place_of_clips_is_written_as_every_system_reads_it(
    pair: ClipPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.path.relpath
    monkeypatch.setattr(os.path, "relpath", lambda *given: real(*given).replace("/", ntpath.sep))
    monkeypatch.setattr(os, "sep", ntpath.sep)
    import_clips(pair.hsr, pair.lsr, tmp_path / "take", offset_ms=pair.offset_ms)
    content = json.loads((tmp_path / "take" / "take.json").read_text(encoding="utf-8"))
    assert content["hsr_clip"]["relative"] == f"../{pair.hsr.parent.name}/{pair.hsr.name}"
