"""Batches made ahead of the training loop, by worker processes or by one thread."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

import cv2
from torch.utils.data import DataLoader, Dataset

from fusion.errors import FusionError, TrainingError

_AHEAD = 4
_LAST = 1 << 40
_ENDED = "DataLoader worker (pid"


class _Steps(Dataset[Any]):
    def __init__(self, sampler: Callable[[int], Any]) -> None:
        self._sampler = sampler

    def __getitem__(self, step: int) -> Any:
        try:
            return self._sampler(step)
        except (FusionError, OSError) as error:
            # Raised here it would come out with the whole way it took as its text.
            return error


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

    Raises:
        FusionError: As the sampler says.
        TrainingError: The system ended a worker.

    """
    steps = range(first, _LAST, stride)
    if workers:
        with _deaf_children():
            coming = iter(_loader(sampler, steps, workers=workers, pinned=pinned))
        while True:
            with telling_of_workers():
                batch = next(coming)
            if isinstance(batch, Exception):
                raise batch
            yield batch
    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(sampler, steps[0])
        for step in steps[1:]:
            batch = ahead.result()
            ahead = thread.submit(sampler, step)
            yield batch


@contextmanager
def telling_of_workers() -> Iterator[None]:
    """Say in a sentence that a worker ended, which torch tells the main thread wherever that is.

    Raises:
        TrainingError: One did.

    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith(_ENDED):
            raise
        raise TrainingError(
            f"a process that prepares samples ended ({str(error).strip()}); take fewer --workers, and if "
            "memory was short smaller batches"
        ) from error


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started here hear neither Ctrl-C nor a closed terminal: who starts them ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # It would let the signals through again when it starts itself.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _loader(sampler: Callable[[int], Any], steps: range, *, workers: int, pinned: bool) -> DataLoader[Any]:
    return DataLoader(
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


def _as_is(batch: Any) -> Any:
    return batch


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
