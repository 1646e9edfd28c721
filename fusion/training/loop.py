"""The training loop: time budget, averaged weights, clipping, and a resume that is exact to the step."""

from __future__ import annotations

import copy
import csv
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, send_to_device
from torch import Tensor, nn

from fusion.errors import TrainingError
from fusion.training.curve import draw_curve
from fusion.training.loading import batches, telling_of_workers
from fusion.training.schedule import Schedule
from fusion.training.state import State, average, load_state, only_one, save_state

_CURVE = "curve.csv"
_COLUMNS = "step,seconds,loss,learning_rate,figures"


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a run goes.

    Attributes:
        steps: Steps in all, or None where `minutes` decides.
        minutes: Time budget, with everything: reading, validating, saving.
        learning_rate: AdamW's highest.
        schedule: How the rate goes from there.
        slow: Share of the rate for what must learn slowly; which that is, each recipe knows.
        weight_decay: AdamW's.
        clip: Largest norm of the gradient.
        average: Decay of the averaged weights, which are the ones saved and judged.
        save_every: Steps between states on disk.
        validate_every: Steps between validations, each of which leaves a state as well.
        workers: Processes that make batches; 0 for one thread.
        precision: "no" for float32, "bf16" for mixed precision.
        device: "auto" or "cpu".

    """

    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 5e-4
    schedule: Schedule = field(default_factory=Schedule)
    slow: float = 0.2
    weight_decay: float = 1e-4
    clip: float = 1.0
    average: float = 0.998
    save_every: int = 200
    validate_every: int = 1000
    workers: int = 0
    precision: str = "no"
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run begins with.

    Attributes:
        batch: Samples in a step.
        seed: Of the first weights and of all draws.
        start: Weights to start from; where left out, random ones, or those of the step before.

    """

    batch: int = 4
    seed: int = 0
    start: Path | None = None


def slow_in_bf16(device: str) -> bool:
    """Whether mixed precision costs time here instead of saving it: on CPUs that end at AVX2.

    Args:
        device: "auto" or "cpu".

    """
    on_gpu = device != "cpu" and torch.cuda.is_available()
    return not on_gpu and torch.backends.cpu.get_cpu_capability() == "AVX2"


Loss = Callable[[nn.Module, Any], Tensor]
Validate = Callable[[nn.Module, int], dict[str, float]]


class Trainer:
    """Trains one network in one folder; started again in the same folder it goes on where it was.

    Several processes, started with `accelerate launch`, train together: each takes its own batches and
    gradients are averaged; the first one writes.

    Args:
        network: The network; its weights are replaced where the folder holds a state. Parameters that need no
            gradient stay as they are.
        sampler: Step number to batch (tensors in named tuples and lists); must give the same batch for the
            same step.
        loss: The loss of the network on a batch, both on the device.
        folder: Where the state, the curve and the averaged weights are kept.
        options: How the run goes.
        identity: What must be the same for a resume to make sense.
        shares: Parameters learned more slowly, each with its share of the rate.
        validate: Measures the averaged network; its figures go into the curve.

    Raises:
        TrainingError: The folder holds the state of another run, or a damaged one, or is in use by one.

    """

    def __init__(
        self,
        network: nn.Module,
        sampler: Callable[[int], Any],
        loss: Loss,
        folder: Path,
        options: LoopOptions,
        *,
        identity: dict[str, Any],
        shares: Sequence[tuple[nn.Parameter, float]] = (),
        validate: Validate | None = None,
    ) -> None:
        if options.steps is None and options.minutes is None:
            raise TrainingError("give a number of steps or of minutes to train for")
        self._sampler, self._loss = sampler, loss
        self._folder, self._options, self._validate = folder, options, validate
        self._identity = identity | _settings(options)
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator = Accelerator(cpu=options.device == "cpu", kwargs_handlers=[unused])
        if self._accelerator.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._judged = copy.deepcopy(network).eval().requires_grad_(False)
        own = {id(parameter): share for parameter, share in shares}
        learning = [p for p in network.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in learning if own.get(id(p), 1.0) == share], "share": share}
            for share in sorted({1.0, *own.values()}, reverse=True)
        ]
        optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.weight_decay)
        self.network: nn.Module = network
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            state = load_state(folder, self._identity)
            if state:
                network.load_state_dict(state.network)
            self._wrapped, self._optimizer = self._accelerator.prepare(network, optimizer)
            weights = network.state_dict()
            self.averaged = {name: tensor.detach().clone() for name, tensor in weights.items()}
            if state:
                self._resume(state)
            elif self.leads:
                (folder / _CURVE).write_text(f"{_COLUMNS}\n", encoding="utf-8")
                (folder / "run.json").write_text(
                    json.dumps({"identity": self._identity, "options": asdict(options)}, indent=1),
                    encoding="utf-8",
                )

    @property
    def leads(self) -> bool:
        """Whether this process, of several that train together, is the one that writes."""
        return bool(self._accelerator.is_main_process)

    @property
    def finished(self) -> bool:
        """Whether the budget is used up."""
        return self._progress() >= 1

    def run(self, on_step: Callable[[int, Tensor], None] | None = None) -> None:
        """Train until the budget is used up; `on_step` hears the step and the loss, on the device.

        Raises:
            TrainingError: Another training is at work in the folder, or a process that prepares samples
                ended.

        """
        if not self.finished:
            with self._alone(), telling_of_workers():
                self._train(on_step)

    def described(self) -> dict[str, Any]:
        """The run as a model card tells it."""
        return self._identity | {
            "steps": self.step,
            "seconds": round(self.seconds),
            "clips": [name for name, _ in self._identity.get("clips", [])],
        }

    def load_averaged(self, network: nn.Module) -> nn.Module:
        """Put the averaged weights into `network`."""
        network.load_state_dict(self.averaged)
        return network

    def _alone(self) -> AbstractContextManager[None]:
        return only_one(self._folder) if self.leads else nullcontext()

    def _train(self, on_step: Callable[[int, Tensor], None] | None) -> None:
        began = time.monotonic() - self.seconds
        losses: list[Tensor] = []
        processes = self._accelerator.num_processes
        first = self.step * processes + self._accelerator.process_index
        device = self._accelerator.device
        for batch in batches(
            self._sampler,
            first,
            stride=processes,
            workers=self._options.workers,
            pinned=device.type == "cuda",
        ):
            losses.append(self._one(send_to_device(batch, device, non_blocking=True)))
            self.step += 1
            self.seconds = self._agreed(time.monotonic() - began)
            if on_step:
                on_step(self.step, losses[-1])
            last = self._progress() >= 1
            judged = self._validate is not None and (last or self.step % self._options.validate_every == 0)
            if last or judged or self.step % self._options.save_every == 0:
                self._record(float(torch.stack(losses).nanmean()), judged=judged)
                losses.clear()
            if last:
                break

    def _one(self, batch: Any) -> Tensor:
        self._wrapped.train()
        rate = self._learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["share"]
        half = self._options.precision == "bf16"
        with torch.autocast(self._accelerator.device.type, dtype=torch.bfloat16, enabled=half):
            loss = self._loss(self._wrapped, batch)
        self._optimizer.zero_grad(set_to_none=True)
        self._accelerator.backward(loss)
        learning = [
            p for group in self._optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        norm = self._accelerator.clip_grad_norm_(learning, self._options.clip)
        # A batch without a finite gradient teaches nothing; asking for it would hold up the device.
        finite = torch.isfinite(norm)
        for parameter in learning:
            parameter.grad = torch.where(finite, parameter.grad, 0.0)
        self._optimizer.step()
        decay = min(self._options.average, (self.step + 1) / (self.step + 10))
        average(self.averaged, self.network.state_dict(), decay)
        return loss.detach()

    def _agreed(self, seconds: float) -> float:
        """The same time in all processes, so that they stop after the same step."""
        if self._accelerator.num_processes > 1:
            here = torch.tensor(seconds, device=self._accelerator.device)
            return float(self._accelerator.reduce(here, "mean"))
        return seconds

    def _progress(self) -> float:
        if self._options.steps is not None:
            return self.step / self._options.steps
        assert self._options.minutes is not None
        return self.seconds / (60 * self._options.minutes)

    def _learning_rate(self) -> float:
        return self._options.learning_rate * self._options.schedule.share(self.step, self._progress())

    def _record(self, loss: float, *, judged: bool) -> None:
        if not self.leads:
            return
        curve = self._folder / _CURVE
        row = [self.step, f"{self.seconds:.1f}", f"{loss:.6f}", f"{self._learning_rate():.3g}", ""]
        with curve.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="").writerow(row)
        moments = self._optimizer.state_dict()["state"]
        state = State(self.network.state_dict(), self.averaged, moments, self.step, self.seconds)
        save_state(self._folder, state, self._identity)
        figures: dict[str, float] = {}
        # Only now: a validation that fails or is killed costs its figures, not what was learned.
        if self._validate and judged:
            figures = self._validate(self.load_averaged(self._judged).to(self._accelerator.device), self.step)
        with curve.open("a", encoding="utf-8") as file:
            file.write(" ".join(f"{name}={value:.3f}" for name, value in figures.items()) + "\n")
        draw_curve(curve, self._folder / "curve.png")

    def _resume(self, state: State) -> None:
        self.step, self.seconds = state.step, state.seconds
        for name, tensor in state.averaged.items():
            self.averaged[name].copy_(tensor)
        whole = self._optimizer.state_dict()
        whole["state"] = state.optimizer
        self._optimizer.load_state_dict(whole)
        if not self.leads:
            return
        # A full disk or a power cut may have cost the curve, or part of a line: no reason to stop learning.
        curve = self._folder / _CURVE
        lines = curve.read_text(encoding="utf-8", errors="replace").splitlines() if curve.exists() else []
        cells = [line.split(",") for line in lines]
        rows = [row for row in cells if len(row) == len(_COLUMNS.split(",")) and row[0].isdecimal()]
        kept = [",".join(row) for row in rows if int(row[0]) <= self.step]
        partial = curve.with_name(f"{_CURVE}.partial")
        partial.write_text("\n".join([_COLUMNS, *kept]) + "\n", encoding="utf-8")
        partial.replace(curve)


def _settings(options: LoopOptions) -> dict[str, Any]:
    """Options that the weights depend on: not how long a run goes, and not what it leaves on the way."""
    return {
        "learning_rate": options.learning_rate,
        "slow": options.slow,
        "schedule": asdict(options.schedule),
        "weight_decay": options.weight_decay,
        "clip": options.clip,
        "average": options.average,
        "precision": options.precision,
    }
