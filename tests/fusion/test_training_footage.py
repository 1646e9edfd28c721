"""Footage as it lies on people's disks: numbers without zeros, hidden files, covers, runs beside clips."""

import json
import os
import shutil
import signal

import av
import cv2
import numpy as np
import pytest
from fusion_scene import pan

from app.cli import run
from fusion.errors import TrainingError
from fusion.evaluation import evaluate
from fusion.training.clips import FEWEST, find_clips, find_pictures, load_clip
from fusion.training.crops import CropSampler, SampleOptions
from fusion.training.loading import batches
from fusion.training.pack import PackOptions, write_pack

SIZE = (64, 96)


def write_frames(folder, frames, name="{:04d}"):
    folder.mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{name.format(k)}.png"), np.ascontiguousarray(frame[..., ::-1]))
    return folder


@pytest.fixture
def data(tmp_path):
    for seed, name in enumerate(("cat", "dog")):
        write_frames(tmp_path / "data" / name, pan(9, *SIZE, (1.5, 0.5), seed))
    return tmp_path / "data"


@pytest.fixture
def train(capsys, data):
    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            run(
                [
                    "train",
                    "--data",
                    str(data),
                    "--crop",
                    "48x48",
                    "--batch",
                    "1",
                    *map(str, arguments),
                    "--json",
                ]
            )
        said = capsys.readouterr()
        assert stopped.value.code == 0, said.err
        return json.loads(said.out.splitlines()[-1]), said.err

    return call


def test_frames_whose_numbers_have_no_zeros_before_them_stay_in_order(tmp_path):
    frames = pan(12, *SIZE, (3, 1))
    folder = write_frames(tmp_path / "data" / "a", frames, "frame {}")
    assert np.array_equal(load_clip(folder, tmp_path / "cache").frames[:], np.stack(frames))
    names = [path.stem for path in find_pictures(folder)]
    assert names == [f"frame {k}" for k in range(12)]
    padded = write_frames(tmp_path / "padded" / "a", frames)
    figures = [
        evaluate(root.parent, scale=4, methods=["classical"], protocol="gop")[0].psnr
        for root in (folder, padded)
    ]
    assert figures[0] == figures[1]


def test_hidden_files_and_folders_are_no_footage(data, tmp_path):
    frames = load_clip(data / "cat", tmp_path / "cache").frames[:]
    for name in ("._fox.mp4", "cat/._0000.png", "dog/.hidden.png"):
        (data / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    shutil.copytree(data / "dog", data / ".thumbnails")
    assert [path.name for path in find_clips(data)] == ["cat", "dog"]
    assert np.array_equal(load_clip(data / "cat", tmp_path / "cache").frames[:], frames)


def test_a_run_in_the_folder_of_its_footage_goes_on_and_is_no_clip(train, data):
    out = data / "run"
    train("--out", out, "--steps", "1")
    assert any(find_pictures(out))
    assert train("--out", out, "--steps", "2")[0]["clips"] == ["cat", "dog"]
    assert train("--out", data / "second", "--steps", "1")[0]["clips"] == ["cat", "dog"]


@pytest.mark.parametrize("length", [0, 50, 1000])
def test_a_cache_that_a_power_cut_damaged_is_made_anew(length, data, tmp_path):
    cache = tmp_path / "cache"
    whole = load_clip(data / "cat", cache).frames[:].copy()
    (stored,) = cache.iterdir()
    os.truncate(stored, length)
    assert np.array_equal(load_clip(data / "cat", cache).frames[:], whole)
    assert list(cache.iterdir()) == [stored]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a file that is always full is Linux's")
def test_a_disk_full_of_decoded_frames_is_told_and_nothing_is_left(data, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(os, "getpid", lambda: 7)
    load_clip(data / "cat", cache)
    (stored,) = cache.iterdir()
    stored.unlink()
    partial = stored.with_suffix(".7.partial")
    partial.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        load_clip(data / "cat", cache)
    assert raised.value.filename == str(stored)
    assert not list(cache.iterdir())


def test_a_cover_in_front_of_the_frames_is_not_the_clip(data, tmp_path):
    path = tmp_path / "covered.mkv"
    with av.open(str(path), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        video = file.add_stream("ffv1", rate=30)
        for stream, size in ((cover, (32, 32)), (video, SIZE)):
            stream.height, stream.width = size
            stream.pix_fmt = "yuvj420p" if stream is cover else "yuv420p"
        cover.disposition = av.stream.Disposition.attached_pic
        for stream, frames in ((cover, pan(1, 32, 32, (0, 0))), (video, pan(FEWEST, *SIZE, (1, 0)))):
            for frame in frames:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
            file.mux(stream.encode(None))
    assert load_clip(path, tmp_path / "cache").frames.shape == (FEWEST, *SIZE, 3)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_damaged_meanwhile_is_named_in_one_line_whoever_reads_it(workers, tmp_path):
    folder = write_frames(tmp_path / "sequences" / "00001" / "0001", pan(7, *SIZE, (1, 1)), "im{}")
    (tmp_path / "sep_trainlist.txt").write_text("00001/0001")
    sampler = CropSampler([load_clip(folder, tmp_path / "cache")], SampleOptions(crop=(48, 48)), batch=8)
    made = batches(sampler, 0, workers=workers)
    for picture in list(find_pictures(folder))[1:]:
        picture.write_bytes(b"no picture any more")
    with pytest.raises(
        TrainingError, match=r"im\d.png: not a readable picture; remove or replace it$"
    ) as raised:
        next(made)
    assert len(str(raised.value).splitlines()) == 1


def test_a_worker_that_the_system_ends_is_told_in_one_line():
    with pytest.raises(TrainingError, match="take fewer --workers") as raised:
        next(batches(os._exit, 3, workers=1))
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no signals to keep back")
def test_workers_leave_ctrl_c_to_the_training():
    # The worker sends it to itself, and goes on.
    assert next(batches(signal.raise_signal, int(signal.SIGINT), stride=1000, workers=1)) is None


def test_judging_by_what_was_learnt_is_told(train, data, tmp_path):
    copies = tmp_path / "copies"
    shutil.copytree(data / "dog", copies / "dog")
    write_frames(copies / "cat", pan(9, *SIZE, (0.5, 1), 5))
    said = train("--out", tmp_path / "one", "--steps", "1", "--validation", copies)[1]
    assert "1 of 2 clips to judge by are learnt from as well" in said
    assert str(copies / "dog") in said
    assert not train("--out", tmp_path / "two", "--steps", "1", "--validate", "dog", "--validation", copies)[
        1
    ]
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "other").symlink_to(data / "cat")
    linked = ("--out", tmp_path / "three", "--steps", "1", "--validation", tmp_path / "linked")
    assert "1 of 1 clips" in train(*linked)[1]


def deep(frames, bits):
    """Frames of a camera of so many bits as it stores them, low in 16; the brightest parts are too bright."""
    light = np.stack(frames).astype(np.float64) / 255
    return np.minimum(1.2 * light * ((1 << bits) - 1), (1 << bits) - 1).astype(np.uint16)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_pictures_of_a_camera_of_fewer_bits_are_as_bright_as_it_filmed(bits, tmp_path):
    frames = deep(pan(6, *SIZE, (2, 1)), bits)
    # By itself it looks like a frame of a camera of fewer bits.
    frames[2] //= 40
    folder = write_frames(tmp_path / "data" / "a", frames)
    clip = load_clip(folder, tmp_path / "cache")
    assert not clip.doubt
    assert np.array_equal(clip.frames[:], frames >> (bits - 8))
    assert np.array_equal(load_clip(folder, tmp_path / "cache").frames[:], clip.frames[:])
    write_pack(tmp_path / "data", tmp_path / "pack", options=PackOptions(run=6, quality=100))
    [packed] = find_clips(tmp_path / "pack")
    assert abs(load_clip(packed, tmp_path / "cache").frames[:].mean() - clip.frames[:].mean()) < 1


def test_pictures_that_may_be_dark_stay_so_and_are_told_once(train, data, tmp_path):
    """Nothing was too bright for a camera of 12 bits: nothing tells it from one of 16 bits in the dark."""
    frames = np.stack(pan(9, *SIZE, (1.5, 0.5))).astype(np.uint16) * 12
    for name in ("cat", "dog"):
        write_frames(data / name, frames)
    clip = load_clip(data / "cat", tmp_path / "cache")
    assert np.array_equal(clip.frames[:], frames >> 8)
    for out in ("one", "one"):
        said = train("--out", tmp_path / out, "--steps", "1")[1]
        assert len(said.splitlines()) == 1
        assert (
            f"{data / 'cat'}: its 16-bit pictures are nowhere brighter than {frames.max()} of 65535" in said
        )
        assert "12 bits, multiply their values by 16 (1 more like this)" in said
