"""Seeds given to worker processes until the time is out; what dies or hangs is told, and replaced."""

import multiprocessing
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.torture import worker
from tests.torture.outcome import FINE, Outcome

PARTS = ("kills", "fuzz", "faults")
"""Modules here with `prepare(folder)` and `trial(seed, prepared, folder)`."""
MARK = "torture.txt"
"""A file that says that a folder is a campaign's, which may be emptied."""
TICK_S = 0.5
SAY_EVERY_S = 30.0


@dataclass(frozen=True)
class Done:
    """A trial that has ended.

    seed: what it was drawn from.
    seconds: how long it took.
    outcomes: what came of it.
    """

    seed: int
    seconds: float
    outcomes: list[Outcome]


@dataclass
class Hand:
    """A worker process, and the trial that it has now."""

    process: BaseProcess
    line: Connection
    seed: int | None = None
    began: float = 0.0


@dataclass
class Campaign:
    """One part's trials.

    part: module's name.
    folder: where it works; emptied first.
    seed: of the first trial; the next ones count up.
    jobs: worker processes.
    limit_s: how long a trial may take before it counts as a hang.
    reuse: go on with what an earlier campaign in the folder prepared.
    """

    part: str
    folder: Path
    seed: int
    jobs: int
    limit_s: float = 300.0
    reuse: bool = False
    hands: list[Hand] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    said: float = 0.0

    def run(self, seconds: float, trials: int | None = None) -> list[Done]:
        """Make trials for so long, or so many; those that run when the time is out are waited for. Ctrl-C ends it with
        what there is."""
        began = time.monotonic()
        self._empty()
        next_seed, last = self.seed, None if trials is None else self.seed + trials
        try:
            self._start_hands(1 if trials == 1 else self.jobs)
            while True:
                open_now = next_seed < last if last is not None else time.monotonic() - began < seconds
                for hand in (h for h in self.hands if open_now and h.seed is None):
                    if last is None or next_seed < last:
                        self._hand_out(hand, next_seed)
                        next_seed += 1
                if not open_now and all(hand.seed is None for hand in self.hands):
                    break
                self._collect()
                self._live(began)
        except KeyboardInterrupt:
            sys.stderr.write("stopped\n")
        finally:
            self._stop()
        return sorted(self.done, key=lambda done: done.seed)

    def _empty(self) -> None:
        if self.folder.exists() and not (self.folder / MARK).exists():
            sys.exit(f"{self.folder} is there and no campaign's. Name another --folder.")
        kept = self.folder / "prepared" / MARK
        for inside in ("trials", "prepared") if not (self.reuse and kept.exists()) else ("trials",):
            shutil.rmtree(self.folder / inside, ignore_errors=True)
        (self.folder / "prepared").mkdir(parents=True, exist_ok=True)
        (self.folder / MARK).write_text("A campaign of tests.torture works here; it may be removed.\n")

    def _start_hands(self, jobs: int) -> None:
        """The first worker prepares for all."""
        kept = self.folder / "prepared" / MARK
        first = self._new_hand(prepare=not kept.exists())
        while not kept.exists() and not first.line.poll(TICK_S):
            if not first.process.is_alive():
                sys.exit(f"Preparing {self.part} failed; see above.")
        if not kept.exists():
            first.line.recv()
            kept.touch()
        self.hands = [first, *(self._new_hand() for _ in range(jobs - 1))]

    def _new_hand(self, prepare: bool = False) -> Hand:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=worker.work, args=(self.part, self.folder, theirs, prepare))
        process.start()
        theirs.close()
        return Hand(process, ours)

    def _hand_out(self, hand: Hand, seed: int) -> None:
        hand.seed, hand.began = seed, time.monotonic()
        hand.line.send(seed)

    def _collect(self) -> None:
        """Take what has come; replace workers that died or hang."""
        busy = [hand for hand in self.hands if hand.seed is not None]
        wait([hand.line for hand in busy], TICK_S)
        for hand in busy:
            taken = time.monotonic() - hand.began
            try:
                if hand.line.poll():
                    self.done.append(Done(hand.seed or 0, taken, hand.line.recv()))
                    hand.seed = None
                elif taken > self.limit_s:
                    self._replace(hand, "hang", f"over {self.limit_s:.0f} s")
            except (EOFError, ConnectionError):
                hand.process.join(5)
                self._replace(hand, "crash", f"the worker ended with code {hand.process.exitcode}")

    def _replace(self, hand: Hand, result: str, detail: str) -> None:
        worker.end(hand.process)
        self.done.append(Done(hand.seed or 0, time.monotonic() - hand.began, [Outcome(self.part, result, detail)]))
        self.hands[self.hands.index(hand)] = self._new_hand()

    def _stop(self) -> None:
        """End all workers; told to stop twice, as `timeout` does, it isn't stopped in this."""
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for hand in self.hands:
            worker.end(hand.process)

    def _live(self, began: float) -> None:
        """One line of progress: written over on a terminal, else one in half a minute."""
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if now - self.said < (TICK_S if terminal else SAY_EVERY_S):
            return
        self.said = now
        outcomes = [outcome for done in self.done for outcome in done.outcomes]
        events, wrong = sum(o.events for o in outcomes), sum(o.result != FINE for o in outcomes)
        text = f"{self.part}: {now - began:.0f} s, {len(self.done)} trials, {events} events, {wrong} not fine"
        sys.stderr.write(f"\r\033[K{text}" if terminal else f"{text}\n")
        sys.stderr.flush()
