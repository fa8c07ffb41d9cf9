"""``python -m viewloom.recipes.compare.worker FD``: a process that does one run after the other, each in its own fork.

It imports torch once, before it forks, so a short run costs no start-up and yet nothing of one run can reach another.
The connection brings a `Work` at a time and takes its exit code. When the other side is gone, because the command
ended in whatever way, the run in progress is ended too.
"""

import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection

from viewloom.recipes.compare.work import Work, execute

POLL_S = 0.1


def main(connection: Connection) -> None:
    """Serve until the other side is gone."""
    import viewloom.recipes.planned

    assert viewloom.recipes.planned
    while True:
        try:
            work: Work = connection.recv()
        except EOFError:
            return
        connection.send(_in_fork(work, connection))


def _in_fork(work: Work, connection: Connection) -> int:
    """Do a run in a fork, and wait for it; ends everything when the command is gone."""
    child = os.fork()
    if not child:
        connection.close()
        _run(work)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if connection.poll(POLL_S):  # nothing is sent while a run is on, so this is the end
            os.killpg(0, signal.SIGKILL)


def _run(work: Work) -> None:
    """The fork's whole life."""
    code = 1
    try:
        work.log.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(work.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        execute(work)
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
