"""Takes on disk: what is written comes back, whatever interrupts the writing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers import Frame, FrameFlag, PixelFormat, Role, TakeError
from drivers._take_index import ROW, ROW_BYTES, decode_rows, encode_row
from drivers.take import CameraMetadata, Take, TakeWriter, TriggerMetadata, is_take
from takes import assert_same, make_frame, make_metadata, write_take


@pytest.mark.parametrize("segment_bytes", [4 * 1024**3, 500, 1])
def test_frames_come_back_bit_exact_over_any_segment_size(tmp_path: Path, segment_bytes: int) -> None:
    path = write_take(tmp_path / "t", metadata=make_metadata(segment_bytes=segment_bytes))
    with Take.open(path) as take:
        assert not take.recovered
        assert take.report == {"missing": 0}
        assert take.metadata.name == "ball drop"
        assert take.metadata.extra == {"scene": {"seed": 7}}
        assert take.metadata.trigger == TriggerMetadata(hsr_rate=30, ratio=8)
        for role, count in ((Role.HSR, 3), (Role.LSR, 24)):
            stream = take.stream(role)
            assert stream.info.frame_count == count
            for number, frame in enumerate(stream.frames()):
                assert_same(frame, make_frame(role, number))
        assert take.lsr.info.fps == pytest.approx(240, rel=1e-6)
        assert (take.lsr.info.width, take.lsr.info.height) == (8, 6)
        np.testing.assert_array_equal(take.hsr.frame_ids, [1000, 1001, 1002])
        assert take.pair().hsr is take.hsr
        assert take.pair().clock_offset_ns is None


def test_layout_on_disk_is_the_documented_one(tmp_path: Path) -> None:
    path = write_take(tmp_path / "t")
    assert sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()) == [
        "done.json",
        "hsr/frames_0000.raw",
        "hsr/index.bin",
        "lsr/frames_0000.raw",
        "lsr/index.bin",
        "take.json",
    ]
    assert (path / "hsr/frames_0000.raw").stat().st_size == 3 * 12 * 16
    assert (path / "lsr/frames_0000.raw").stat().st_size == 24 * 6 * 8 * 2
    assert (path / "lsr/index.bin").stat().st_size == 24 * ROW_BYTES
    assert ROW.itemsize == ROW_BYTES == 64
    raw = np.fromfile(path / "hsr/frames_0000.raw", np.uint8).reshape(3, 12, 16)
    np.testing.assert_array_equal(raw[1], make_frame(Role.HSR, 1).image)
    rows = np.fromfile(path / "lsr/index.bin", ROW)
    assert rows["mid_exposure_ns"][5] == make_frame(Role.LSR, 5).mid_exposure_ns
    assert json.loads((path / "take.json").read_text())["format_version"] == 1


def test_two_writes_of_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = write_take(tmp_path / "a"), write_take(tmp_path / "b")
    for path in sorted(p for p in first.rglob("*") if p.is_file()):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_reading_is_a_view_and_cannot_change_the_take(tmp_path: Path) -> None:
    take = Take.open(write_take(tmp_path / "t"))
    image = take.hsr.read(0).image
    assert not image.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1


def test_incomplete_frames_keep_their_row_but_are_not_read(tmp_path: Path) -> None:
    with TakeWriter(tmp_path / "t", make_metadata()) as writer:
        for number in range(5):
            flag = FrameFlag.INCOMPLETE if number == 2 else FrameFlag.NONE
            writer.append(make_frame(Role.LSR, number, flag))
    take = Take.open(tmp_path / "t")
    assert len(take.lsr.rows) == 5
    assert take.lsr.info.frame_count == 4
    np.testing.assert_array_equal(take.lsr.frame_ids, [1000, 1001, 1003, 1004])
    assert_same(take.lsr.read(2), make_frame(Role.LSR, 3))
    assert take.hsr.info.frame_count == 0


def test_an_exception_while_recording_leaves_a_recovered_take(tmp_path: Path) -> None:
    def record() -> None:
        with TakeWriter(tmp_path / "t", make_metadata()) as writer:
            writer.append(make_frame(Role.HSR, 0))
            raise RuntimeError("plug pulled")

    with pytest.raises(RuntimeError, match="pulled"):
        record()
    take = Take.open(tmp_path / "t")
    assert take.recovered
    assert take.hsr.info.frame_count == 1
    [finding] = take.pair().findings
    assert "interrupted; 1 HSR and 0 LSR frames are whole" in finding


def cut_take(path: Path, *, pixels: int, index: int) -> None:
    """Leave `pixels` and `index` bytes of the LSR files, as a kill or a power loss would."""
    (path / "done.json").unlink()
    for name, size in (("frames_0000.raw", pixels), ("index.bin", index)):
        with (path / "lsr" / name).open("r+b") as file:
            file.truncate(size)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pixels=st.integers(0, 24 * 96), index=st.integers(0, 24 * 64))
def test_recovery_gives_what_both_files_hold_whole(tmp_path: Path, pixels: int, index: int) -> None:
    path = tmp_path / "cut"
    shutil.rmtree(path, ignore_errors=True)
    write_take(path)
    cut_take(path, pixels=pixels, index=index)
    take = Take.open(path)
    assert take.recovered
    assert take.lsr.info.frame_count == min(pixels // 96, index // 64)
    for number, frame in enumerate(take.lsr.frames()):
        assert_same(frame, make_frame(Role.LSR, number))
    assert take.hsr.info.frame_count == 3


def test_a_preallocated_tail_of_zeros_is_not_mistaken_for_frames(tmp_path: Path) -> None:
    path = write_take(tmp_path / "t")
    (path / "done.json").unlink()
    for name in ("frames_0000.raw", "index.bin"):
        with (path / "lsr" / name).open("ab") as file:
            file.write(bytes(4096))
    assert Take.open(path).lsr.info.frame_count == 24


def test_rows_that_outlived_their_pixels_in_a_power_loss_are_dropped(tmp_path: Path) -> None:
    path = write_take(tmp_path / "t")
    (path / "done.json").unlink()
    with (path / "lsr/frames_0000.raw").open("r+b") as file:
        file.seek(22 * 96)
        file.write(bytes(2 * 96))
    assert Take.open(path).lsr.info.frame_count == 22


@pytest.mark.parametrize("left", [None, 0, 2 * 96 + 5])
@pytest.mark.parametrize("number", [0, 1, 4])
def test_a_file_that_is_lost_or_cut_short_costs_its_own_frames_only(
    tmp_path: Path, number: int, left: int | None
) -> None:
    path = write_take(tmp_path / "t", metadata=make_metadata(segment_bytes=500))
    damaged = path / "lsr" / f"frames_{number:04d}.raw"
    if left is None:
        damaged.unlink()
    else:
        with damaged.open("r+b") as file:
            file.truncate(left)
    with pytest.raises(TakeError, match=r"or delete done\.json to read the frames that are there"):
        Take.open(path)
    (path / "done.json").unlink()
    lost = range(5 * number + (left or 0) // 96, 5 * number + 5)
    with Take.open(path) as take:
        frames = list(take.lsr.frames())
        for frame, kept in zip(frames, sorted(set(range(24)) - set(lost)), strict=True):
            assert_same(frame, make_frame(Role.LSR, kept))


@settings(deadline=None)
@given(data=st.binary(max_size=400), good=st.integers(0, 6))
def test_the_index_parser_takes_any_bytes(data: bytes, good: int) -> None:
    head = b"".join(encode_row(n, make_frame(Role.LSR, n), stride=96, crc32=n) for n in range(good))
    rows = decode_rows(head + data, stride=96)
    assert len(rows) >= good
    np.testing.assert_array_equal(rows["seq"], np.arange(len(rows)))


def test_a_damaged_row_costs_its_own_frame_only(tmp_path: Path) -> None:
    path = write_take(tmp_path / "t")
    damage_index(path)
    (path / "done.json").unlink()
    with Take.open(path) as take:
        assert take.lsr.info.frame_count == 23
        for index, number in ((9, 9), (10, 11), (22, 23)):
            assert_same(take.lsr.read(index), make_frame(Role.LSR, number))


@settings(deadline=None)
@given(st.data())
def test_one_flipped_bit_anywhere_in_a_row_is_noticed(data: st.DataObject) -> None:
    intact = b"".join(encode_row(n, make_frame(Role.LSR, n), stride=96, crc32=n) for n in range(4))
    place = data.draw(st.integers(0, len(intact) * 8 - 1))
    damaged = bytearray(intact)
    damaged[place // 8] ^= 1 << (place % 8)
    left = [seq for seq in range(4) if seq != place // 8 // ROW_BYTES]
    np.testing.assert_array_equal(decode_rows(bytes(damaged), stride=96)["seq"], left)


def damage_newer(path: Path) -> None:
    text = (path / "take.json").read_text().replace('"format_version": 1', '"format_version": 99')
    (path / "take.json").write_text(text)


def damage_geometry(path: Path) -> None:
    text = (path / "take.json").read_text().replace('"width": 16', '"width": "wide"')
    (path / "take.json").write_text(text)


def damage_index(path: Path) -> None:
    data = bytearray((path / "lsr/index.bin").read_bytes())
    data[10 * 64 + 9] ^= 1
    (path / "lsr/index.bin").write_bytes(data)


def damage_frames(path: Path) -> None:
    with (path / "hsr/frames_0000.raw").open("r+b") as file:
        file.truncate(300)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_newer, "format 99 is newer .* update"),
        (damage_geometry, r"take\.json: damaged at hsr\.width"),
        (damage_index, r"index\.bin: damaged at row 10 of 24"),
        (damage_frames, r"frames_0000\.raw: cut short after 1 of 3"),
        (lambda p: (p / "take.json").unlink(), "not a take"),
        (lambda p: (p / "take.json").write_text("{"), "not JSON; copy the take again$"),
        (lambda p: (p / "done.json").write_text("{"), "not JSON; .* delete this file to read the frames"),
        (lambda p: (p / "take.json").write_text("[]"), "no object"),
        (lambda p: (p / "done.json").write_text("{}"), "no count of hsr frames"),
        (lambda p: (p / "lsr/index.bin").unlink(), r"index\.bin: missing"),
        (lambda p: (p / "lsr/frames_0000.raw").unlink(), r"frames_0000\.raw: missing"),
        (shutil.rmtree, "no such take"),
    ],
)
def test_damage_is_told_in_one_sentence(tmp_path: Path, damage: object, message: str) -> None:
    path = write_take(tmp_path / "t")
    assert callable(damage)
    damage(path)
    with pytest.raises(TakeError, match=message) as caught:
        Take.open(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_damaged_picture_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    path = write_take(tmp_path / "t")
    with (path / "lsr/frames_0000.raw").open("r+b") as file:
        file.seek(5 * 96 + 3)
        byte = file.read(1)[0]
        file.seek(5 * 96 + 3)
        file.write(bytes([byte ^ 4]))
    take = Take.open(path)
    with pytest.raises(TakeError, match="frame 5 is damaged"):
        take.lsr.read(5)
    assert_same(take.lsr.read(6), make_frame(Role.LSR, 6))
    with pytest.raises(TakeError, match="no frame 24"):
        take.lsr.read(24)
    take.close()
    with pytest.raises(TakeError, match="closed"):
        take.lsr.read(0)


def test_existing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TakeError, match="already exists"):
        TakeWriter(tmp_path, make_metadata())
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(TakeError, match="cannot be made"):
        TakeWriter(file / "t", make_metadata())
    with pytest.raises(TakeError, match="a take is a folder"):
        Take.open(file)
    assert not is_take(tmp_path)
    assert is_take(write_take(tmp_path / "t"))


def test_other_geometry_and_late_frames_are_refused(tmp_path: Path) -> None:
    writer = TakeWriter(tmp_path / "t", make_metadata())
    odd = Frame(np.zeros((5, 5), np.uint8), PixelFormat.BAYER_RG8, Role.HSR, 0, 0)
    with pytest.raises(TakeError, match="new take for another geometry"):
        writer.append(odd)
    writer.append(make_frame(Role.HSR, 0))
    assert writer.frames_written(Role.HSR) == 1
    assert writer.bytes_written == 12 * 16
    writer.sync()
    writer.close()
    writer.close()
    with pytest.raises(TakeError, match="already closed"):
        writer.append(make_frame(Role.HSR, 1))
    assert CameraMetadata(width=2, height=3, pixel_format=PixelFormat.RGB16).stride == 36


def test_files_cut_short_while_the_take_is_open_do_not_end_the_program(
    tmp_path: Path,
) -> None:
    write_take(tmp_path / "take")
    code = f"""
import os
from drivers import Take, TakeError
with Take.open({str(tmp_path / "take")!r}) as take:
    take.lsr.read(20)
    os.truncate(take.path / "lsr" / "frames_0000.raw", 6 * 8 * 2 * 10)
    try:
        take.lsr.read(20)
    except TakeError as error:
        print(error)
    print(take.lsr.read(3).frame_id)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert "was cut short while it was open" in done.stdout
    assert done.stdout.endswith("1003\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are open where they are")
def test_a_take_that_is_moved_or_deleted_while_it_is_open_reads_on(tmp_path: Path) -> None:
    path = write_take(tmp_path / "take", metadata=make_metadata(segment_bytes=6 * 8 * 2 * 5))
    with Take.open(path) as take:
        path.rename(tmp_path / "moved")
        assert_same(take.lsr.read(23), make_frame(Role.LSR, 23))
        shutil.rmtree(tmp_path / "moved")
        assert_same(take.lsr.read(7), make_frame(Role.LSR, 7))


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
@pytest.mark.parametrize(("most", "words"), [(400, "60 frames"), (40, "too many files are open")])
def test_a_take_of_many_files_is_read_where_few_may_be_open(tmp_path: Path, most: int, words: str) -> None:
    """As many as the system allows when it is asked; beyond them it is told."""
    write_take(tmp_path / "t", 60, 0, metadata=make_metadata(segment_bytes=1))
    program = f"""
import resource
from drivers import Take, TakeError
resource.setrlimit(resource.RLIMIT_NOFILE, (40, {most}))
try:
    with Take.open({str(tmp_path / "t")!r}) as take:
        print(len(list(take.hsr.frames())), "frames")
except TakeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert words in done.stdout
