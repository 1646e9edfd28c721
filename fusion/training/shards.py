"""Weights in pieces: split for transport with a file-size limit."""

from __future__ import annotations

import json
import math
from pathlib import Path

from huggingface_hub import split_torch_state_dict_into_shards
from torch import Tensor

from fusion.errors import WeightsError
from fusion.weights import read_tensors, write_tensors

_INDEX = "model.safetensors.index.json"
_CARD = "card.json"
_HEADER = 65_536


def split_weights(path: Path, folder: Path, *, mebibytes: float = 15.0) -> list[Path]:
    """Write the weights file `path` as several files of at most `mebibytes`, an index, and its card if any.

    The files are named and indexed as Hugging Face names them, so their tools read them as well. Pieces of
    other weights that an earlier call left in the folder are removed.

    Raises:
        WeightsError: `path` is no whole safetensors file, or a layer of it alone is larger than a piece.

    """
    tensors, metadata = read_tensors(path)
    # A file's header counts too.
    limit = int(mebibytes * 2**20) - _HEADER
    largest = max((tensor.nbytes for tensor in tensors.values()), default=0)
    if largest > limit:
        raise WeightsError(
            f"{path}: one layer alone takes {largest / 2**20:.1f} MiB; allow pieces of "
            f"{math.ceil((largest + _HEADER) / 2**20)} MiB or more"
        )
    folder.mkdir(parents=True, exist_ok=True)
    before = _pieces_of(folder)
    plan = split_torch_state_dict_into_shards(tensors, max_shard_size=limit)
    for name, keys in plan.filename_to_tensors.items():
        write_tensors(folder / name, {key: tensors[key] for key in keys}, metadata)
    card = path.with_suffix(".json")
    if card.is_file():
        (folder / _CARD).write_bytes(card.read_bytes())
    elif before:
        (folder / _CARD).unlink(missing_ok=True)
    index = {"metadata": metadata, "weight_map": plan.tensor_to_filename}
    (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")
    for name in before - set(plan.filename_to_tensors):
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in plan.filename_to_tensors]


def _pieces_of(folder: Path) -> set[str]:
    """Names of the pieces that are in a folder already; none where it holds no readable index."""
    try:
        named = json.loads((folder / _INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        return {Path(name).name for name in named}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


def join_weights(folder: Path, path: Path) -> None:
    """Write the weights of a folder made by `split_weights` as one file, with the card beside it if any.

    Raises:
        WeightsError: The folder has no index, a piece is missing or damaged, or `path` does not end with
            .safetensors.

    """
    if path.suffix != ".safetensors":
        raise WeightsError(
            f"{path}: weights are found by their card; give a name that ends with .safetensors"
        )
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        wanted, metadata = dict(index["weight_map"]), dict(index["metadata"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{folder}: no weights in pieces ({error}); copy the whole folder again"
        ) from error
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(wanted.values())):
        tensors |= read_tensors(folder / name)[0]
    missing = sorted(set(wanted) - set(tensors))
    if missing:
        raise WeightsError(f"{folder}: {missing[0]} is in none of the pieces; copy the whole folder again")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, {name: tensors[name] for name in wanted}, metadata)
    if (folder / _CARD).is_file():
        path.with_suffix(".json").write_bytes((folder / _CARD).read_bytes())
