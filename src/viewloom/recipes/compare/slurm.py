"""Runs as arrays of Slurm jobs, through submitit (https://github.com/facebookincubator/submitit).

This process stays and hands out what becomes ready. Jobs that were handed out go on when it ends; started again, it
takes them up where it knows them, instead of starting their runs twice.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from viewloom.console import err
from viewloom.errors import ConfigError
from viewloom.files import write_json
from viewloom.recipes.compare.launching import why_failed
from viewloom.recipes.compare.settings import SlurmConfig
from viewloom.recipes.compare.work import ONE_THREAD, Work, execute

OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "DEADLINE", "UNKNOWN")
"""States in which a job of an earlier command is not waited for: it is over, or Slurm has forgotten it."""


class SlurmLauncher:
    """Arrays of jobs.

    Args:
        config: what each run asks for.
        folder: of submitit's files, which all machines must see.

    Raises:
        ConfigError: submitit is not installed, there is no Slurm here, or it refuses the settings.
    """

    room = 100_000

    def __init__(self, config: SlurmConfig, folder: Path) -> None:
        self.config = config
        self.folder = folder.absolute()
        self._executor = _executor(config, self.folder)
        self._ready: list[Work] = []
        self._since = 0.0
        self._jobs: dict[str, tuple[Work, Any]] = {}

    def start(self, works: Sequence[Work]) -> None:
        """Gather runs for an array; those that an earlier command handed out and that still go on are only watched."""
        if works and not self._ready:
            self._since = time.monotonic()
        before = self._handed_out()
        for work in works:
            job = self._job(before[work.name]) if work.name in before else None
            if job is not None:
                self._jobs[work.name] = work, job
            else:
                self._ready.append(work)

    def wait(self, seconds: float) -> list[tuple[Work, str | None]]:
        """Submit what was gathered, if it is time, and see what ended."""
        if self._ready and (not self._jobs or time.monotonic() - self._since >= self.config.gather_s):
            self._submit()
        until = time.monotonic() + seconds
        while True:
            ended = [(work, job) for work, job in self._jobs.values() if job.done()]
            if ended or time.monotonic() >= until:
                break
            time.sleep(0.2)
        for work, _ in ended:
            del self._jobs[work.name]
        return [(work, self._why(work, job)) for work, job in ended]

    def _submit(self) -> None:
        """One array of all that was gathered."""
        works, self._ready = self._ready, []
        for work in works:
            work.outcome.parent.mkdir(parents=True, exist_ok=True)
        with self._executor.batch():
            jobs = [self._executor.submit(execute, work) for work in works]
        err.print(f"handed {len(works)} run(s) to {self.config.cluster}: job {jobs[0].job_id} ...", markup=False)
        for work, job in zip(works, jobs, strict=True):
            self._jobs[work.name] = work, job
        known = self._handed_out() | {work.name: job.job_id for work, job in zip(works, jobs, strict=True)}
        write_json(self.folder / "handed_out.json", known)

    def _handed_out(self) -> dict[str, str]:
        """Ids of all jobs that were ever handed out, by the names of their runs."""
        with suppress(FileNotFoundError, json.JSONDecodeError):
            found: dict[str, str] = json.loads((self.folder / "handed_out.json").read_text(encoding="utf-8"))
            return found
        return {}

    def _job(self, job_id: str) -> Any:
        """The job of an earlier command, if it waits or runs still."""
        if self.config.cluster != "slurm":
            return None
        import submitit

        job: submitit.SlurmJob[Any] = submitit.SlurmJob(folder=self.folder / "jobs", job_id=job_id)
        over = job.paths.result_pickle.exists() or job.watcher.get_state(job_id, mode="force").split(" ")[0] in OVER
        return None if over else job

    def _why(self, work: Work, job: Any) -> str | None:
        """Why a job's run failed, with the end of what the job said where the run itself left nothing."""
        why = why_failed(work, None)
        if why is None or work.outcome.exists():
            return why
        said = (job.stderr() or "").strip().splitlines()
        return f"job {job.job_id} ended without a result ({job.state}); {said[-1] if said else 'it said nothing'}"

    def close(self) -> None:
        """Cancel what is left of jobs here; those of Slurm go on, and are taken up by the next command."""
        if not self._jobs:
            return
        if self.config.cluster == "slurm":
            ids = ", ".join(job.job_id for _, job in list(self._jobs.values())[:3])
            text = f"{len(self._jobs)} job(s) go on ({ids} ...): repeat the command to take them up, or scancel them."
            err.print(text, markup=False)
            return
        for _, job in self._jobs.values():
            job.cancel(check=False)


def _executor(config: SlurmConfig, folder: Path) -> Any:
    """submitit's executor with the settings."""
    try:
        import submitit
    except ImportError:
        raise ConfigError(
            'launch slurm needs the package submitit: pip install "viewloom[slurm]" (on all machines).'
        ) from None
    more = {} if config.cluster == "local" else _of_slurm(config)
    try:
        executor = submitit.AutoExecutor(folder=folder / "jobs", cluster=config.cluster)
        executor.update_parameters(
            name="viewloom",
            timeout_min=config.time_min,
            mem_gb=config.mem_gib,
            gpus_per_node=config.gpus,
            cpus_per_task=config.cpus,
            tasks_per_node=1,
            **more,
        )
    except (RuntimeError, ValueError, NameError) as error:
        raise ConfigError(f"Slurm can't be used with these settings: {error}") from None
    return executor


def _of_slurm(config: SlurmConfig) -> dict[str, Any]:
    """What only Slurm takes."""
    setup = [f"export {name}=1" for name in ONE_THREAD if config.cpus == 1] + list(config.setup)
    found: dict[str, Any] = {"slurm_setup": setup, "slurm_array_parallelism": config.at_once}
    found |= {f"slurm_{name}": value for name in ("partition", "account") if (value := getattr(config, name))}
    return found | ({"slurm_additional_parameters": dict(config.more)} if config.more else {})
