"""What `live` makes of training samples: the frames that a refined `awnet` goes on from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fusion.awnet import Base
from fusion.cards import ModelCard, base_for, bases, fingerprint
from fusion.live import LiveNet, LiveReference, load_live, move_both_ways
from fusion.training.degrade import Pictures


class LiveBase:
    """The shipped `live` models, each where it would run."""

    def __init__(self) -> None:
        self._cards = bases()
        self._networks: dict[str, LiveNet] = {}

    @torch.no_grad()
    def __call__(self, pictures: Pictures, flows: Sequence[Tensor]) -> Base:
        """What `live` makes of a batch, given motion (B, 2, H, W) into each reference [px].

        Raises:
            WeightsError: None is shipped.

        """
        # In use it works in float32 as well.
        with torch.autocast(pictures.lsr_up.device.type, enabled=False):
            return self._made(pictures, flows)

    def _made(self, pictures: Pictures, flows: Sequence[Tensor]) -> Base:
        size = (pictures.lsr.shape[-2], pictures.lsr.shape[-1])
        scale = pictures.target.shape[-2] / size[0]
        moved = [
            move_both_ways(image, flow, size) for image, flow in zip(pictures.references, flows, strict=True)
        ]
        # Where there is only one reference it stands in for the others.
        first, *others = pictures.references
        alone = torch.stack([(first == other).flatten(1).all(dim=1) for other in [first, *others]]).all(dim=0)
        groups: dict[tuple[str, int], list[int]] = {}
        cards: dict[str, ModelCard] = {}
        told = zip(pictures.variance.tolist(), alone.tolist(), strict=True)
        for index, (variance, lonely) in enumerate(told):
            card = base_for(scale, variance, self._cards)
            cards[card.name] = card
            groups.setdefault((card.name, 1 if lonely else len(moved)), []).append(index)
        made = Base(torch.empty_like(pictures.lsr_up), torch.empty_like(pictures.lsr_up[:, :1]))
        for (name, count), which in groups.items():
            given = [_some(one, which) for both in moved[:count] for one in both]
            noise = pictures.variance[which].sqrt().reshape(-1, 1, 1, 1)
            network = self._network(cards[name], pictures.lsr_up.device)
            near = [one[which] for one in pictures.neighbours]
            fused = network(pictures.lsr_up[which], given, noise, near)
            for whole, part in zip(made, (fused.out, fused.weight), strict=True):
                whole[which] = part.to(whole.dtype)
        return made

    def _network(self, card: ModelCard, device: torch.device) -> LiveNet:
        if card.name not in self._networks:
            self._networks[card.name] = load_live(card.path).to(device).eval().requires_grad_(False)
        return self._networks[card.name]


def _some(moved: LiveReference, which: list[int]) -> LiveReference:
    counts = None if moved.counts is None else moved.counts[which]
    return LiveReference(moved.sharp[which], moved.matched[which], moved.flow[which], counts)


def base_fingerprints() -> dict[str, str]:
    """SHA-256 of each shipped `live` model by name: which frames a training went on from."""
    return {card.name: fingerprint(card.path) for card in bases()}
