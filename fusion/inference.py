"""Running trained networks on pictures: padding, flow, device, and back to bytes.

Frames may be made side by side. Their motion is then found at the same time, but they take turns in a
network: it keeps the device busy by itself, and what it holds meanwhile is most of a frame's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusion.awnet import MULTIPLE, AWnet, Base, LsrCamera
from fusion.errors import FusionInputError
from fusion.flownet import FlowNet
from fusion.gop import Mask, Reference, Synthesis
from fusion.joint_motion import JointMotion
from fusion.levels import FloatImage
from fusion.live import MULTIPLE as LIVE_MULTIPLE
from fusion.live import LiveFused, LiveNet, LiveReference, move_both_ways
from fusion.motion import DisFlow, FlowArray, FlowSource, learned_searches, reaches
from fusion.neighbours import usable_neighbours
from fusion.padding import crop, pad_to_multiple
from fusion.resample import back_project, lose_detail_planes, lsr_trust
from fusion.upscaler import Upscaler
from fusion.warp import backward_warp, backward_warp_border

_SEEN = 0.999


class AWnetSynthesiser:
    """AWnet, in whichever layout it was trained.

    Args:
        network: An AWnet.
        scale: Output pixels per LSR pixel.
        device: "cpu" or "cuda".
        noise_variance: Variance of the LSR frames' noise, of values in 0..1; matters to the refined layout.
        flow: Where motion comes from; where left out, DIS in the refined layout and else the network itself.
        base: The `live` network whose frames a refined one goes on from.

    Raises:
        FusionInputError: A refined network without `base`.

    Attributes:
        recursion: "recurrent" as published; "direct" where refined.

    """

    def __init__(
        self,
        network: AWnet,
        scale: float,
        device: str = "cpu",
        *,
        noise_variance: float = 0.0,
        flow: FlowSource | None = None,
        base: LiveNet | None = None,
    ) -> None:
        if network.refined and base is None:
            raise FusionInputError(f"{network.layout} goes on from live; give a live network as its base")
        self._network = network.to(device).eval()
        self._base = base.for_inference(device) if base is not None else None
        self._device = device
        if flow is None and network.refined:
            flow = DisFlow(scale, noise_variance)
        self._motion = JointMotion(flow, scale, noise_variance) if flow is not None else None
        self._noise = noise_variance**0.5
        self._lsr_trust = lsr_trust(noise_variance) if network.refined else 0.0
        self._turn = Lock()
        self.recursion = "direct" if network.refined else "recurrent"

    @torch.inference_mode()
    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        """Run the network on one frame; see `fusion.gop.Synthesiser`."""
        found: list[FlowArray] = []
        if self._motion is not None:
            found = self._motion(lsr, upscaled, references)
        near = usable_neighbours(upscaled, neighbours, self._noise**2) if self._base is not None else []
        with self._turn:
            return self._fuse(lsr, upscaled, references, found, near)

    def _fuse(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        found: list[FlowArray],
        near: list[FloatImage],
    ) -> Synthesis:
        size = (upscaled.shape[0], upscaled.shape[1])
        up = pad_to_multiple(to_planes(upscaled, self._device), MULTIPLE)
        base, seen = self._look_at_base(upscaled, references, found, near)
        # At a clip's end the next sharp frame is missing: the first one stands in for it.
        missing = self._network.references - len(references)
        given = [*references, *[references[0]] * missing]
        flows = [_padded_flow(flow, self._device) for flow in [*found, *found[:1] * missing]]
        images = [pad_to_multiple(to_planes(r.image, self._device), MULTIPLE) for r in given]
        matched = [
            pad_to_multiple(to_planes(r.matched, self._device), MULTIPLE)
            for r in given
            if self._network.matched and not flows
        ]
        camera = LsrCamera((lsr.shape[0], lsr.shape[1]), size, self._noise)
        fused = self._network(
            images[0], up, *images[1:], matched=matched, flows=flows, camera=camera, base=base
        )
        made = crop(fused.out, *size)
        made = back_project(made, to_planes(lsr, self._device), self._lsr_trust)
        weight = crop(fused.weight, *size)
        if base is None:
            seen = self._reached(references, fused.flow, size)
        if len(seen) < len(references):
            return _synthesis(made, weight, size, None)
        # Where one of them ends it is filled from the LSR stream: the network sees that it has no detail.
        within = torch.stack(seen).any(dim=0)
        out = torch.where(within, made, crop(up, *size))
        valid = within[0, 0].cpu().numpy()
        return _synthesis(out, weight * within, size, np.ascontiguousarray(valid))

    def _look_at_base(
        self,
        upscaled: FloatImage,
        references: Sequence[Reference],
        flows: Sequence[FlowArray],
        near: list[FloatImage],
    ) -> tuple[Callable[[Sequence[Tensor]], Base] | None, list[Tensor]]:
        """What a refined network goes on from, and where each limited reference reaches, unpadded."""
        if self._base is None or not self._network.refined:
            return None, []
        live, reached = _sharpen(self._base, upscaled, references, flows, near, self._noise, self._device)
        picture, weight = (
            pad_to_multiple(crop(each, *upscaled.shape[:2]), MULTIPLE) for each in (live.out, live.weight)
        )
        base = Base(picture, weight)
        return lambda _: base, [torch.from_numpy(one)[None, None].to(self._device) > 0 for one in reached]

    def _reached(self, references: Sequence[Reference], flows: Tensor, size: tuple[int, int]) -> list[Tensor]:
        """Where each limited reference reaches by the network's own measure: whole pixels, inside."""
        seen = []
        for reference, flow in zip(references, flows.chunk(self._network.references, dim=1), strict=False):
            if reference.valid is not None:
                there = torch.from_numpy(reference.valid.astype(np.float32))[None, None].to(self._device)
                there, _ = backward_warp(pad_to_multiple(there, MULTIPLE), flow)
                seen.append(crop(there, *size) >= _SEEN)
        return seen


class LearnedFlow:
    """Motion from a flow network, a small one or AWnet's FlowNet; a `FlowSource`.

    Args:
        network: A FlowNet made for pairs of equal sharpness.
        scale: Output pixels per LSR pixel.
        device: "cpu" or "cuda".
        noise_variance: Variance of the LSR frames' noise, of values in 0..1.

    """

    def __init__(
        self, network: FlowNet, scale: float, device: str = "cpu", *, noise_variance: float = 0.0
    ) -> None:
        self._network = network.to(device).eval()
        self._device = device
        self._searches = learned_searches(scale, noise_variance)
        self._turn = Lock()

    @torch.inference_mode()
    def __call__(self, upscaled: FloatImage, reference: Reference) -> FlowArray:
        """See `FlowSource`."""
        with self._turn:
            return self._search(upscaled, reference)

    def _search(self, upscaled: FloatImage, reference: Reference) -> FlowArray:
        frame, sharp, matched = (
            to_planes(picture, self._device) for picture in (upscaled, reference.image, reference.matched)
        )
        flow = self._find(frame, matched)
        for _ in range(1, self._searches):
            # As DisFlow does: less what differs only because the LSR camera's pixels lay elsewhere.
            shown = lose_detail_planes(backward_warp_border(sharp, flow), reference.lsr_size)
            flow = self._find(frame - (shown - backward_warp_border(matched, flow)), matched)
        return np.ascontiguousarray(flow[0].permute(1, 2, 0).float().cpu().numpy())

    def _find(self, seen: Tensor, sought: Tensor) -> Tensor:
        padded = (pad_to_multiple(picture, MULTIPLE) for picture in (seen, sought))
        return crop(self._network(*padded), *seen.shape[-2:])


class LiveSynthesiser:
    """The fast network with flow from outside.

    Args:
        network: A LiveNet.
        scale: Output pixels per LSR pixel.
        device: "cpu" or "cuda".
        noise_variance: Variance of the LSR frames' noise, of values in 0..1.
        flow: Where motion comes from; DIS where left out.

    """

    recursion = "direct"

    def __init__(
        self,
        network: LiveNet,
        scale: float,
        device: str = "cpu",
        *,
        noise_variance: float = 0.0,
        flow: FlowSource | None = None,
    ) -> None:
        self._network = network.for_inference(device)
        self._motion = JointMotion(flow or DisFlow(scale, noise_variance), scale, noise_variance)
        self._device = device
        self._noise = noise_variance**0.5
        self._lsr_trust = lsr_trust(noise_variance)
        self._turn = Lock()

    @torch.inference_mode()
    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        """Run the network on one frame; see `fusion.gop.Synthesiser`."""
        flows = self._motion(lsr, upscaled, references)
        near = usable_neighbours(upscaled, neighbours, self._noise**2)
        with self._turn:
            return self._fuse(lsr, upscaled, references, flows, near)

    def _fuse(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        flows: Sequence[FlowArray],
        near: list[FloatImage],
    ) -> Synthesis:
        size = upscaled.shape[:2]
        fused, seen = _sharpen(self._network, upscaled, references, flows, near, self._noise, self._device)
        up = to_planes(upscaled, self._device)
        out = crop(fused.out, *size)
        small = to_planes(lsr, self._device)
        out = back_project(out, small, self._lsr_trust)
        weight = crop(fused.weight, *size)
        valid = None
        if len(seen) == len(references):
            valid = np.maximum.reduce(seen) > 0
            there = torch.from_numpy(valid.astype(np.float32))[None, None].to(self._device)
            out = there * out + (1 - there) * up
            weight = weight * there
        return _synthesis(out, weight, size, valid)


class UpscalerSynthesiser:
    """The upscaled frame with guessed detail, whatever the references show: what they have to improve on.

    Args:
        upscaler: An Upscaler.
        noise_variance: Variance of the LSR frames' noise, of values in 0..1.

    """

    recursion = "direct"

    def __init__(self, upscaler: Upscaler, noise_variance: float = 0.0) -> None:
        self._upscaler = upscaler.eval()
        self._noise_variance = noise_variance

    @torch.inference_mode()
    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        """Run the upscaler on one frame; see `fusion.gop.Synthesiser`."""
        up = pad_to_multiple(to_planes(upscaled, "cpu"), LIVE_MULTIPLE)
        near = [
            pad_to_multiple(to_planes(one, "cpu"), LIVE_MULTIPLE)
            for one in usable_neighbours(upscaled, neighbours, self._noise_variance)
        ]
        return _synthesis(
            up + self._upscaler(up, near), torch.zeros_like(up[:, :1]), upscaled.shape[:2], None
        )


def _sharpen(
    network: LiveNet,
    upscaled: FloatImage,
    references: Sequence[Reference],
    flows: Sequence[FlowArray],
    near: list[FloatImage],
    noise: float,
    device: str,
) -> tuple[LiveFused, list[npt.NDArray[np.float32]]]:
    """What `live` makes of a frame, padded, and for each limited reference where it reaches."""
    up = pad_to_multiple(to_planes(upscaled, device), LIVE_MULTIPLE)
    seen: list[npt.NDArray[np.float32]] = []

    def prepared() -> Iterator[LiveReference]:
        # All of them at once would take as much memory as the rest of the frame.
        for reference, flow in zip(references, flows, strict=True):
            planes = torch.from_numpy(flow).permute(2, 0, 1)[None].to(device)
            moved = move_both_ways(to_planes(reference.image, device), planes, reference.lsr_size)
            if reference.valid is not None:
                moved = [_within(one, reference.valid) for one in moved]
                shown = torch.cat([one.counts for one in moved if one.counts is not None], dim=1)
                seen.append((shown > 0).any(dim=1)[0].float().cpu().numpy())
            while moved:
                yield _padded(moved.pop(0))

    def neighbours() -> Iterator[Tensor]:
        while near:
            yield pad_to_multiple(to_planes(near.pop(0), device), LIVE_MULTIPLE)

    return network(up, prepared(), noise, neighbours()), seen


def _within(moved: LiveReference, valid: Mask) -> LiveReference:
    """A moved reference that counts only where it shows what is `valid` (H, W) of it."""
    flow = moved.flow[0].permute(1, 2, 0).contiguous().cpu().numpy()
    reached = torch.from_numpy(reaches(flow, valid))[None, None].to(moved.flow.device)
    return moved._replace(counts=reached if moved.counts is None else reached * moved.counts)


def _padded(moved: LiveReference) -> LiveReference:
    sharp, matched, flow = (
        pad_to_multiple(x, LIVE_MULTIPLE) for x in (moved.sharp, moved.matched, moved.flow)
    )
    counts = None if moved.counts is None else pad_to_multiple(moved.counts, LIVE_MULTIPLE)
    return LiveReference(sharp, matched, flow, counts)


def _padded_flow(flow: FlowArray, device: str) -> Tensor:
    """(H, W, 2) as (1, 2, H, W) on `device`, padded for AWnet."""
    return pad_to_multiple(torch.from_numpy(flow).permute(2, 0, 1)[None].to(device), MULTIPLE)


def _synthesis(out: Tensor, weight: Tensor, size: Sequence[int], valid: np.ndarray | None) -> Synthesis:
    height, width = size[0], size[1]
    image = crop(out, height, width)[0].permute(1, 2, 0).float().cpu().numpy() * 255
    shares = crop(weight, height, width)[0, 0].float().cpu().numpy()
    return Synthesis(image, np.ascontiguousarray(shares), valid)


def to_planes(image: FloatImage, device: str) -> Tensor:
    """(H, W, 3) float32 in 0..255 to (1, 3, H, W) in 0..1 on `device`."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(device) / 255
