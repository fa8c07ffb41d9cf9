"""How a command ends: its exit code, and one message where it couldn't do its work.

0 done, 1 the machine refused something (disk, memory, a process lost), 2 bad input, 130 and 143 stopped by Ctrl-C and
by SIGTERM, 141 nobody reads the output any more. What nothing here explains is a fault of this project: its traceback
is shown. With VIEWLOOM_TRACEBACK=1 every traceback is.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from viewloom.errors import UserError
from viewloom.failures import STDOUT, explained, writing

TRACEBACK = "VIEWLOOM_TRACEBACK"
INTERRUPTED, TERMINATED, UNREAD = 130, 143, 141
STOPPED = "\nStopped. What was finished is kept.\n"


class Terminated(SystemExit):
    """SIGTERM came: everything is put away as after Ctrl-C."""


def guarded(name: str, run: Callable[[], int]) -> int:
    """Run a command; returns its exit code.

    Args:
        name: the verb, for messages.
        run: does its work, and returns its exit code.
    """
    try:
        with ending_by_signal(), errors_of_threads() as in_threads:
            code = run()
            with writing(STDOUT):
                sys.stdout.flush()
        if in_threads:
            raise in_threads[0]
        return code
    except BrokenPipeError:
        return _unread()
    except KeyboardInterrupt:
        return _say(STOPPED, INTERRUPTED)
    except SystemExit as error:
        return _of_exit(error)
    except Exception as error:  # noqa: BLE001  # what is not explained is raised again
        return _of_error(name, error)


def open_streams() -> None:
    """Give the standard streams that were closed before the program began somewhere to go."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # it stays open


def _of_exit(error: SystemExit) -> int:
    """The exit code where a library ended the program: Lightning after Ctrl-C, rich where nobody reads."""
    behind = error.__context__
    if isinstance(error, Terminated) or type(error).__name__ == "SIGTERMException":
        return _say(STOPPED, TERMINATED)
    if isinstance(behind, KeyboardInterrupt):
        return _say(STOPPED, INTERRUPTED)
    if isinstance(behind, BrokenPipeError):
        return _unread()
    raise error


def _of_error(name: str, error: Exception) -> int:
    """The message of an error, and its exit code; what can't be explained goes on."""
    message = explained(error)
    if message is None:
        raise error
    if os.environ.get(TRACEBACK, "0") not in ("", "0"):
        traceback.print_exception(error)
    return _say(f"viewloom {name}: {message}\n", 2 if isinstance(error, UserError) else 1)


def _say(text: str, code: int) -> int:
    """Write to standard error, as far as that can be; returns the code. What standard output can't take is dropped."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        _silence()
    return code


def _unread() -> int:
    _silence()
    return UNREAD


def _silence() -> None:
    """Let what is left in standard output go nowhere, or Python complains when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def errors_of_threads() -> Iterator[list[Exception]]:
    """What the machine refused in other threads meanwhile, which Python would only print; the rest it prints."""
    found, before = list[Exception](), threading.excepthook

    def keep(args: threading.ExceptHookArgs) -> None:
        if isinstance(args.exc_value, Exception) and explained(args.exc_value) is not None:
            found.append(args.exc_value)
        else:
            before(args)

    threading.excepthook = keep
    try:
        yield found
    finally:
        threading.excepthook = before


@contextmanager
def ending_by_signal() -> Iterator[None]:
    """SIGTERM ends what runs as an exception would, so that half-written files go; elsewhere than in a program's main
    thread, or where somebody else handles it, nothing changes."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not ours:
        yield
        return
    main = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != main:  # a fork of ours that did not ask for this
            os._exit(TERMINATED)
        raise Terminated(TERMINATED)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
