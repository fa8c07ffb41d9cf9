"""What this machine has free: memory, within what its container allows."""

import os
from pathlib import Path

PROC, GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def free_memory(proc: Path = PROC, groups: Path = GROUPS) -> int | None:
    """Bytes that a process can take before the kernel ends one; None where that can't be told.

    The least of what the machine has and of what every control group around this process has left (version 1 or 2);
    what the page cache holds counts as free.
    """
    found = [_of_machine(proc), *_of_groups(proc, groups)]
    return min((size for size in found if size is not None), default=None)


def _of_machine(proc: Path) -> int | None:
    """MemAvailable on Linux; elsewhere the pages that are free."""
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    names = getattr(os, "sysconf_names", {})
    if "SC_AVPHYS_PAGES" in names:
        return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if "SC_PHYS_PAGES" in names:  # macOS tells the whole alone
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    return None


def _of_groups(proc: Path, groups: Path) -> list[int | None]:
    """What is left in each control group of this process and those around it; None where there is no limit."""
    found: list[int | None] = []
    for line in _lines(proc / "self" / "cgroup"):
        _, kinds, own = line.split(":", 2)
        if kinds == "":
            found += [_left(place, "memory.max", "memory.current") for place in _upwards(groups, own)]
        elif "memory" in kinds.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes"
            found += [_left(place, *names) for place in _upwards(groups / "memory", own)]
    return found


def _upwards(root: Path, own: str) -> list[Path]:
    """A group's folder and those around it; in a container only the root may be there."""
    place = root / own.strip().lstrip("/")
    return [path for path in (place, *place.parents) if path == root or root in path.parents]


def _left(place: Path, limit: str, used: str) -> int | None:
    """What a group may still take: its page cache can be dropped."""
    most, now = ("".join(_lines(place / name)).strip() for name in (limit, used))
    if not most.isdigit() or not now.isdigit():
        return None
    cached = sum(int(line.split()[1]) for line in _lines(place / "memory.stat") if line.startswith("inactive_file "))
    return max(0, int(most) - int(now) + cached)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
