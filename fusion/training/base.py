"""What `live` makes of training samples: the frames that a refined `awnet` goes on from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fusion.awnet import Base
from fusion.live import LiveNet, load_live, move_reference
from fusion.training.degrade import Pictures
from fusion.weights import ModelCard, base_for, fingerprint, shipped


class LiveBase:
    """The shipped `live` models, each where it would run."""

    def __init__(self) -> None:
        self._networks: dict[str, LiveNet] = {}

    @torch.no_grad()
    def __call__(self, pictures: Pictures, flows: Sequence[Tensor]) -> Base:
        """What `live` makes of a batch, given motion (B, 2, H, W) into each reference [px].

        Raises:
            WeightsError: None is shipped.

        """
        size = (pictures.lsr.shape[-2], pictures.lsr.shape[-1])
        scale = pictures.target.shape[-2] / size[0]
        moved = [
            move_reference(image, flow, size) for image, flow in zip(pictures.references, flows, strict=True)
        ]
        groups: dict[tuple[str, int], list[int]] = {}
        cards: dict[str, ModelCard] = {}
        for index, variance in enumerate(pictures.variance.tolist()):
            card = base_for(scale, variance)
            cards[card.name] = card
            # Where there is only one reference it stands in for the others.
            first, *others = (image[index] for image in pictures.references)
            count = 1 if all(torch.equal(first, other) for other in others) else 1 + len(others)
            groups.setdefault((card.name, count), []).append(index)
        made = Base(torch.empty_like(pictures.lsr_up), torch.empty_like(pictures.lsr_up[:, :1]))
        for (name, count), which in groups.items():
            given = [
                one._replace(sharp=one.sharp[which], matched=one.matched[which], flow=one.flow[which])
                for one in moved[:count]
            ]
            noise = pictures.variance[which].sqrt().reshape(-1, 1, 1, 1)
            network = self._network(cards[name], pictures.lsr_up.device)
            fused = network(pictures.lsr_up[which], given, noise)
            for whole, part in zip(made, (fused.out, fused.weight), strict=True):
                whole[which] = part.to(whole.dtype)
        return made

    def _network(self, card: ModelCard, device: torch.device) -> LiveNet:
        if card.name not in self._networks:
            self._networks[card.name] = load_live(card.path).to(device).eval().requires_grad_(False)
        return self._networks[card.name]


def base_fingerprints() -> dict[str, str]:
    """SHA-256 of each shipped `live` model by name: which frames a training went on from."""
    return {card.name: fingerprint(card.path) for card in shipped() if card.method == "live"}
