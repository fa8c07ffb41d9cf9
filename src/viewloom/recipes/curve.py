"""`viewloom curve`: how scores change with the share of pairs or labels, the offset of views, and their number."""

from dataclasses import dataclass, replace
from pathlib import Path

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.multilabel import refuse_multi
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import SamplingConfig
from viewloom.dataset.splits import Role
from viewloom.errors import ConfigError
from viewloom.identity import Identity, settings_of
from viewloom.locks import alone
from viewloom.names import names_in
from viewloom.outputs import NOWHERE, RUNS, refuse_folder
from viewloom.recipes.chain import filled, of_head, of_run, options_of, refuse_unusable
from viewloom.recipes.curve_data import Point, points_of
from viewloom.recipes.curve_results import MARK, PICTURE, Curve, Scored, write_curve
from viewloom.recipes.docs_page import check_page
from viewloom.recipes.experiment import run_all
from viewloom.recipes.planned import PlannedRun, data_settings, run_key, unique_runs
from viewloom.recipes.settings import CurveConfig, parse_numbers
from viewloom.training.learn import learns_labels
from viewloom.training.run_identity import RunContent
from viewloom.training.sampling import run_sampling, segment_frames
from viewloom.training.settings import EvaluateConfig, PretrainConfig, TrainConfig


def run_curve(config: CurveConfig) -> str:
    """Run (or plan) all points with all seeds, and write results, table and picture; returns the text to show."""
    check_page(config.docs, MARK, PICTURE)
    if not config.plan:
        refuse_folder(config.out, None, own=RUNS)
    config = filled(config)
    config = replace(config, trainer=replace(config.trainer, devices="1"))
    dataset = open_dataset(config)
    refuse_multi(dataset.labels, "viewloom curve")
    refuse_unusable(config, config.names, dataset)
    build = Builder(config, dataset, *shared_sampling(config, dataset))
    jobs = build.jobs()
    runs = unique_runs([job.run for job in jobs])
    if config.plan:
        return plan_text(config, runs)
    folder = Path(config.out) / f"{config.kind}-{config.method}-{build.key}"
    with alone(folder, "viewloom curve"):
        failed = run_all(runs)
        text = write_curve(Curve(config, dataset, folder, failed), [job.scored for job in jobs if job.run.finished])
    if failed:
        reasons = "; ".join(f"{run}: {reason}" for run, reason in failed.items())
        raise ConfigError(f"{text}\n{len(failed)} run(s) did not finish, and the curve lacks them. {reasons}")
    return text


def plan_text(config: CurveConfig, runs: list[PlannedRun]) -> str:
    """The runs, and which are finished."""
    width = max(len(run.label) for run in runs)
    lines = [f"{run.label:{width}}  {'finished' if run.finished else 'to do'}" for run in runs]
    return "\n".join([f"Curve over {config.kind}, method {config.title}: {len(runs)} runs", *lines])


def shared_sampling(config: CurveConfig, dataset: MultiViewDataset) -> tuple[SamplingConfig, SamplingConfig]:
    """The sampling of every refiner and of every head, chosen on all pairs and labels, so that no point has its own."""
    pairs, train = dataset.items("pairs", config.names), dataset.items("train", config.names[:1])
    of_pairs = run_sampling(config.sampling, dataset, pairs, config.names)
    lengths = segment_frames(dataset, train)
    of_heads = run_sampling(
        config.sampling, dataset, train, config.names[:1], lengths, (of_pairs.pooling, "as the refiners learn")
    )
    return of_pairs.as_request(), of_heads.as_request()


@dataclass(frozen=True)
class Job:
    """A point, or a baseline, with one seed: the run that scores it, and what it is."""

    run: PlannedRun
    scored: Scored


@dataclass(frozen=True)
class Builder:
    """Makes the runs of a curve.

    Attributes:
        config: its settings, options filled in.
        dataset: all there is.
        pair_sampling: sampling of every refiner.
        head_sampling: sampling of every head.
    """

    config: CurveConfig
    dataset: MultiViewDataset
    pair_sampling: SamplingConfig
    head_sampling: SamplingConfig

    @property
    def key(self) -> str:
        """Of the results: settings and data."""
        roles: tuple[Role, ...] = ("pairs", "train", "val", "test")
        content = self._content(self.dataset, roles, self.config.names)
        return Identity({"settings": settings_of(self.config), "data": {"key": content.identity(None).key}}).key

    def jobs(self) -> list[Job]:
        """All seeds: point by point the method, then the baselines."""
        found = []
        for seed in parse_numbers("seeds", self.config.seeds):
            points = points_of(self.config, self.dataset, seed, self.pair_sampling.chunk_frames or 1)
            for point in points:
                found.append(self._job("method", point, seed, self.pretraining(point, seed)))
            if self.config.baselines:
                found += self._baselines(points, seed)
        return found

    def _baselines(self, points: list[Point], seed: int) -> list[Job]:
        """Naive heads, where both views are of one size: of every share of labels, else one; and an oracle."""
        labelled, target = self.config.names[:2]
        same = self.dataset.source.dim(labelled) == self.dataset.source.dim(target)
        shares = points if self.config.kind == "labels" else points[-1:]
        found = [self._job("naive", point, seed, None) for point in shares] if same else []
        return [*found, self._job("oracle", replace(points[-1], labels=self.dataset), seed, None)]

    def _job(self, role: str, point: Point, seed: int, refiner: PlannedRun | None) -> Job:
        labelled, target = self.config.names[:2]
        head = self.training(role, point, seed, refiner, target if role == "oracle" else labelled)
        views = (target,) if role == "oracle" else (labelled, target)
        settings = EvaluateConfig(
            **data_settings(self.config),
            run=str(head.folder),
            views=",".join(views),
            sampling=self.head_sampling,
            accelerator=self.config.trainer.device_kind,
        )
        label = f"{head.label.rpartition(': ')[0]}: scores"
        run = PlannedRun("evaluate", label, head.folder, settings, (head,), self.dataset)
        learned = None if refiner is None else refiner.folder
        return Job(run, Scored(role, point.asked, point.value, point.learned, seed, head.folder, learned))

    def pretraining(self, point: Point, seed: int) -> PlannedRun:
        """The refiner of a point: where several methods are compared, on its own pairs."""
        config = self.config
        settings = PretrainConfig(
            **of_run(config, run=NOWHERE, seed=seed, sampling=self.pair_sampling),
            **config.pretrain.chosen(),
            views=",".join(point.views),
            method=config.method,
            method_options=options_of(config, config.names[:1]),
        )
        data = self._content(point.pairs, ("pairs",), point.views).identity(None)
        shift = getattr(point.pairs.source, "frames", {})
        folder = self._folder(f"refiner-{config.method}", seed, run_key(settings, data))
        label = f"{config.kind} {point.name}, seed {seed}: refiner" + (f" of views late by {shift}" if shift else "")
        return PlannedRun("pretrain", label, folder, replace(settings, run=str(folder)), (), point.pairs)

    def training(self, role: str, point: Point, seed: int, refiner: PlannedRun | None, view: str) -> PlannedRun:
        """A head, behind the refiner of a point, where it may be taught on the point's pairs, or on plain features."""
        config, taught = self.config, role == "method" and self.config.student
        settings = TrainConfig(
            **of_run(config, run=NOWHERE, seed=seed, sampling=self.head_sampling),
            **of_head(config, taught),
            views=view,
            epochs=config.head_epochs,
            batch_size=config.head_batch_size,
        )
        roles: tuple[Role, ...] = ("train", "val")
        dataset, of_pairs = point.labels, None
        if taught:
            teach = replace(config.teach, views=config.teach.views or ",".join(point.views))
            settings = replace(settings, teach=teach)
            of_pairs = tuple(dict.fromkeys((view, *names_in(teach.views))))
            roles, dataset = (*roles, "pairs"), point.taught
        data = self._content(dataset, roles, (view,), of_pairs).identity(None)
        needs = () if refiner is None else (refiner,)
        name = role if role == "oracle" or (role == "naive" and config.kind != "labels") else f"{role}-{point.name}"
        folder = self._folder(
            config.method if role == "method" else role, seed, run_key(settings, data, *(run.folder for run in needs))
        )
        path = None if refiner is None else str(refiner.folder / "refiner.safetensors")
        settings = replace(settings, run=str(folder), refiner=path, name=name)
        what = "student" if taught else "head"
        label = f"{config.kind} {name.replace('-', ' ')}, seed {seed}: {what}"
        return PlannedRun("train", label, folder, settings, needs, dataset)

    def _has(self, role: Role) -> bool:
        return bool(self.dataset.splits and getattr(self.dataset.splits, role))

    def _content(
        self,
        dataset: MultiViewDataset,
        roles: tuple[Role, ...],
        views: tuple[str, ...],
        of_pairs: tuple[str, ...] | None = None,
    ) -> RunContent:
        """What a run rests on; ``of_pairs``: the views of the pairs in use, where they are others."""
        views_of = {} if of_pairs is None else {"pairs": of_pairs}
        items: dict[str, tuple[Item, ...]] = {
            role: dataset.items(role, views_of.get(role, views)) for role in roles if self._has(role)
        }
        blind = () if learns_labels(self.config.method) else ("pairs",)
        return RunContent(
            dataset,
            items,
            views,
            labelled=bool(set(items) - set(blind)),
            unlabelled=blind,
            views_of=views_of,
            compare=self.config.compare_features,
        )

    def _folder(self, name: str, seed: int, key: str) -> Path:
        return Path(self.config.out) / "runs" / f"{name}-seed{seed}-{key}"
