"""Model cards (JSON) beside weights files: what there is, and which model suits an input. Loads no torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from fusion.errors import WeightsError

METHODS: tuple[str, ...] = ("awnet", "live", "classical", "bicubic")
"""Fusion methods by name; which of the networks can run depends on the weights that are there."""

LEARNED = ("awnet", "live")
"""Those of them that are networks."""

FOLDER = Path(__file__).parent / "weights"

SHIPPED_FLOW = FOLDER / "flow" / "flownet.safetensors"
"""AWnet's FlowNet; how far to trust it is in the card beside it."""

_SAME_SCALE = 1.01
_FARTHEST_SCALE = 1.25
_FARTHEST_GUESS = 1.5
_FARTHEST_NOISE = 2.0
_CLEAN = 5e-5
"""What a model made for clean frames can take."""
UNNAMED = "an unnamed layout"
"""What a weights file is made for that does not say it."""
_WEIGHTS = ".safetensors"
_FLOW_LAYOUTS = "flownet"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the program needs to know of a weights file; the whole card is in the JSON file beside it.

    Attributes:
        path: The weights file.
        method: The network: "awnet" or "live".
        scale: Output pixels per LSR pixel that it was trained for.
        least_scale: The smallest one, where it was trained for several.
        most_scale: The greatest one, likewise.
        noise_variance: Largest variance of the LSR noise seen in training, of values in 0..1.
        noise_from: Least variance at which it beats the models made for less.
        noise_from_at: Scales farther than a quarter away at which it was judged, each with the least variance
            at which it beats the learning-free method there.
        references: Numbers of references that it was trained for.
        default: Whether it beats the learning-free method on clips it never saw.

    """

    path: Path
    method: str
    scale: float
    least_scale: float
    most_scale: float
    noise_variance: float
    noise_from: float
    noise_from_at: tuple[tuple[float, float], ...]
    references: tuple[int, ...]
    default: bool

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        return self.path.stem

    def least_noise(self, scale: float) -> float:
        """Least noise variance at which it beat the learning-free method at such a scale.

        Between two scales at which it was judged, the one farther from its own counts; beyond them nothing is
        known, and it is infinite.
        """
        if abs(math.log(self.scale / scale)) <= math.log(_FARTHEST_SCALE):
            return self.noise_from
        farther = [
            (abs(math.log(judged / scale)), noise)
            for judged, noise in self.noise_from_at
            if min(judged, self.scale) / _SAME_SCALE <= scale <= max(judged, self.scale) * _SAME_SCALE
        ]
        return min(farther, default=(0.0, math.inf))[1]


def shipped(folder: Path = FOLDER) -> list[ModelCard]:
    """All models in `folder`, by name.

    Raises:
        WeightsError: A card is damaged or its weights file is missing.

    """
    return [_read_card(path) for path in sorted(folder.glob("*.json"))]


def own(path: Path) -> ModelCard:
    """The card of a user's weights file, which `twinrate train` wrote beside it.

    Args:
        path: The safetensors file.

    Raises:
        WeightsError: The file or its card is missing or damaged, or it is a flow network.

    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file; give one written by twinrate train")
    card = path.with_suffix(".json")
    if path.suffix == _WEIGHTS and layout_of(path).startswith(_FLOW_LAYOUTS):
        raise WeightsError(
            f"{path}: a flow network, which finds motion and fuses nothing; give it with --flow"
        )
    if path.suffix != _WEIGHTS or not card.is_file():
        raise WeightsError(
            f"{path}: its model card {card.name} is not beside it; give the .safetensors file that "
            "twinrate train wrote and keep the two together"
        )
    return _read_card(card)


def nearest(
    cards: list[ModelCard], *, scale: float, noise_variance: float, references: int | None
) -> ModelCard | None:
    """Best card for this input, or None when none fits `references`.

    Preferred in this order: judged better than `classical` on such scale and noise; trained for such noise;
    nearest in scale (as a ratio); made for more noise; more references.

    Args:
        cards: Models to choose from.
        scale: Output pixels per LSR pixel.
        noise_variance: Variance of the LSR frames' noise, of values in 0..1.
        references: Sharp frames for each output frame; None for whatever number a model takes.

    """
    fitting = [card for card in cards if references is None or references in card.references]

    def distance(card: ModelCard) -> tuple[bool, bool, float, float, int, str]:
        ratio = abs(math.log(card.scale / scale))
        unknown = not trustworthy(card, scale=scale, noise_variance=noise_variance)
        foreign = not _made_for(card, noise_variance)
        return unknown, foreign, ratio, -card.noise_from, -max(card.references), card.name

    return min(fitting, key=distance, default=None)


def trustworthy(card: ModelCard, *, scale: float, noise_variance: float) -> bool:
    """Whether a model may run unasked: it beat the learning-free method on input like this.

    Noise more than twice as strong as in training is another matter, and so are scales more than a quarter
    larger or smaller, unless it was judged there.
    """
    enough = noise_variance >= card.least_noise(scale)
    return card.default and enough and _made_for(card, noise_variance)


def _made_for(card: ModelCard, noise_variance: float) -> bool:
    return card.noise_from <= noise_variance <= max(card.noise_variance * _FARTHEST_NOISE, _CLEAN)


def bases() -> list[ModelCard]:
    """The shipped `live` models, by name."""
    return [card for card in shipped() if card.method == "live"]


def base_for(scale: float, noise_variance: float, among: list[ModelCard] | None = None) -> ModelCard:
    """The `live` model whose frames a refined `awnet` goes on from.

    Args:
        scale: Output pixels per LSR pixel.
        noise_variance: Variance of the LSR frames' noise, of values in 0..1.
        among: Models to choose from; None for the shipped ones, whose cards are read.

    Raises:
        WeightsError: There is none.

    """
    cards = bases() if among is None else among
    card = nearest(cards, scale=scale, noise_variance=noise_variance, references=None)
    if card is None:
        raise WeightsError("awnet goes on from a live model, and none is shipped; install Twinrate again")
    return card


def upscaler_for(scale: float, noise_variance: float) -> ModelCard:
    """The shipped `live` model whose guesses suit LSR frames of this scale and noise best.

    Raises:
        WeightsError: None is shipped for about this scale.

    """
    card = nearest(bases(), scale=scale, noise_variance=noise_variance, references=None)
    if card is None or abs(math.log(card.scale / scale)) > math.log(_FARTHEST_GUESS):
        raise WeightsError(f"no learned upscaler for scale {scale:g} is shipped; use bicubic")
    return card


def flow_file(wish: Path | None) -> Path | None:
    """The flow network that an operator means: a file, or with the word `shipped` `SHIPPED_FLOW`."""
    return SHIPPED_FLOW if wish == Path("shipped") and not wish.exists() else wish


def fingerprint(path: Path) -> str:
    """SHA-256 of a weights file, in hexadecimal: which weights made a clip can be proven later."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def runnable(references: int = 1) -> list[str]:
    """Methods that can run in this installation with so many references, simplest first."""
    there = {card.method for card in shipped() if references in card.references}
    return [method for method in reversed(METHODS) if method not in LEARNED or method in there]


def save_card(path: Path, card: dict[str, Any]) -> None:
    """Write the model card of the weights file `path` beside it; see `ModelCard` for what must be in it."""
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def layout_of(path: Path) -> str:
    """Name of the layout that a weights file was made for.

    Raises:
        WeightsError: The file is missing or damaged.

    """
    with opened(path, "numpy") as file:
        return str((file.metadata() or {}).get("layout", UNNAMED))


@contextmanager
def opened(path: Path, framework: str) -> Iterator[Any]:
    """A safetensors file, whose damage shows on opening or only on reading.

    Args:
        path: The file.
        framework: Whose arrays its tensors become, as `safetensors.safe_open` names it.

    Raises:
        WeightsError: It is damaged.

    """
    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: not a whole safetensors file ({error}); copy or train it again"
        ) from error


def _read_card(path: Path) -> ModelCard:
    weights = path.with_suffix(_WEIGHTS)
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        made = ModelCard(
            path=weights,
            method=str(card["method"]),
            scale=float(card["scale"]),
            least_scale=float(card.get("least_scale", card["scale"])),
            most_scale=float(card.get("most_scale", card["scale"])),
            noise_variance=float(card["noise_variance"]),
            noise_from=float(card.get("noise_from", 0.0)),
            noise_from_at=tuple((float(s), float(v)) for s, v in card.get("noise_from_at", {}).items()),
            references=tuple(int(count) for count in card["references"]),
            default=bool(card["default"]),
        )
        if not made.references or min(made.references) < 1 or not 0 < made.scale < math.inf:
            raise ValueError(f"references {made.references}, scale {made.scale}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: not a readable model card ({error!r}); install Twinrate or train the model again"
        ) from error
    if not weights.is_file():
        raise WeightsError(f"{weights}: the card is there but not the weights; install Twinrate again")
    return made
