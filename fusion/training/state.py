"""The state of a training run on disk: safetensors, written so that a kill leaves the last whole one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fusion.errors import TrainingError
from fusion.weights import write_tensors

FILE = "state.safetensors"


@dataclass(frozen=True, slots=True)
class State:
    """Everything a run needs to go on.

    Attributes:
        network: The network's state.
        averaged: The averaged weights.
        optimizer: The optimizer's tensors for each parameter, by number.
        step: Steps done.
        seconds: Time spent.

    """

    network: dict[str, Tensor]
    averaged: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    step: int
    seconds: float


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a run's folder; a kill frees it.

    Raises:
        TrainingError: Another one is at work there.

    """
    lock = FileLock(folder / "run.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise TrainingError(
            f"{folder}: another training is at work in this folder; wait for it or end it, or choose another"
        ) from None
    except OSError:
        # Some shares have no locks, which is no reason not to train there.
        pass
    try:
        yield
    finally:
        lock.release()


def save_state(folder: Path, state: State, identity: dict[str, Any]) -> None:
    """Write the state; `identity` says what must be the same for a resume to make sense."""
    tensors = {f"network.{name}": tensor for name, tensor in state.network.items()}
    tensors |= {f"averaged.{name}": tensor for name, tensor in state.averaged.items()}
    for index, moments in state.optimizer.items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    write_tensors(
        folder / FILE,
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        {
            "identity": json.dumps(identity, sort_keys=True),
            "progress": json.dumps({"step": state.step, "seconds": state.seconds}),
        },
    )


def load_state(folder: Path, identity: dict[str, Any]) -> State | None:
    """The state in `folder`; None where no run was begun.

    What the state says nothing of, since it was written before that counted, is taken to be the same.

    Raises:
        TrainingError: It is damaged, or belongs to a run with another `identity`.

    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Copies: what the library gives is the file itself, which Windows then lets nobody replace.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
        progress = json.loads(metadata["progress"])
        found = json.loads(metadata["identity"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise TrainingError(
            f"{path}: the training state is damaged ({error}); start in a new folder"
        ) from error
    wanted = json.loads(json.dumps(identity))
    if other := sorted(name for name, value in found.items() if name not in wanted or wanted[name] != value):
        raise TrainingError(
            f"{folder}: holds a run with other settings ({', '.join(other)}); go on with those, or use a new "
            "folder"
        )
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(tensors, "optimizer.").items():
        index, key = name.split(".", 1)
        moments.setdefault(int(index), {})[key] = tensor
    return State(
        _part(tensors, "network."),
        _part(tensors, "averaged."),
        moments,
        progress["step"],
        progress["seconds"],
    )


def average(averaged: dict[str, Tensor], network: dict[str, Tensor], decay: float) -> None:
    """Move the averaged weights towards the network's by `1 - decay`, in place."""
    names = [name for name, tensor in averaged.items() if tensor.is_floating_point()]
    own, new = [averaged[name] for name in names], [network[name].detach() for name in names]
    torch._foreach_lerp_(own, new, 1 - decay)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
