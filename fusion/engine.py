"""Fuser: the one entry to fusion for the window, the command line and the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import torch

from fusion.awnet import load_awnet
from fusion.cards import FOLDER, LEARNED, METHODS, ModelCard, base_for, nearest, own, shipped, trustworthy
from fusion.classical import Classical
from fusion.errors import DeviceError, FusionInputError, MethodError, WeightsError
from fusion.flownet import load_flow
from fusion.gop import RECURSIONS, FusedFrame, Mask, Reference, Synthesis, Synthesiser, synthesise_gop
from fusion.inference import AWnetSynthesiser, LearnedFlow, LiveSynthesiser
from fusion.levels import FloatImage, Picture
from fusion.light import WHITE, InLight
from fusion.live import load_live
from fusion.motion import FlowSource

TAKES_FLOW = ("awnet", "live", "classical")
"""Methods whose motion may come from a flow network named."""

_MOST_REFERENCES = 2


class _Bicubic:
    """The upscaled frame as it is: what fusion has to improve on."""

    recursion = "direct"

    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        return Synthesis(upscaled, np.zeros(upscaled.shape[:2], np.float32), None)


class Fuser:
    """Turns GoPs into sharp frames with one method on one device.

    Args:
        method: One of `METHODS`; None takes the best shipped model for the scale and the noise, and the
            learning-free `classical` where no model beats it.
        scale: Output pixels per LSR pixel along one axis; at least 1, need not be an integer.
        references: Sharp frames used for each output frame: 1, or 2 (this and the next synchronised one);
            None for as many as the method can use, since two are better than one.
        device: "auto", "cpu" or "cuda"; "auto" takes CUDA for networks where there is one.
        noise_variance: Variance of the LSR frames' noise, of values in 0..1.
        recursion: "recurrent" (paper 3.2.3: warp the frame made just before), "direct" (warp the
            synchronised frame itself), or None for the better one of this method.
        weights: A file written by `twinrate train`, used instead of the shipped ones; it decides the method.
        flow: A flow network's weights file, as `load_flow` takes it: motion comes from that network, on the
            same device, instead of from DIS on the CPU.
        lights: Whether each frame's light is told (`FusedFrame.lights`) also by a method that does without.
        gain: Dark pictures are fused so many times as bright, see `fusion.digital_gain`; what comes out is as
            bright as what went in.

    Attributes:
        method: The method that runs.
        model: Name of the weights file in use, "none" for a method without weights.
        weights: The weights file in use, None for a method without weights.
        base: The `live` weights file that an `awnet` in use goes on from, or None.
        flow: The flow network's weights file in use, None for DIS and for methods with a flow of their own.
        device: "cpu" or "cuda".
        recursion: The recursion in use.
        references: Sharp frames used for each output frame.
        note: What the operator should know about the choice of model, in one sentence, or "".

    Raises:
        MethodError: Unknown method or recursion, a number of references the method or the weights cannot
            use, or a flow network for a method that does not take one.
        DeviceError: The device is unknown or not there.
        WeightsError: The method needs weights that are not installed.
        FusionInputError: Scale or noise variance out of range.

    """

    def __init__(
        self,
        method: str | None = None,
        *,
        scale: float,
        references: int | None = None,
        device: str = "auto",
        noise_variance: float = 0.0,
        recursion: str | None = None,
        weights: Path | None = None,
        flow: Path | None = None,
        lights: bool = False,
        gain: float = 1.0,
    ) -> None:
        if not (np.isfinite(scale) and scale >= 1):
            raise FusionInputError(
                f"scale {scale:g}: the HSR stream must have at least as many pixels as the LSR stream; "
                "check that the two are not swapped"
            )
        if not (np.isfinite(noise_variance) and noise_variance >= 0):
            raise FusionInputError(f"noise variance {noise_variance:g}: give a number of 0 or more")
        if not (np.isfinite(gain) and gain >= 1):
            raise FusionInputError(f"gain {gain:g}: give a number of 1 or more")
        self._gain = gain
        filmed_variance, noise_variance = noise_variance, noise_variance * gain**2
        if recursion is not None and recursion not in RECURSIONS:
            raise MethodError(f"unknown recursion {recursion!r}; choose {' or '.join(RECURSIONS)}")
        if references is not None and not 1 <= references <= _MOST_REFERENCES:
            raise MethodError(f"{references} references: choose 1 or {_MOST_REFERENCES}")
        if weights is not None:
            card: ModelCard | None = _given(weights, method, references)
        else:
            cards = [
                card
                for card in shipped()
                if card.method == method
                or (method is None and trustworthy(card, scale=scale, noise_variance=noise_variance))
            ]
            card = nearest(cards, scale=scale, noise_variance=noise_variance, references=references)
        if method is None:
            method = card.method if card else "classical"
        self.method = method
        self.flow = flow
        self.device = _choose_device(device, learned=method in LEARNED or flow is not None)
        self.model = "none"
        self.weights: Path | None = None
        self.base: Path | None = None
        self.note = ""
        self.references = references or _most_references(method, card)
        self._follows = lights or method != "bicubic"
        self._card, self._scale, self._noise_variance = card, scale, filmed_variance
        # Frames are made side by side: one network each would take turns no more.
        self._making = Lock()
        self._made: dict[float, Synthesiser] = {}
        self._synthesiser = self._at_gain(gain)
        self.recursion = recursion or self._synthesiser.recursion

    @property
    def synthesiser(self) -> Synthesiser:
        """What makes single frames, for evaluation."""
        return self._synthesiser

    def _at_gain(self, gain: float) -> Synthesiser:
        """What makes frames of pictures so many times as bright: in a bright moment less noise is shown."""
        with self._making:
            if gain not in self._made:
                made = self._build(self._card, self._scale, self._noise_variance * gain**2)
                self._made[gain] = InLight(made, WHITE * gain) if self._follows else made
            return self._made[gain]

    def _build(self, card: ModelCard | None, scale: float, noise_variance: float) -> Synthesiser:
        if self.method not in METHODS:
            raise MethodError(f"unknown method {self.method!r}; choose one of {', '.join(METHODS)}")
        if self.flow and self.method not in TAKES_FLOW:
            raise MethodError(
                f"{self.method} takes no flow network; leave it out, or choose {' or '.join(TAKES_FLOW)}"
            )
        flow: FlowSource | None = None
        if self.flow:
            flow = LearnedFlow(load_flow(self.flow), scale, self.device, noise_variance=noise_variance)
        if self.method == "bicubic":
            return _Bicubic()
        if self.method == "classical":
            return Classical(scale, noise_variance, flow)
        if card is None:
            raise WeightsError(
                f"{self.method} has no trained weights for {self.references} reference(s) in this "
                "installation and is never run untrained; use classical"
            )
        self.model, self.weights = card.name, card.path
        self.note = _what_to_know(card, scale)
        if self.method == "awnet":
            network = load_awnet(card.path)
            if network.refined and self.base is None:
                self.base = base_for(scale, noise_variance).path
            return AWnetSynthesiser(
                network,
                scale,
                self.device,
                noise_variance=noise_variance,
                flow=flow,
                base=load_live(self.base) if self.base else None,
            )
        live = load_live(card.path)
        return LiveSynthesiser(live, scale, self.device, noise_variance=noise_variance, flow=flow)

    def fuse_gop(
        self,
        lsr: Sequence[Picture],
        distances: Sequence[float],
        reference: Picture,
        *,
        valid: Mask | None = None,
        next_reference: Picture | None = None,
        next_valid: Mask | None = None,
        next_distances: Sequence[float] | None = None,
        beside: Sequence[tuple[Picture, float]] = (),
        same_view: bool = True,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[FusedFrame]:
        """Make one sharp frame for every LSR frame of a GoP, in time order.

        Where no reference shows the scene the frame falls back to the upscaled LSR frame.

        Args:
            lsr: (h, w, 3) RGB frames of one size, uint8 or uint16 (full 16 bits).
            distances: For each of them, the signed number of LSR periods from the reference's instant, all
                different; 0 may be missing.
            reference: (H, W, 3) RGB in the output view, uint8 or uint16, as fused frames will be; H >= h and
                W >= w.
            valid: (H, W) bool, False where the reference does not show the scene.
            next_reference: The next synchronised sharp frame; used with two references only.
            next_valid: Its validity.
            next_distances: The frames' distances from it; must be given with it and be ascending with
                `distances`.
            beside: Further LSR frames of the same stream with their distances. They are not made, but show
                what those next to them show: `live` makes more of several frames than of one.
            same_view: The reference shows exactly what the frame at distance 0 shows, so that frame is the
                reference itself; False where it was aligned from another camera.
            cancelled: Asked before every frame; True ends the iteration.

        Yields:
            Frames by ascending distance; with the recursion, those before the reference come out together.

        Raises:
            FusionInputError: Frames that are not RGB of 8 or 16 bits, differ in size, or do not fit the
                distances.
            DeviceError: The GPU has too little memory for such frames.

        """
        _check_frames(lsr, distances, reference, valid)
        if beside:
            others, moments = zip(*beside, strict=True)
            _check_frames([*lsr, *others], [*distances, *moments], reference, valid)
        references = [(reference, valid)]
        if next_reference is not None and self.references > 1:
            _check_frames(lsr, next_distances or (), next_reference, next_valid)
            if next_reference.shape != reference.shape:
                raise FusionInputError(
                    "the two references differ in size; align both to the same output view"
                )
            references.append((next_reference, next_valid))
        frames = synthesise_gop(
            self._synthesiser,
            lsr,
            distances,
            references,
            recursion=self.recursion,
            cancelled=cancelled or _never,
            same_view=same_view,
            next_distances=next_distances if len(references) > 1 else None,
            beside=beside,
            gain=self._gain,
            at_gain=self._at_gain,
        )
        return _within_memory(frames, reference)


def _within_memory(frames: Iterator[FusedFrame], reference: Picture) -> Iterator[FusedFrame]:
    try:
        yield from frames
    except torch.OutOfMemoryError as error:
        height, width = reference.shape[:2]
        raise DeviceError(
            f"the GPU has too little free memory for frames of {width}x{height}; close what else uses it, "
            "or use the device cpu"
        ) from error


def _what_to_know(card: ModelCard, scale: float) -> str:
    if not 0.99 * card.least_scale <= scale <= 1.01 * card.most_scale:
        return f"no model for scale {scale:.3g}: using {card.name}, made for scale {card.scale:g}"
    if card.path.parent == FOLDER and not card.default:
        return f"{card.name} is behind classical on clips it never saw; other methods make better pictures"
    return ""


def _most_references(method: str, card: ModelCard | None) -> int:
    if method == "bicubic":
        return 1
    return max(card.references) if card else _MOST_REFERENCES


def _given(weights: Path, method: str | None, references: int | None) -> ModelCard:
    card = own(weights)
    if method not in (None, card.method):
        raise MethodError(f"{weights}: holds a {card.method} model, not {method}; leave the method out")
    if references is not None and references not in card.references:
        counts = " or ".join(str(count) for count in card.references)
        raise MethodError(
            f"{weights}: made for {counts} reference(s), not {references}; give --refs {card.references[-1]}"
        )
    return card


def _never() -> bool:
    return False


def _choose_device(device: str, *, learned: bool) -> str:
    if device not in ("auto", "cpu", "cuda"):
        raise DeviceError(f"unknown device {device!r}; choose auto, cpu or cuda")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise DeviceError("no usable CUDA device on this machine; use the device cpu or auto")
    return "cuda" if learned and there and device != "cpu" else "cpu"


def _check_frames(
    lsr: Sequence[Picture], distances: Sequence[float], reference: Picture, valid: Mask | None
) -> None:
    if not lsr:
        raise FusionInputError("a GoP without LSR frames cannot be fused; check the pairing of the streams")
    if len(distances) != len(lsr) or len(set(distances)) != len(lsr):
        raise FusionInputError(
            f"{len(lsr)} LSR frames need as many different distances, got {list(distances)}"
        )
    for name, image in (
        *((f"LSR frame {k}", frame) for k, frame in enumerate(lsr)),
        ("reference", reference),
    ):
        if (
            image.dtype not in (np.uint8, np.uint16)
            or image.ndim != 3
            or image.shape[2] != 3
            or 0 in image.shape
        ):
            raise FusionInputError(
                f"{name} is {image.dtype} of shape {image.shape}: convert it to RGB (H, W, 3) of 8 or 16 "
                "bits first"
            )
    height, width = reference.shape[:2]
    if any(frame.shape != lsr[0].shape for frame in lsr):
        raise FusionInputError("the LSR frames of one GoP differ in size; give frames of one stream")
    if lsr[0].shape[0] > height or lsr[0].shape[1] > width:
        raise FusionInputError(
            f"LSR frames of {lsr[0].shape[1]}x{lsr[0].shape[0]} are larger than the {width}x{height} "
            "reference; check that the two streams are not swapped"
        )
    if valid is not None and (valid.shape != (height, width) or valid.dtype != np.bool_):
        raise FusionInputError(
            f"validity is {valid.dtype} of shape {valid.shape}: it must be bool of the reference's "
            f"{(height, width)}"
        )
