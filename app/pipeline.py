"""Stream pair -> GoPs -> aligned reference -> fusion -> RGB frames: the product's straight line, without Qt.

The command line, the window's jobs and the tests all run this one class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from threading import Event

from app.ahead import in_order, parts_at_once
from app.aligner import Aligner
from app.errors import CancelledError, InputError
from app.frame_records import FrameRecord, frame_record, frame_records
from app.fusion_options import FusionOptions
from app.gop_parts import GopParts
from app.gop_range import gops_between
from app.moments import Moment, Sharpness, moment_of, noise_of, sharpness_of
from app.one_view_noise import noise_of_one_view
from app.pair_pictures import PairPictures
from app.sharp_views import (
    COLOUR_MEMORY,
    ColourMemory,
    SharpView,
    as_filmed,
    in_own_colours,
    same_view,
)
from app.timing import missing_frames, read_timing
from calibration import Alignment
from drivers import (
    Gop,
    Image,
    Pairing,
    RgbImage,
    StreamPair,
    in_8_bits,
    pair_streams,
)
from fusion import Fuser
from fusion.digital_gain import brightened
from fusion.gop import FusedFrame

_ALIGN_TRIALS = 7
_PLACES = (0.25, 0.5, 0.75)
"""Where in a recording sharpness and noise are measured."""


@dataclass(frozen=True, slots=True, eq=False)
class HstrFrame:
    """One fused frame.

    Attributes:
        image: (H, W, 3) RGB, uint8, or uint16 where more bits are kept.
        lsr: (h, w, 3) RGB alike, the LSR frame it was made from, cut to the output view.
        record: Where it came from.

    """

    image: Image
    lsr: Image
    record: FrameRecord


class Pipeline:
    """Fuses one pair of streams.

    Preparing reads a few frames: it pairs the streams, aligns the views and chooses the model, so every cause
    of failure shows before work begins.

    Args:
        pair: The streams.
        options: How to fuse them.
        deep: Keep more than 8 bits of a colour where a stream has them.
        at_once: Frames made at the same time; None for what suits the machine. Results are the same.

    Attributes:
        pair: The streams.
        deep: Whether more than 8 bits are kept: frames are uint16 then.
        pairing: Which HSR frame serves which LSR frames.
        rate: LSR frames per real second where none is missing.
        slots: When each frame that `frames` yields is shown, in steps of 1 / `rate`; see `app.timing`.
        aligner: Aligns the views.
        alignment: That of the GoP which fixes the output view.
        sharpness: How sharp both cameras are; LSR frames are filtered accordingly before they are fused.
        noise_variance: What sets an LSR frame apart from a reduced reference besides detail (of 0..1).
        error_variance: The same beside references as fusion makes them: what it is told of, and chooses by.
        fuser: Computes the frames.

    Raises:
        InputError: Options and streams do not fit together.
        DriverError, CalibrationError, FusionError: As the packages say.

    """

    def __init__(
        self,
        pair: StreamPair,
        options: FusionOptions | None = None,
        *,
        deep: bool = False,
        at_once: int | None = None,
    ) -> None:
        self.options = options = options or FusionOptions()
        self.pair = pair
        self.deep = deep and pair.deep
        # By HSR frame, of those that were looked at.
        self._replaced: dict[int, bool] = {}
        self.pairing: Pairing = pair_streams(pair)
        self._gops, self._offset = gops_between(self.pairing.gops, pair.lsr, options.start_s, options.end_s)
        timing = read_timing(pair.lsr.mid_exposure_ns, self.pairing.lsr_period_ns)
        self.rate = timing.rate
        self._places = timing.slots
        chosen = timing.slots[self._gops[0].lsr_indices[0] : self._gops[-1].lsr_indices[-1] + 1]
        self.slots = tuple(slot - chosen[0] for slot in chosen)
        self.aligner = Aligner(options.align, pair)
        self._pictures = PairPictures(pair, self.pairing.gops, same_view=self.aligner.same_view)
        self._typical, self.alignment = self._align()
        self._moments: dict[int, Moment] = {}
        self.sharpness = self._sharpness()
        self.noise_variance = self._noise_variance()
        # To fusion, what no filter made right is noise as well.
        self.error_variance = max(self.noise_variance, (self.sharpness.error / 255) ** 2)
        self._moments.clear()
        self.fuser = Fuser(
            options.method,
            scale=self.alignment.scale,
            references=options.references,
            device=options.device,
            noise_variance=self.error_variance,
            recursion=options.recursion,
            weights=options.weights,
            flow=options.flow,
            lights=options.colours == "hsr",
            gain=self.gain,
        )
        if options.colours == "hsr" and self.fuser.recursion == "recurrent":
            raise InputError(
                "frames made from each other show one another's light, not the HSR camera's; "
                "with --colours hsr leave out --recursion recurrent"
            )
        self._plan = GopParts(
            self._gops, self._offset, len(self.pairing.gops), self.fuser.references, self.fuser.recursion
        )
        self._at_once = at_once or parts_at_once(self.width * self.height)

    @property
    def width(self) -> int:
        """Width of the output view [px]."""
        return int(self.alignment.valid.shape[1])

    @property
    def height(self) -> int:
        """Height of the output view [px]."""
        return int(self.alignment.valid.shape[0])

    @property
    def gain(self) -> float:
        """How many times as bright the streams are fused."""
        return self._pictures.gain

    @property
    def frame_count(self) -> int:
        """Frames that `frames` yields."""
        return sum(len(gop.lsr_indices) for gop in self._gops)

    @property
    def warnings(self) -> list[str]:
        """What the operator should know so far, one sentence each."""
        note = [self.fuser.note] if self.fuser.note else []
        return [
            *self.pair.findings,
            *self._missing(),
            *note,
            *self._pictures.damage,
            *self.sharpness.warnings,
            *self._unlike(),
            *self.aligner.doubts(),
            *self.aligner.warnings,
        ]

    def _unlike(self) -> Iterator[str]:
        unlike = [index for index, replaced in self._replaced.items() if replaced]
        if unlike:
            yield (
                f"{len(unlike)} HSR frames do not show what the LSR clip shows at their instants, "
                f"first frame {min(unlike)}: where they differ, fused ones are in their place"
            )

    def _missing(self) -> Iterator[str]:
        missing = missing_frames(self.slots, "LSR", "fused")
        if missing:
            yield f"{missing}, and time_s in the file beside it says when each frame was filmed"
        if self.pairing.missing_hsr:
            yield f"{self.pairing.missing_hsr} HSR frames are missing: frames around them have less detail"

    @property
    def gops(self) -> tuple[Gop, ...]:
        """The GoPs inside the chosen range, cut to it."""
        return self._gops

    def _whole(self, number: int) -> Gop:
        """A chosen GoP, not cut to the range: a sharp frame is matched with the frame of its own instant."""
        return self.pairing.gops[self._offset + number]

    def _align(self) -> tuple[int, Alignment]:
        """The GoP that fixes the output view, sought from the middle outwards, and how.

        The middle of a recording is the least likely to be a blank start or a hand at the switch.
        """
        middle = len(self._gops) // 2
        tried = sorted(range(len(self._gops)), key=lambda k: abs(k - middle))[:_ALIGN_TRIALS]
        place, found = self.aligner.first(_alike(*self._pair_of(self._whole(k))) for k in tried)
        return tried[place], found

    def _sharpness(self) -> Sharpness:
        """How sharp the cameras are: of the whole recording, so that a part has the frames of the whole."""
        last = len(self.pairing.gops) - 1
        return sharpness_of([self._moment(k) for k in sorted({round(place * last) for place in _PLACES})])

    def _noise_variance(self) -> float:
        """Variance (of 0..1) of what sets an LSR frame apart from the reduced reference besides detail."""
        pictures = self._pictures
        if self.aligner.same_view:
            whole = [self._whole(k) for k in range(len(self._gops))]
            as_filmed, matched = (
                noise_of_one_view(whole, read, pictures.hsr, self.gain) for read in (self._filmed, self._seen)
            )
        else:
            # In one of them a flash may have lit what only one camera saw.
            chosen = {self._typical, *(round(place * (len(self._gops) - 1)) for place in _PLACES)}
            moments = [self._moment(self._offset + k) for k in sorted(chosen)]
            as_filmed = median(map(noise_of, moments))
            matched = median(noise_of(moment.matched(self.sharpness)) for moment in moments)
        # What the filter leaves of other errors is no noise of the camera.
        return float(min(matched, self.sharpness.noise_gain * as_filmed) / 255) ** 2

    def _moment(self, number: int) -> Moment:
        """What a GoP of the pairing shows; remembered while the recording is looked at."""
        if number in self._moments:
            return self._moments[number]
        gop = self.pairing.gops[number]
        view = self._reference(number, ColourMemory())
        if self.options.colours == "hsr" and number == self._offset + self._typical:
            view.colours.inverse()
        filmed = [self._filmed(k) for k in gop.lsr_indices]
        self._moments[number] = moment_of(view, filmed, gop, self.gain, same_view=self.aligner.same_view)
        return self._moments[number]

    def _filmed(self, index: int) -> Image:
        """An LSR frame in the output view."""
        return self.alignment.crop_lsr(self._pictures.lsr(index))

    def _seen(self, index: int) -> Image:
        """An LSR frame in the output view, as sharp as fusion expects it."""
        return self.sharpness.matched(self._filmed(index))

    def _reference(self, number: int, colours: ColourMemory) -> SharpView:
        """HSR frame of a GoP of the pairing, as fusion takes it, in colours that follow the GoPs before."""
        gop = self.pairing.gops[number]
        hsr, lsr = self._pair_of(gop)
        alignment = self.aligner.align(*_alike(hsr, lsr), f"the GoP of HSR frame {gop.hsr_index}")
        if self.aligner.same_view:
            return same_view(hsr, alignment)
        return colours.view(number, hsr, alignment.crop_lsr(lsr), alignment)

    def _pair_of(self, gop: Gop) -> tuple[Image, Image]:
        """A GoP's HSR frame and the LSR frame of its instant."""
        return self._pictures.hsr(gop.hsr_index), self._pictures.lsr(gop.nearest_lsr)

    def frames(self, *, skip: int = 0, cancelled: Callable[[], bool] | None = None) -> Iterator[HstrFrame]:
        """Fused frames in time order; memory for a few GoPs and their references, whatever the length.

        Args:
            skip: Leave out this many frames at the start (their GoP is computed, they are not yielded).
            cancelled: Asked before each frame; True ends the work with CancelledError.

        """
        first = 0
        while first < len(self._gops) and skip >= len(self._gops[first].lsr_indices):
            skip -= len(self._gops[first].lsr_indices)
            first += 1
        stop = Event()

        def given_up() -> bool:
            return stop.is_set() or (cancelled is not None and cancelled())

        for frame in in_order(self._parts(first, given_up), self._at_once, stop):
            if skip:
                skip -= 1
                continue
            yield frame

    def _parts(self, first: int, given_up: Callable[[], bool]) -> Iterator[Callable[[], Iterator[HstrFrame]]]:
        """Work that can be done side by side, from a GoP on; all that is read is read here, in order."""
        references: dict[int, SharpView] = {}
        # Colours are smoothed over GoPs: those before the first wanted one have to be measured again.
        colours = ColourMemory()
        begin = min(self._plan.sharp_frames(0))
        for k in range(max(self._offset + first - COLOUR_MEMORY, begin), self._offset + first):
            references = {k: self._reference(k, colours)}
        for number in range(first, len(self._gops)):
            wanted = self._plan.sharp_frames(number)
            references = {k: references.get(k) or self._reference(k, colours) for k in wanted}
            filmed = [self._filmed(k) for k in self._gops[number].lsr_indices]
            for part, other in self._plan.parts(number):
                sharp = [references[self._offset + number]]
                if self.fuser.references > 1 and other in references:
                    sharp.append(references[other])
                yield partial(self._fuse, number, filmed, part, sharp, other, given_up)

    def _fuse(
        self,
        number: int,
        filmed: list[Image],
        part: slice,
        sharp: list[SharpView],
        other: int,
        given_up: Callable[[], bool],
    ) -> Iterator[HstrFrame]:
        """Frames of a part of a GoP, given its LSR frames and the sharp ones on its sides."""
        gop, lsr = self._gops[number], [self.sharpness.matched(image) for image in filmed]
        apart = self._apart(gop, self.pairing.gops[other]) if len(sharp) > 1 else 0.0
        beside = [(lsr[k], gop.away[k]) for k in range(len(lsr)) if k not in range(len(lsr))[part]]
        for fused in self._fused(
            lsr[part],
            gop.away[part],
            sharp,
            apart,
            beside=beside,
            same_view=self.aligner.same_view,
            given_up=given_up,
        ):
            at = part.start + fused.position
            image, replaced = fused.image, False
            if self.options.colours == "hsr":
                way = min(max(fused.distance / apart, 0.0), 1.0) if apart else 0.0
                image = in_own_colours(fused, sharp, [1 - way, way][: len(sharp)])
            elif self.aligner.same_view and fused.distance == 0:
                next_to_it = [*lsr[max(at - 1, 0) : at], *lsr[at + 1 : at + 2]]
                alone = partial(self._fused_alone, lsr[at], sharp, apart)
                image, replaced = as_filmed(image, lsr[at], next_to_it, self.noise_variance, alone, self.gain)
                self._replaced[gop.hsr_index] = replaced
            record = frame_record(self.pair.lsr, gop, at, fused.reference, replaced)
            yield HstrFrame(self._as_deep_as_wanted(image), self._as_deep_as_wanted(filmed[at]), record)
        if given_up():
            raise CancelledError("stopped by the operator")

    def _as_deep_as_wanted(self, image: Image) -> Image:
        return image if self.deep else in_8_bits(image)

    def _fused_alone(self, lsr: Image, sharp: list[SharpView], apart: float) -> Image:
        """A frame of the first sharp one's instant, made as if that one were of another view."""
        return next(self._fused([lsr], [0.0], sharp, apart, same_view=False)).image

    def _fused(
        self,
        lsr: list[Image],
        away: Sequence[float],
        sharp: list[SharpView],
        apart: float,
        *,
        beside: Sequence[tuple[Image, float]] = (),
        same_view: bool,
        given_up: Callable[[], bool] | None = None,
    ) -> Iterator[FusedFrame]:
        """LSR frames so far away from the first sharp one, which the second one is `apart` from.

        Those `beside` them, each with how far away it is, help to make them.
        """
        first, second = sharp[0], sharp[1] if len(sharp) > 1 else None
        return self.fuser.fuse_gop(
            lsr,
            away,
            first.image,
            valid=first.valid,
            next_reference=second.image if second else None,
            next_valid=second.valid if second else None,
            next_distances=[distance - apart for distance in away],
            beside=beside,
            same_view=same_view,
            cancelled=given_up,
        )

    def _apart(self, gop: Gop, other: Gop) -> float:
        """LSR periods from a GoP's synchronised instant to that of another, lost frames counted."""
        first, second = (self._places[one.lsr_indices[0]] - one.away[0] for one in (gop, other))
        return float(second - first)

    def records(self) -> tuple[FrameRecord, ...]:
        """Where every frame that `frames` yields comes from, in order, without computing any."""
        looked_at = self.aligner.same_view and self.options.colours != "hsr"
        replaced = self._replaced if looked_at else None
        return frame_records(self.pair.lsr, self._gops, self.fuser.recursion, replaced)


def _alike(hsr: Image, lsr: Image) -> tuple[RgbImage, RgbImage]:
    """Two views as they are aligned: neither too dark."""
    return brightened(hsr)[0], brightened(lsr)[0]
