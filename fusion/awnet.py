"""AWnet: adaptive weighting of warped sharp references and the upscaled fast frame (paper 3.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fusion.agreement import MOST_LOGIT, agreement
from fusion.cards import layout_of
from fusion.classical import DETAIL_SHARE, FLOOR, NOISE_TOLERANCE
from fusion.dynamic_filter import dynamic_filter
from fusion.errors import FusionInputError, WeightsError
from fusion.flownet import NORMALISED, PUBLISHED, FlowNet
from fusion.fusionnet import FusionNet
from fusion.padding import crop, pad_to_multiple
from fusion.resample import lose_detail_planes
from fusion.upscaler import Upscaler
from fusion.warp import backward_warp, backward_warp_border
from fusion.weights import load_weights

TAPS = 25
MULTIPLE = 64
"""Height and width must be multiples of this many pixels."""

_OPTIONS = ("matched", "direct", "sisr", "refined")
_COLOURS = 3
_SLOPE = 0.1
_NOISE_GAIN = 10.0
_START_SHARE = -5.0


class Base(NamedTuple):
    """What the refined layout goes on from.

    Attributes:
        picture: (B, 3, H, W) in 0..1, the frame as `live` sharpened it.
        weight: (B, 1, H, W) total weight of the references in it.

    """

    picture: Tensor
    weight: Tensor


class LsrCamera(NamedTuple):
    """What the refined layout is told of the camera whose frame it sharpens.

    Attributes:
        size: Rows and columns of its frames.
        area: Rows and columns that they fill of the padded pictures, in the middle.
        noise: Standard deviation of its noise, of values in 0..1, or (B, 1, 1, 1) of them.

    """

    size: tuple[int, int]
    area: tuple[int, int]
    noise: float | Tensor = 0.0

    def leaves(self, planes: Tensor) -> Tensor:
        """What this camera would leave of padded pictures (B, C, H, W), at their size."""
        return pad_to_multiple(lose_detail_planes(crop(planes, *self.area), self.size), MULTIPLE)


class Fused(NamedTuple):
    """What the network returns for N references; all (B, C, H, W).

    Attributes:
        out: (B, 3) fused picture, nominally 0..1, not clamped.
        warped: (B, 3 N) warped references, zero where a reference does not reach.
        mask: (B, N) share of each filtered reference, 0..1; the upscaled frame has the rest.
        taps: (B, 25 N) filter taps, row by row, unconstrained.
        flow: (B, 2 N) offsets into the references [px].
        weight: (B, 1) total weight W of the references (paper eq. 12): mask times the sum of the taps.
            Nothing keeps it inside 0..1.
        guess: (B, 3) what the picture is without any reference: the upscaled frame, with the detail guessed
            where the layout has any.

    """

    out: Tensor
    warped: Tensor
    mask: Tensor
    taps: Tensor
    flow: Tensor
    weight: Tensor
    guess: Tensor


def check_inputs(images: Sequence[Tensor]) -> None:
    """Raise FusionInputError unless all are (B, 3, H, W) of one size, multiples of `MULTIPLE`."""
    shapes = {tuple(image.shape) for image in images}
    shape = images[0].shape
    if len(shapes) != 1 or len(shape) != 4 or shape[1] != 3:
        raise FusionInputError(
            f"references and upscaled frame of shapes {sorted(shapes)} must all be (batch, 3, height, width) "
            "of the same size"
        )
    if shape[2] % MULTIPLE or shape[3] % MULTIPLE:
        raise FusionInputError(
            f"{shape[3]}x{shape[2]} pixels: width and height must be multiples of {MULTIPLE}; pad the "
            "frames, or use Fuser, which does"
        )


class AWnet(nn.Module):
    """FlowNet, warp, FusionNet, dynamic filter, blend.

    With one reference it is the published network. As there, the input of the U-Net is detached: FlowNet
    learns only through the filtered reference. Out-of-frame pixels of a reference get mask 0, so they show
    the upscaled frame.

    With N references (paper 3.2.4, eq. 9) there are 25 N taps and N + 1 masks that sum to 1 (softmax). The
    paper leaves two things open: here all references share one FlowNet, and each adds to the U-Net's input
    what the only one adds (its warped picture, its flow, its difference from the frame).

    Args:
        references: Number of references N.
        matched: Beyond the paper, FlowNet compares like with like: it sees each reference after the LSR
            camera's loss of detail, and normalised features. The published model sees it sharp.
        direct: The ablation ConvDP (paper Table 6): the U-Net writes the picture itself, without filters.
        sisr: The frame gets the detail that a learned upscaler guesses (paper Table 4) before it is fused.
            The upscaler was trained before and learns no more; FlowNet sees the frame without guesses.
        refined: Beyond the paper: the frame that it sharpens is not the upscaled one but what `live` made of
            it, which leaves to the large network what the small one cannot do, and it also writes what that
            frame lacks besides. References are moved bicubically, and beyond their edges the outermost pixels
            count. Instead of its difference from the frame, the U-Net sees that of what the LSR camera would
            leave of a moved reference, how far the two agree, and what `live` did. The result is corrected by
            the LSR frame, in training as in use. The U-Net's activations let a tenth of negative values
            through: with none, whole scales of it died.

    Raises:
        FusionInputError: `refined` with `direct` or `sisr`: each has another picture to begin with.

    """

    def __init__(
        self,
        references: int = 1,
        *,
        matched: bool = False,
        direct: bool = False,
        sisr: bool = False,
        refined: bool = False,
    ) -> None:
        super().__init__()
        if refined and (direct or sisr):
            other = "the direct ablation" if direct else "the learned upscaler"
            raise FusionInputError(f"awnet: {other} is a start of its own, as live is; leave out refined")
        self.references, self.matched, self.direct, self.sisr = references, matched, direct, sisr
        self.refined = refined
        self.flow = FlowNet(NORMALISED if matched else PUBLISHED)
        masks = 1 if references == 1 else references + 1
        outputs = _COLOURS if direct else TAPS * references + masks + _COLOURS * refined
        slope = _SLOPE if refined else 0.0
        inputs = _COLOURS + 8 * references + (references + 1 + _COLOURS) * refined
        self.fusion = FusionNet(inputs=inputs, outputs=outputs, direct=direct, slope=slope)
        self.upscaler = Upscaler() if sisr else None

    @property
    def layout(self) -> str:
        """Name of the layout in weights files: `awnet-1`, `awnet-2-matched`, `awnet-1-direct`, ..."""
        options = [name for name in _OPTIONS if getattr(self, name)]
        return "-".join(["awnet", str(self.references), *options])

    @classmethod
    def from_layout(cls, layout: str) -> AWnet:
        """An untrained network of the layout so named.

        Raises:
            WeightsError: It is no layout of this network.

        """
        found = re.fullmatch(r"awnet-(\d)" + "".join(f"(-{name})?" for name in _OPTIONS), layout)
        if found is None:
            raise WeightsError(f"{layout}: no layout of AWnet; choose the method these weights belong to")
        return cls(int(found[1]), **{name: bool(found[2 + k]) for k, name in enumerate(_OPTIONS)})

    def start_at_plain_warp(self) -> None:
        """Let an untrained network filter nothing and mix the warped references and the frame evenly.

        The refined one leaves the frame nearly as it is.
        """
        first = _COLOURS * (self.references + 1)
        self.fusion.start_with_signal(range(first, first + 2 * self.references))
        if self.direct:
            return
        tail = self.fusion.tail
        assert tail.bias is not None
        nn.init.normal_(tail.weight, std=1e-4)
        nn.init.zeros_(tail.bias)
        with torch.no_grad():
            tail.bias[TAPS // 2 : TAPS * self.references : TAPS] = 1.0
            if self.refined:
                tail.bias[TAPS * self.references :][: self.references] = _START_SHARE

    def forward(
        self,
        reference: Tensor,
        lsr_up: Tensor,
        *more: Tensor,
        matched: Sequence[Tensor] = (),
        flows: Sequence[Tensor] = (),
        camera: LsrCamera | None = None,
        base: Callable[[Sequence[Tensor]], Base] | None = None,
    ) -> Fused:
        """Fuse the references into one upscaled frame.

        Args:
            reference: (B, 3, H, W) in 0..1; H and W multiples of 64.
            lsr_up: (B, 3, H, W) in 0..1, the frame to sharpen, already at the reference's size.
            more: Further references, like the first.
            matched: The references after the LSR camera's loss of detail, where the network wants them and
                looks for motion itself.
            flows: Motion found elsewhere, for each reference (B, 2, H, W) [px]; FlowNet is not asked then.
            camera: The LSR camera, for the refined layout.
            base: For the refined layout: given the flows, what it goes on from.

        Returns:
            The fused picture and how it came about.

        Raises:
            FusionInputError: Sizes differ or are not multiples of 64, or another number of references.

        """
        references = (reference, *more)
        if len(references) != self.references:
            raise FusionInputError(f"made for {self.references} reference(s), given {len(references)}")
        if len(matched) != (self.references if self.matched and not flows else 0):
            raise FusionInputError(f"{self.layout} given {len(matched)} matched reference(s)")
        if self.refined and (camera is None or base is None):
            raise FusionInputError(f"{self.layout} must be given the LSR camera and the frame from live")
        check_inputs([*references, lsr_up, *matched])
        # Together they need fewer launches, which training is made of; one by one they need less memory.
        learning = torch.is_grad_enabled()
        if flows:
            flows = list(flows)
        elif learning:
            flows = list(self.flow.towards(lsr_up, matched or references))
        else:
            flows = [self.flow(lsr_up, one) for one in matched or references]
        move = _move_all if self.refined else backward_warp
        pairs = [move(image, flow) for image, flow in zip(references, flows, strict=True)]
        warped = [pair[0] for pair in pairs]
        if self.upscaler is not None:
            with torch.no_grad():
                lsr_up = lsr_up + self.upscaler(lsr_up)
        before: Base | None = None
        seen = [*warped, lsr_up, *flows]
        if camera is not None and base is not None and self.refined:
            before = base(flows)
            seen += [*_compare(warped, lsr_up, camera), before.picture - lsr_up]
            lsr_up = before.picture.detach()
        else:
            seen += [image - lsr_up for image in warped]
        inputs = torch.cat(seen, dim=1).detach()
        raw = self.fusion(inputs) if learning else self.fusion.in_tiles(inputs)
        if self.direct:
            empty = lsr_up[:, :0]
            nothing = torch.zeros_like(lsr_up[:, :1])
            return Fused(
                raw, torch.cat(warped, dim=1), empty, empty, torch.cat(flows, dim=1), nothing, lsr_up
            )
        if self.refined:
            raw, detail = raw[:, :-_COLOURS], raw[:, -_COLOURS:]
            lsr_up = lsr_up + detail
        fused = blend(warped, lsr_up, raw, [pair[1] for pair in pairs], flows)
        if before is None:
            return fused
        left = 1 - fused.mask.sum(dim=1, keepdim=True)
        return fused._replace(weight=fused.weight + left * before.weight)


def _compare(warped: Sequence[Tensor], lsr_up: Tensor, camera: LsrCamera) -> list[Tensor]:
    """Each moved reference's coarse difference from the frame; then how far they agree, and the noise."""
    noise = torch.zeros_like(lsr_up[:, :1]) + camera.noise
    scale = camera.area[0] / camera.size[0]
    tolerance = lsr_up.new_tensor((DETAIL_SHARE / scale, FLOOR, NOISE_TOLERANCE))
    moved = [image.detach() for image in warped]
    left = [camera.leaves(image) for image in moved]
    differences = [one - lsr_up for one in left]
    agrees = [
        agreement(image - one, difference, noise, tolerance) / MOST_LOGIT
        for image, one, difference in zip(moved, left, differences, strict=True)
    ]
    return [*differences, *agrees, noise * _NOISE_GAIN]


def blend(
    warped: Sequence[Tensor], lsr_up: Tensor, raw: Tensor, valid: Sequence[Tensor], flow: Sequence[Tensor]
) -> Fused:
    """Filter the warped references and mix them with the upscaled frame (paper eq. 5 to 7, and 9).

    Args:
        warped: For each of N references (B, 3, H, W), warped.
        lsr_up: (B, 3, H, W) upscaled frame, with guessed detail if any.
        raw: FusionNet's output (B, 25 N + masks, H, W). One reference has one mask, before its sigmoid; more
            have N + 1, before their softmax, the upscaled frame's last.
        valid: For each reference (B, 1, H, W), 1 where it is defined after warping.
        flow: For each reference (B, 2, H, W), passed through.

    """
    count = len(warped)
    taps, masks = raw[:, : TAPS * count], raw[:, TAPS * count :]
    shares = torch.sigmoid(masks) if count == 1 else torch.softmax(masks, dim=1)[:, :count]
    shares = shares * torch.cat(list(valid), dim=1)
    out = (1 - shares.sum(dim=1, keepdim=True)) * lsr_up
    weight = torch.zeros_like(lsr_up[:, :1])
    for index, image in enumerate(warped):
        own = taps[:, TAPS * index : TAPS * (index + 1)]
        share = shares[:, index : index + 1]
        out = out + share * dynamic_filter(image, own)
        weight = weight + share * own.sum(dim=1, keepdim=True)
    return Fused(
        out, torch.cat(list(warped), dim=1), shares, taps, torch.cat(list(flow), dim=1), weight, lsr_up
    )


def _move_all(image: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """As `backward_warp`, with nothing out of reach."""
    return backward_warp_border(image, flow), torch.ones_like(flow[:, :1])


def load_awnet(path: Path) -> AWnet:
    """The network of a weights file, in whichever layout it was trained.

    Raises:
        WeightsError: The file is missing, damaged, or for another method.

    """
    layout = layout_of(path)
    try:
        network = AWnet.from_layout(layout)
    except WeightsError as error:
        raise WeightsError(f"{path}: made for {error}") from error
    load_weights(path, network, layout=layout)
    return network
