"""Packed 12-bit formats: byte order, and the same samples from the camera to the take and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.capture import CaptureJob, run_job
from app.session import RigSetup
from drivers import CameraSettings, Frame, PixelFormat, RingBuffer, Role, Take, TakeError, to_rgb8
from drivers.grasshopper import open_camera
from drivers.packing import pack, unpack, unpacked
from drivers.spinnaker_emulator import VirtualRig, install

PACKED = [f for f in PixelFormat if f.packed]
SIZE = {"hsr_size": (96, 64), "lsr_size": (48, 32)}


@pytest.mark.parametrize(
    ("pixel_format", "data"),
    [
        # PFNC: 12p is a stream of bits, least significant first; 12Packed has both upper bytes outside.
        (PixelFormat.BAYER_RG12P, bytes([0xBC, 0x3A, 0x12])),
        (PixelFormat.BAYER_RG12_PACKED, bytes([0xAB, 0x3C, 0x12])),
    ],
)
def test_byte_order(pixel_format: PixelFormat, data: bytes) -> None:
    samples = np.array([[0xABCA, 0x1231]], np.uint16)
    assert pack(samples, pixel_format).tobytes() == data
    np.testing.assert_array_equal(unpack(np.frombuffer(data, np.uint8).reshape(1, 3), pixel_format), samples)


@given(
    codes=st.tuples(st.integers(1, 9), st.integers(1, 40)).flatmap(
        lambda size: arrays(np.uint16, (size[0], 2 * size[1]), elements=st.integers(0, 4095))
    ),
    pixel_format=st.sampled_from(PACKED),
)
def test_every_sample_survives(codes: np.ndarray, pixel_format: PixelFormat) -> None:
    samples = (codes << 4) | (codes >> 8)
    packed = pack(samples, pixel_format)
    assert packed.shape == pixel_format.shape(*samples.shape)
    assert packed.nbytes == pixel_format.frame_bytes(*samples.shape)
    np.testing.assert_array_equal(unpack(packed, pixel_format), samples)


def test_pictures_larger_than_a_block() -> None:
    codes = np.random.default_rng(3).integers(0, 4096, (300, 512)).astype(np.uint16)
    samples = (codes << 4) | (codes >> 8)
    for pixel_format in PACKED:
        np.testing.assert_array_equal(unpack(pack(samples, pixel_format), pixel_format), samples)


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="a width of 7 is odd"):
        PixelFormat.MONO12P.shape(4, 7)


def test_a_ring_keeps_frames_packed_and_hands_out_samples() -> None:
    codes = np.random.default_rng(3).integers(0, 4096, (4, 6)).astype(np.uint16)
    samples = (codes << 4) | (codes >> 8)
    ring = RingBuffer(2, 4, 6, PixelFormat.BAYER_RG12P)
    sent = pack(samples, PixelFormat.BAYER_RG12P)
    ring.append(Frame(sent, PixelFormat.BAYER_RG12P, Role.HSR, 5, 7))
    assert ring.nbytes == 2 * 4 * 9
    frame, stored = ring.read(0), ring.read_stored(0)
    assert (frame.pixel_format, frame.frame_id) == (PixelFormat.BAYER_RG16, 5)
    np.testing.assert_array_equal(frame.image, samples)
    assert stored.pixel_format is PixelFormat.BAYER_RG12P
    np.testing.assert_array_equal(stored.image, sent)
    with pytest.raises(ValueError, match="BayerRG12p"):
        ring.append(frame)


@pytest.mark.parametrize("pixel_format", PACKED)
def test_the_camera_sends_the_same_light_in_fewer_bytes(rig: VirtualRig, pixel_format: PixelFormat) -> None:
    pictures = []
    for wanted in (pixel_format, pixel_format.unpacked):
        camera = open_camera(rig.serials[Role.LSR], Role.LSR)
        camera.configure(CameraSettings(48, 32, pixel_format=wanted, exposure_us=500.0))
        camera.arm()
        rig.box.start(240.0, 8, 1)
        frame = camera.read(1000)
        assert frame is not None
        assert frame.image.nbytes == wanted.frame_bytes(32, 48)
        assert camera._nodes.integer("PayloadSize") == frame.image.nbytes
        pictures.append(frame)
        camera.close()
    first, second = (unpacked(frame) for frame in pictures)
    assert first.pixel_format is second.pixel_format
    # Another pulse has other noise: the same light within it.
    difference = first.image.astype(int) - second.image
    assert abs(np.median(difference)) < 300
    assert np.corrcoef(first.image.ravel(), second.image.ravel())[0, 1] > 0.98
    np.testing.assert_array_equal(to_rgb8(pictures[0]), to_rgb8(first))


def test_a_packed_take_reads_as_the_16_bit_take(tmp_path: Path) -> None:
    for name in ("BayerRG16", "BayerRG12p", "BayerRG12Packed"):
        setup = RigSetup(emulate=True, pixel_format=PixelFormat(name), **SIZE)
        assert run_job(CaptureJob(setup, tmp_path / name, 0.1)).frames_lost == 0
    with Take.open(tmp_path / "BayerRG16") as wide, Take.open(tmp_path / "BayerRG12p") as slim:
        assert (wide.metadata.format_version, slim.metadata.format_version) == (1, 2)
        assert slim.lsr.info.pixel_format is PixelFormat.BAYER_RG16
        raw = [(t.path / "lsr" / "frames_0000.raw").stat().st_size for t in (wide, slim)]
        assert raw[1] * 4 == raw[0] * 3
        with Take.open(tmp_path / "BayerRG12Packed") as other:
            for role in Role:
                for index in range(wide.stream(role).info.frame_count):
                    frame = wide.stream(role).read(index)
                    for take in (slim, other):
                        same = take.stream(role).read(index)
                        assert same.frame_id == frame.frame_id
                        np.testing.assert_array_equal(same.image, frame.image)


def test_a_damaged_packed_frame_is_named(tmp_path: Path) -> None:
    setup = RigSetup(emulate=True, pixel_format=PixelFormat.MONO12P, **SIZE)
    run_job(CaptureJob(setup, tmp_path / "t", 0.1))
    file = tmp_path / "t" / "lsr" / "frames_0000.raw"
    data = bytearray(file.read_bytes())
    data[5] ^= 0xFF
    file.write_bytes(data)
    with Take.open(tmp_path / "t") as take, pytest.raises(TakeError, match="frame 0 is damaged"):
        take.lsr.read(0)


def test_another_format_is_sent_at_once_in_real_time() -> None:
    """The emulated pictures of one format are not handed out as those of another."""
    rig = install(real_time=True)
    try:
        medians = []
        for wanted in (PixelFormat.BAYER_RG16, PixelFormat.BAYER_RG12P, PixelFormat.MONO8, PixelFormat.RGB8):
            camera = open_camera(rig.serials[Role.LSR], Role.LSR)
            camera.configure(CameraSettings(48, 32, pixel_format=wanted, triggered=False, frame_rate=60.0))
            camera.arm()
            frame = camera.read(2000)
            assert frame is not None
            assert frame.image.nbytes == wanted.frame_bytes(32, 48)
            medians.append(float(np.median(to_rgb8(frame)[..., 1])))
            camera.close()
        assert max(medians) - min(medians) < 25
    finally:
        rig.uninstall()
