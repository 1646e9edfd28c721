"""Network weights as safetensors files, written whole or not at all. Nothing is unpickled."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from fusion.cards import UNNAMED, opened
from fusion.errors import WeightsError


def save_weights(path: Path, network: nn.Module, *, layout: str, half: bool = False) -> None:
    """Write a network's weights.

    Args:
        path: The safetensors file.
        network: Its state is saved, contiguous, on the CPU.
        layout: Name of the layout, checked on loading.
        half: Store float16.

    """
    tensors = {
        name: (tensor.half() if half else tensor.float()).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    write_tensors(path, tensors, {"layout": layout})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file that gets its name when it is whole and on the disk.

    Args:
        path: The file; one that is there is replaced.
        tensors: Contiguous, on the CPU.
        metadata: Kept beside them.

    Raises:
        OSError: It cannot be written; what was there stays, and nothing is left beside it.

    """
    # The library's own way to files leaves one of an unknown name behind when it is killed, keeps others from
    # reading what it wrote, and does not tell a full disk as the system does.
    content = save(dict(tensors), dict(metadata))
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def load_weights(
    path: Path,
    network: nn.Module,
    *,
    layout: str,
    adapted: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
) -> None:
    """Fill a network from a file written by `save_weights`, as float32.

    Args:
        path: The file.
        network: What is filled.
        layout: Name of the layout.
        adapted: Makes of the weights in the file those of today's layout.

    Raises:
        WeightsError: The file is missing, truncated, no safetensors file, or for another layout.

    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file; give one written by twinrate train")
    state, metadata = read_tensors(path)
    found = metadata.get("layout", UNNAMED)
    if found != layout:
        raise WeightsError(f"{path}: made for {found}, not for {layout}; choose the method it belongs to")
    state = adapted(state) if adapted else state
    own = network.state_dict()
    odd = sorted(set(own) ^ set(state)) or [n for n in sorted(own) if own[n].shape != state[n].shape]
    if odd:
        raise WeightsError(f"{path}: does not fit {layout}, first at {odd[0]}; train it again")
    network.load_state_dict({name: tensor.to(torch.float32) for name, tensor in state.items()})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a safetensors file by name, on the CPU, and its metadata.

    Raises:
        WeightsError: The file is missing or damaged.

    """
    with opened(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
