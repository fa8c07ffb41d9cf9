"""How a command ends: exit codes, one message, a quiet end where nobody reads."""

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from viewloom.errors import ConfigError
from viewloom.guard import guarded

FULL = OSError(errno.ENOSPC, "No space left on device", "/x/run/last.ckpt")


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("Take another."), 2, "viewloom pack: Take another.\n"),
        (FULL, 1, "viewloom pack: /x/run/last.ckpt can't be written: the disk is full"),
        (MemoryError(), 1, "viewloom pack: Out of memory"),
        (KeyboardInterrupt(), 130, "Stopped."),
        (BrokenPipeError(), 141, ""),
    ],
    ids=["user", "disk", "memory", "ctrl-c", "pipe"],
)
def test_exit_codes_and_one_message(error, code, said, capfd):
    assert guarded("pack", raising(error)) == code
    err = capfd.readouterr().err
    assert said in err and "Traceback" not in err and err.strip().count("\n") == 0


def test_ctrl_c_behind_lightning_and_a_pipe_behind_rich_are_seen(capfd):
    def run(error):
        try:
            raise error
        except type(error):
            sys.exit(1)

    assert guarded("train", lambda: run(KeyboardInterrupt())) == 130
    assert guarded("check", lambda: run(BrokenPipeError())) == 141
    with pytest.raises(SystemExit):
        guarded("check", lambda: sys.exit(3))


def test_a_traceback_for_who_asks_and_for_our_own_faults(monkeypatch, capfd):
    monkeypatch.setenv("VIEWLOOM_TRACEBACK", "1")
    assert guarded("pack", raising(FULL)) == 1
    assert "Traceback" in capfd.readouterr().err
    with pytest.raises(KeyError):
        guarded("pack", raising(KeyError("ours")))


def test_an_error_in_a_thread_ends_the_command_with_its_message(capfd):
    def run():
        thread = threading.Thread(target=raising(FULL))
        thread.start()
        thread.join()
        return 0

    assert guarded("train", run) == 1
    err = capfd.readouterr().err
    assert "/x/run/last.ckpt" in err and "Traceback" not in err


def test_sigterm_puts_away_what_is_half_written(tmp_path, capfd):
    from viewloom.files import atomic_path

    def run():
        with atomic_path(tmp_path / "a"):
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("the signal comes first")

    assert guarded("pack", run) == 143
    assert list(tmp_path.iterdir()) == [] and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


COMMAND = "import sys; from viewloom.cli import main; sys.exit(main(sys.argv[1:]))"


def shell(line):
    command = f"{sys.executable} -c '{COMMAND}' {line}"
    return subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("--help | true", (0, 141), ""),
        ("--help >&-", (0,), ""),
        ("--help > /dev/full", (1,), "the standard output can't be written: the disk is full"),
        ("nonsense 2>&-", (2,), ""),
    ],
)
def test_output_that_nobody_takes(line, code, said):
    done = shell(line)
    assert done.returncode in code and said in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
