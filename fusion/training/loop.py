"""The training loop: time budget, averaged weights, clipping, and a resume that is exact to the step."""

from __future__ import annotations

import copy
import csv
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fusion.errors import TrainingError
from fusion.training.curve import draw_curve
from fusion.training.samples import Batch

_STATE = "state.safetensors"
_CURVE = "curve.csv"
_COOLDOWN = 0.4
_WARM_UP = 50
_SLOW = 0.2


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a run goes.

    Attributes:
        steps: Steps in all, or None where `minutes` decides.
        minutes: Time budget; the last part of it lowers the learning rate to zero.
        learning_rate: AdamW's, after a short warm-up.
        clip: Largest norm of the gradient.
        average: Decay of the averaged weights, which are the ones saved and judged.
        save_every: Steps between states on disk.
        validate_every: Steps between validations.

    """

    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 5e-4
    clip: float = 1.0
    average: float = 0.998
    save_every: int = 200
    validate_every: int = 1000


Loss = Callable[[nn.Module, Batch], Tensor]
Validate = Callable[[nn.Module, int], dict[str, float]]


class Trainer:
    """Trains one network in one folder; started again in the same folder it goes on where it was.

    Args:
        network: The network; its weights are replaced where the folder holds a state.
        sampler: Step number to batch; must give the same batch for the same step.
        loss: The loss of the network on a batch.
        folder: Where the state, the curve and the averaged weights are kept.
        options: How the run goes.
        identity: What must be the same for a resume to make sense.
        slow: Parameters learned at a fifth of the rate.
        validate: Measures the averaged network; its figures go into the curve.

    Raises:
        TrainingError: The folder holds the state of another run, or a damaged one.

    """

    def __init__(
        self,
        network: nn.Module,
        sampler: Callable[[int], Batch],
        loss: Loss,
        folder: Path,
        options: LoopOptions,
        *,
        identity: dict[str, Any],
        slow: Sequence[nn.Parameter] = (),
        validate: Validate | None = None,
    ) -> None:
        if options.steps is None and options.minutes is None:
            raise TrainingError("give a number of steps or of minutes to train for")
        self.network, self._sampler, self._loss = network, sampler, loss
        self._folder, self._options, self._validate = folder, options, validate
        self._identity = json.dumps(identity, sort_keys=True)
        slow_ones = {id(parameter) for parameter in slow}
        fast = [parameter for parameter in network.parameters() if id(parameter) not in slow_ones]
        groups = [{"params": fast, "share": 1.0}, {"params": list(slow), "share": _SLOW}]
        self._optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=1e-4)
        self.averaged = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        self.step = 0
        self.seconds = 0.0
        self._cooldown_from: int | None = None
        self._last: int | None = options.steps
        if options.steps is not None:
            self._cooldown_from = int(options.steps * (1 - _COOLDOWN))
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / _STATE).exists():
            self._resume()
        else:
            (folder / _CURVE).write_text("step,seconds,loss,learning_rate,figures\n", encoding="utf-8")
            (folder / "run.json").write_text(
                json.dumps({"identity": identity, "options": asdict(options)}, indent=1), encoding="utf-8"
            )

    def run(self, on_step: Callable[[int, float], None] | None = None) -> None:
        """Train until the budget is used up; `on_step` hears the step and the loss."""
        losses: list[float] = []
        with ThreadPoolExecutor(1) as loader:
            coming = loader.submit(self._sampler, self.step)
            while self._last is None or self.step < self._last:
                began = time.monotonic()
                batch = coming.result()
                coming = loader.submit(self._sampler, self.step + 1)
                losses.append(self._one(batch))
                self.step += 1
                self.seconds += time.monotonic() - began
                if on_step:
                    on_step(self.step, losses[-1])
                decided = self._decide_end()
                if self.step % self._options.save_every == 0 or decided or self.step == self._last:
                    self._record(sum(losses) / len(losses))
                    losses.clear()
            coming.cancel()

    def load_averaged(self, network: nn.Module) -> nn.Module:
        """Put the averaged weights into `network`."""
        network.load_state_dict(self.averaged)
        return network

    def _one(self, batch: Batch) -> float:
        self.network.train()
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate() * group["share"]
        loss = self._loss(self.network, batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self._options.clip)
        if torch.isfinite(norm):
            self._optimizer.step()
        decay = min(self._options.average, (self.step + 1) / (self.step + 10))
        for name, tensor in self.network.state_dict().items():
            self.averaged[name].lerp_(tensor.detach(), 1 - decay)
        return float(loss.detach())

    def _learning_rate(self) -> float:
        rate = self._options.learning_rate * min(1.0, (self.step + 1) / _WARM_UP)
        if self._cooldown_from is not None and self._last is not None and self.step >= self._cooldown_from:
            rate *= (self._last - self.step) / max(self._last - self._cooldown_from, 1)
        return rate

    def _decide_end(self) -> bool:
        minutes = self._options.minutes
        if self._last is not None or minutes is None:
            return False
        if self.seconds < 60 * minutes * (1 - _COOLDOWN):
            return False
        # From here on the number of steps is fixed and saved, so a resumed run ends the same way.
        self._cooldown_from = self.step
        self._last = max(self.step + 1, int(self.step / (1 - _COOLDOWN)))
        return True

    def _record(self, loss: float) -> None:
        figures: dict[str, float] = {}
        if self._validate and (self.step % self._options.validate_every == 0 or self.step == self._last):
            figures = self._validate(self._averaged_network(), self.step)
        with (self._folder / _CURVE).open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(
                [
                    self.step,
                    f"{self.seconds:.1f}",
                    f"{loss:.6f}",
                    f"{self._learning_rate():.3g}",
                    " ".join(f"{name}={value:.3f}" for name, value in figures.items()),
                ]
            )
        draw_curve(self._folder / _CURVE, self._folder / "curve.png")
        self._save()

    def _averaged_network(self) -> nn.Module:
        return self.load_averaged(copy.deepcopy(self.network)).eval()

    def _save(self) -> None:
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": tensor for name, tensor in self.averaged.items()}
        for index, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
        progress = {
            "step": self.step,
            "seconds": self.seconds,
            "cooldown_from": self._cooldown_from,
            "last": self._last,
        }
        partial = self._folder / f"{_STATE}.partial"
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            partial,
            metadata={"identity": self._identity, "progress": json.dumps(progress)},
        )
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(self._folder / _STATE)

    def _resume(self) -> None:
        path = self._folder / _STATE
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        except (SafetensorError, OSError) as error:
            raise TrainingError(
                f"{path}: the training state is damaged ({error}); start in a new folder"
            ) from error
        if metadata.get("identity") != self._identity:
            raise TrainingError(
                f"{self._folder}: holds a run with other settings; go on with those, or use a new folder"
            )
        progress = json.loads(metadata["progress"])
        self.step, self.seconds = progress["step"], progress["seconds"]
        if self._options.steps is None:
            self._cooldown_from, self._last = progress["cooldown_from"], progress["last"]
        self.network.load_state_dict(_part(state, "network."))
        self.averaged = _part(state, "averaged.")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(state, "optimizer.").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = tensor
        whole = self._optimizer.state_dict()
        whole["state"] = moments
        self._optimizer.load_state_dict(whole)
        self._cut_curve()

    def _cut_curve(self) -> None:
        curve = self._folder / _CURVE
        lines = curve.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines[1:] if int(line.split(",", 1)[0]) <= self.step]
        curve.write_text("\n".join([lines[0], *kept]) + "\n", encoding="utf-8")


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
