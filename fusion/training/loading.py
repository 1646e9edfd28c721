"""Batches made ahead of the training loop, by worker processes or by one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
from torch.utils.data import DataLoader, Dataset

_AHEAD = 4
_LAST = 1 << 40


class _Steps(Dataset[Any]):
    def __init__(self, sampler: Callable[[int], Any]) -> None:
        self._sampler = sampler

    def __getitem__(self, step: int) -> Any:
        return self._sampler(step)


def batches(
    sampler: Callable[[int], Any], first: int, *, stride: int = 1, workers: int = 0, pinned: bool = False
) -> Iterator[Any]:
    """The batches of steps `first`, `first + stride`, ... without end, in order.

    Args:
        sampler: Step number to batch; pickled where there are workers.
        first: The first step.
        stride: Processes that train together; each takes every `stride`-th step.
        workers: Processes that make batches; 0 for one thread.
        pinned: Put the batches into memory that a GPU reads while it computes.

    """
    steps = range(first, _LAST, stride)
    if workers:
        yield from DataLoader(
            _Steps(sampler),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            prefetch_factor=_AHEAD,
            pin_memory=pinned,
            collate_fn=_as_is,
            worker_init_fn=_one_thread,
            # Forked from a process with threads, a worker may wait for ever for a lock one of them held.
            multiprocessing_context="spawn",
        )
        return
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(sampler, steps[0])
        for step in steps[1:]:
            batch = coming.result()
            coming = thread.submit(sampler, step)
            yield batch


def _as_is(batch: Any) -> Any:
    return batch


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
