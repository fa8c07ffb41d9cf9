"""Clips in several processes, each with a backbone of its own that uses one thread.

One thread, because sums split over threads round otherwise with another number of them; several clips at a time
use the other cores.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from viewloom.errors import ConfigError, DataError
from viewloom.extract.backbones.base import Backbone, open_backbone
from viewloom.extract.computing import Stopped, compute_clip
from viewloom.extract.settings import ExtractConfig
from viewloom.parent import end_with_parent
from viewloom.videos.clips import Clip

TICK_S = 0.5
"""How often progress is looked at."""

MOST_ON_GPU = 2
"""Processes that share a GPU without being asked to: each holds the network in its memory."""


@dataclass(frozen=True)
class Job:
    """A clip to compute, and the file of its rows."""

    clip: Clip
    path: Path


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread in this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def count_workers(config: ExtractConfig, clips: int) -> int:
    """Processes to start; 0 computes here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if config.device != "cpu" and torch.cuda.is_available():
        cores = min(cores, MOST_ON_GPU)
    wanted = min(8, cores) if config.workers is None else config.workers
    count = min(wanted, clips)
    return 0 if config.workers is None and count == 1 else count


def run_jobs(
    config: ExtractConfig, dim: int, jobs: Sequence[Job], tick: Callable[[], None]
) -> Iterator[tuple[Job, int | str]]:
    """Finished jobs in any order, each with its clip's first frame or with what is wrong with it.

    Args:
        config: the settings, from which every process opens its own backbone.
        dim: feature size D.
        jobs: what to compute.
        tick: called now and then to show progress.
    """
    workers = count_workers(config, len(jobs))
    if workers == 0:
        with one_thread():
            backbone = open_backbone(config) if jobs else None
            for job in jobs:
                assert backbone is not None
                yield job, attempt(job, backbone, config, dim, lambda: False, tick)
        return
    # Spawned, not forked: forking a process that runs threads (progress bar, FFmpeg) can hang the child.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(workers, context, _start_worker, (config, dim, stop)) as pool:
        futures = {pool.submit(_attempt_in_worker, job): job for job in jobs}
        try:
            yield from _finished(futures, tick)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _finished(futures: dict["Future[int | str]", Job], tick: Callable[[], None]) -> Iterator[tuple[Job, int | str]]:
    left = set(futures)
    while left:
        done, left = wait(left, timeout=TICK_S, return_when="FIRST_COMPLETED")
        tick()
        for future in done:
            try:
                outcome = future.result()
            except BrokenProcessPool as error:
                raise DataError(
                    "A process was killed, most likely for want of memory. Run the same command with fewer --workers "
                    "or a smaller --batch; what is computed is kept."
                ) from error
            yield futures[future], outcome


def attempt(
    job: Job,
    backbone: Backbone,
    config: ExtractConfig,
    dim: int,
    stopped: Callable[[], bool],
    computed: Callable[[], None],
) -> int | str:
    """Compute a clip; its first frame, or what is wrong with it. A wrong setting is raised: it would fail them all."""
    try:
        return compute_clip(job.clip, backbone, config.fps, config.batch, job.path, dim, stopped, computed)
    except ConfigError:
        raise
    except (ValueError, FileNotFoundError) as error:
        return str(error)


_state: list[Any] = []
"""Settings, feature size, the sign to stop and the backbone of this worker process."""


def _start_worker(config: ExtractConfig, dim: int, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent sees to an orderly end
    end_with_parent()
    torch.set_num_threads(1)
    _state[:] = [config, dim, stop, open_backbone(config)]


def _attempt_in_worker(job: Job) -> int | str:
    config, dim, stop, backbone = _state
    try:
        return attempt(job, backbone, config, dim, stop.is_set, lambda: None)
    except Stopped:
        return "stopped"
