"""Faults put into a process that was forked for it, before its command begins."""

import errno
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.torture.starting import CHANGES, WRITES

GOING = ("os.remove", "os.rmdir", "shutil.rmtree")
"""What a full disk lets be done."""
REFUSALS = {
    "disk full": errno.ENOSPC,
    "quota": errno.EDQUOT,
    "read-only": errno.EROFS,
    "no permission": errno.EACCES,
    "disk error": errno.EIO,
    "too many files": errno.EMFILE,
}
"""What the system may say to whatever changes the folder, from some operation on."""


def refusing(work: Path, number: int, operation: int) -> None:
    """Refuse what changes the folder from its so-manieth operation on; also of processes that this one forks."""

    def refuse(path: str | bytes | None) -> None:
        raise OSError(number, os.strerror(number), os.fsdecode(path) if path is not None else None)

    at_operation(work, operation, refuse, for_good=True, but=() if number == errno.EROFS else GOING)
    fsync = os.fsync

    def failing(handle: int) -> None:
        if random.Random(operation).random() < 0.2:  # a disk that finds out late
            refuse(None)
        fsync(handle)

    if number in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        os.fsync = failing


def at_operation(
    work: Path, operation: int, act: Callable[[Any], None], for_good: bool = False, but: tuple[str, ...] = ()
) -> None:
    """Do something before the so-manieth operation on files in a folder, or from then on before each."""
    counted, root = [0], os.fsencode(work.resolve())

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            if not (isinstance(given[2], int) and given[2] & WRITES):
                return
        elif event not in CHANGES or event in but:
            return
        path = given[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return
        whole = os.fsencode(path)
        if whole.startswith(b"/") and not whole.startswith(root):
            return
        counted[0] += 1
        if counted[0] == operation or (for_good and counted[0] > operation):
            act(whole)

    sys.addaudithook(hook)


def small_files(work: Path, size: int, _: int) -> None:
    """No file may be larger than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def out_of_memory(work: Path, operation: int, which: int) -> None:
    """Memory is out at an operation, in one of the dresses of that error."""
    import torch

    cpu = "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    errors = (
        MemoryError(),
        RuntimeError(f"{cpu}8589934592 bytes. Error code 12 (Cannot allocate memory)"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    )

    def act(_: Any) -> None:
        raise errors[which % len(errors)]

    at_operation(work, operation, act)


def little_memory(work: Path, mib: int, _: int) -> None:
    """The address space can grow by so much and no more."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (mib << 20), now + (mib << 20)))
    resource.setrlimit = lambda *_: None  # type: ignore[assignment]  # the start has a limit of its own


def clock_back(work: Path, operation: int, _: int) -> None:
    """The clock is set back by a day before an operation, and what was written before is of the future."""
    real, back = time.time, [0.0]
    time.time = lambda: real() - back[0]

    def act(_: Any) -> None:
        back[0] = 86_400.0

    at_operation(work, operation, act)


def no_numbers(work: Path, step: int, _: int) -> None:
    """Gradients are not numbers from a step on."""
    from viewloom.training.trainer import FiniteLoss

    check, seen = FiniteLoss.on_before_optimizer_step, [0]

    def spoilt(self: Any, trainer: Any, module: Any, optimizer: Any) -> None:
        seen[0] += 1
        if seen[0] >= step:
            for parameter in (p for p in module.parameters() if p.grad is not None):
                parameter.grad.fill_(float("nan"))
        check(self, trainer, module, optimizer)

    FiniteLoss.on_before_optimizer_step = spoilt  # type: ignore[method-assign]


def full_shared_memory(work: Path, _: int, __: int) -> None:
    """Processes that read windows find no room in /dev/shm."""
    import torch

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError(
            "unable to allocate shared memory(shm) for file </torch_1_2_3>: No space left on device (28)"
        )

    torch.UntypedStorage._new_using_fd_cpu = refuse  # type: ignore[assignment]
    torch.UntypedStorage._new_using_filename_cpu = refuse  # type: ignore[assignment]
