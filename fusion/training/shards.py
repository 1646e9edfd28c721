"""Weights in pieces: split for transport with a file-size limit."""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import save_file
from torch import Tensor

from fusion.errors import WeightsError
from fusion.weights import read_tensors

_INDEX = "model.safetensors.index.json"
_CARD = "card.json"


def split_weights(path: Path, folder: Path, *, mebibytes: float = 15.0) -> list[Path]:
    """Write the weights file `path` as several files of at most `mebibytes`, an index, and its card if any.

    The files are named and indexed as Hugging Face names them, so their tools read them as well.

    Raises:
        WeightsError: `path` is no whole safetensors file.

    """
    tensors, metadata = read_tensors(path)
    folder.mkdir(parents=True, exist_ok=True)
    # A file's header counts too.
    limit = int(mebibytes * 2**20) - 65_536
    plan = split_torch_state_dict_into_shards(tensors, max_shard_size=limit)
    for name, keys in plan.filename_to_tensors.items():
        save_file({key: tensors[key] for key in keys}, folder / name, metadata=metadata)
    card = path.with_suffix(".json")
    if card.is_file():
        (folder / _CARD).write_bytes(card.read_bytes())
    index = {"metadata": metadata, "weight_map": plan.tensor_to_filename}
    (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")
    return [folder / name for name in plan.filename_to_tensors]


def join_weights(folder: Path, path: Path) -> None:
    """Write the weights of a folder made by `split_weights` as one file, with the card beside it if any.

    Raises:
        WeightsError: The folder has no index, or a piece is missing or damaged.

    """
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
    save_file({name: tensors[name] for name in wanted}, path, metadata=metadata)
    if (folder / _CARD).is_file():
        path.with_suffix(".json").write_bytes((folder / _CARD).read_bytes())
