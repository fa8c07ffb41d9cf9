"""Free memory is the least of what the machine and every control group around the process allow."""

import pytest

from viewloom.machine import free_memory

GIB = 2**30


def make(root, groups, line, available_kib=8 * 2**20):
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {available_kib} kB\n")
    (root / "proc" / "self" / "cgroup").write_text(line)
    for place, files in groups.items():
        (root / "groups" / place).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (root / "groups" / place / name).write_text(text)
    return free_memory(root / "proc", root / "groups")


V2 = {"memory.max": f"{4 * GIB}\n", "memory.current": f"{3 * GIB}\n", "memory.stat": f"anon 5\ninactive_file {GIB}\n"}
OPEN = {"memory.max": "max\n", "memory.current": "5\n"}
V1 = {"memory.limit_in_bytes": f"{3 * GIB}", "memory.usage_in_bytes": f"{GIB}"}


@pytest.mark.parametrize(
    ("groups", "line", "free"),
    [
        ({}, "", 8 * GIB),
        ({"a/b": OPEN}, "0::/a/b\n", 8 * GIB),
        ({"a/b": V2}, "0::/a/b\n", 2 * GIB),
        ({"a": V2, "a/b": OPEN}, "0::/a/b\n", 2 * GIB),
        ({".": V2}, "0::/outside/the/container\n", 2 * GIB),
        ({"memory/a": V1}, "5:cpu:/x\n4:memory:/a\n", 2 * GIB),
        ({"a": V2 | {"memory.current": "nonsense"}}, "0::/a\n", 8 * GIB),
    ],
)
def test_the_least_counts(groups, line, free, tmp_path):
    assert make(tmp_path, groups, line) == free


def test_this_machine_has_some():
    assert free_memory() > 2**20
