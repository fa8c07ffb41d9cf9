"""The rows of a comparison on one data set, and the runs that each of them needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from re import sub
from typing import Any, Literal

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.multilabel import refuse_multi
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError, DataError
from viewloom.identity import Identity
from viewloom.keywords import built
from viewloom.methods.settings import AUTO
from viewloom.outputs import NOWHERE
from viewloom.recipes.compare.settings import Comparison, ControlEntry, DataEntry, HeadEntry, MethodEntry
from viewloom.recipes.mismatch import Mismatch
from viewloom.recipes.planned import PlannedRun, data_identity, data_settings, run_key
from viewloom.recipes.settings import LabelControlConfig
from viewloom.training.evaluate import select_views
from viewloom.training.learn import needs_teacher, takes_epochs
from viewloom.training.settings import EvaluateConfig, PretrainConfig, TrainConfig

Role = Literal["method", "oracle", "control"]
"""Whether a row competes, has labels that the others lack, or shows what a score is worth."""


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: of the method or control.
        head: name of the head; empty for a control that has none.
        student: whether a student was taught on the pairs.
        role: what the row is for.
        method: name of the method's entry, of a method or of a control that uses one.
        view: view whose labels an oracle learns from.
    """

    name: str
    head: str
    student: bool = False
    role: Role = "method"
    method: str = ""
    view: str = ""

    @property
    def title(self) -> str:
        """Name and student."""
        return f"{self.name} + student" if self.student else self.name

    @property
    def key(self) -> str:
        """What tells it from any other row of a data set."""
        return f"{self.title}, {self.head}" if self.head else self.title


@dataclass(frozen=True)
class Cell:
    """One row with one seed, on one data set: the runs that lead to its scores, the last of which has them.

    Attributes:
        data: name of the data set.
        row: the row.
        seed: None for a control that draws nothing.
        evaluation: the run that leaves the scores.
    """

    data: str
    row: Row
    seed: int | None
    evaluation: PlannedRun


@dataclass(frozen=True)
class Bench:
    """A data set, opened, with what results on it rest on."""

    entry: DataEntry
    dataset: MultiViewDataset
    identity: Identity

    @classmethod
    def of(cls, entry: DataEntry) -> "Bench":
        """Open a data set of a comparison.

        Raises:
            DataError: it has no labels or no test items, or no recording has one of the views.
        """
        entry = replace(entry, config=complete(entry.config))
        dataset = open_dataset(entry.config)
        refuse_multi(dataset.labels, "viewloom compare")
        select_views(",".join(entry.views), dataset)
        if dataset.labels is None:
            raise DataError(
                f"{dataset.root} has no labels, and no head can be trained or scored without. Set `labels`."
            )
        dataset.items("test")
        return cls(entry, dataset, data_identity(dataset, entry.views, entry.config.compare_features))

    def plain_views(self, trained: Sequence[str]) -> tuple[str, ...]:
        """The views that a head of plain features takes: those of the size it was trained on."""
        sizes = {self.dataset.source.dim(view) for view in trained}
        return tuple(view for view in self.entry.views if self.dataset.source.dim(view) in sizes)


@dataclass(frozen=True)
class Builder:
    """Makes the rows and their runs.

    Attributes:
        comparison: what is compared.
        bench: the data set.
        methods: the methods with their tuned settings, by name.
    """

    comparison: Comparison
    bench: Bench
    methods: Mapping[str, MethodEntry] = field(default_factory=dict)

    def cells(self) -> list[Cell]:
        """All rows with all seeds: methods in the file's order, then controls."""
        comparison = self.comparison
        found = []
        for entry in map(self.tuned, comparison.methods):
            for head in comparison.heads:
                for student in entry.students or comparison.students:
                    row = Row(entry.name, head.name, student, method=entry.name)
                    found += [self._cell(row, entry, head, seed) for seed in comparison.seeds]
        return found + [cell for control in comparison.controls for cell in self._control(control)]

    def tuned(self, entry: MethodEntry) -> MethodEntry:
        """A method as it was tuned, or as it stands."""
        return self.methods.get(entry.name, entry)

    def _cell(self, row: Row, entry: MethodEntry, head: HeadEntry, seed: int, mismatch: Mismatch | None = None) -> Cell:
        refiner = None if entry.naive else self.pretraining(entry, seed, mismatch)
        views = (row.view,) if row.view else self.bench.entry.labelled
        training = self.training(row, head, seed, refiner, views)
        return Cell(self.bench.entry.name, row, seed, self.evaluation(row, seed, training))

    def _control(self, control: ControlEntry) -> list[Cell]:
        """The cells of a control."""
        name, found = control.control, []
        if name in ("majority", "clock"):
            return [Cell(self.bench.entry.name, Row(name, "", role="control"), None, self._label_control(name))]
        naive = MethodEntry("none", "none")
        for head in self.comparison.heads:
            for seed in self.comparison.seeds:
                if name == "oracle":
                    several = len(self.bench.entry.unlabelled) > 1
                    for view in self.bench.entry.unlabelled:
                        row = Row(f"oracle {view}" if several else "oracle", head.name, role="oracle", view=view)
                        found.append(self._cell(row, naive, head, seed))
                elif name == "random_path":
                    entry = MethodEntry("random path", "random_path", {"seed": seed})
                    found.append(self._cell(Row("random path", head.name, role="control"), entry, head, seed))
                else:
                    found += self._wrong_pairs(control, head, seed)
        return found

    def _wrong_pairs(self, control: ControlEntry, head: HeadEntry, seed: int) -> list[Cell]:
        """Every method that learns from pairs, with pairs that are none."""
        shuffled = control.control == "shuffled_pairs"
        mismatch = Mismatch("shuffled", seed=seed) if shuffled else Mismatch("offset", control.offset_s)
        what = "shuffled pairs" if shuffled else f"pairs {control.offset_s:g} s apart"
        learning = [entry for entry in self.comparison.methods if entry.learns]
        chosen = [entry for entry in learning if entry.name in (control.methods or [e.name for e in learning])]
        rows = [(Row(f"{e.name}, {what}", head.name, role="control", method=e.name), self.tuned(e)) for e in chosen]
        return [self._cell(row, entry, head, seed, mismatch) for row, entry in rows]

    def pretraining(self, entry: MethodEntry, seed: int, mismatch: Mismatch | None = None) -> PlannedRun:
        """The pre-training of a refiner; rows whose settings agree share it."""
        if needs_teacher(entry.method):
            raise ConfigError(f"The method {entry.method} needs a trained head first, which compare has no rows for.")
        shared = dict(self.comparison.pretrain)
        if not takes_epochs(entry.method):
            shared.pop("epochs", None)  # one pass, whatever the others take
        settings: PretrainConfig = built(
            PretrainConfig,
            self._common(seed)
            | shared
            | dict(entry.pretrain)
            | {"views": ",".join(self.bench.entry.views), "method": entry.method}
            | {"method_options": self._options(entry), "name": entry.name},
        )
        more = None if mismatch is None else {name: getattr(mismatch, name) for name in _names(mismatch)}
        what = entry.name if mismatch is None else f"{entry.name}-{mismatch.kind}"
        folder = self.folder(f"pretrain-{what}", seed, run_key(settings, self.bench.identity, more=more))
        label = f"{what}, seed {seed}: refiner"
        return PlannedRun("pretrain", label, folder, replace(settings, run=str(folder)), mismatch=mismatch)

    def _options(self, entry: MethodEntry) -> dict[str, Any]:
        """Settings of a method; auto looks at what carries over from the labelled views."""
        given = dict(entry.options)
        return {"labelled": ",".join(self.bench.entry.labelled)} | given if entry.method == AUTO else given

    def training(
        self, row: Row, head: HeadEntry, seed: int, refiner: PlannedRun | None, views: Sequence[str]
    ) -> PlannedRun:
        """The training of a head, or of a student."""
        taught = {"teach_on_pairs": True, "teach": dict(self.comparison.teach)} if row.student else {}
        settings: TrainConfig = built(
            TrainConfig,
            self._common(seed)
            | dict(self.comparison.train)
            | dict(head.train)
            | {name: value for name, value in taught.items() if value}
            | {"views": ",".join(views), "head": head.head, "head_options": dict(head.options)},
        )
        needs = () if refiner is None else (refiner,)
        key = run_key(settings, self.bench.identity, *(run.folder for run in needs))
        folder = self.folder(row.key, seed, key)
        path = None if refiner is None else str(refiner.folder / "refiner.safetensors")
        settings = replace(settings, run=str(folder), refiner=path, name=row.key)
        return PlannedRun("train", f"{row.key}, seed {seed}: head", folder, settings, needs)

    def head_run(self, name: str, head: HeadEntry, seed: int, refiner: PlannedRun | None) -> PlannedRun:
        """The training of a method's head on the labelled views."""
        return self.training(Row(name, head.name), head, seed, refiner, self.bench.entry.labelled)

    def evaluation(self, row: Row, seed: int, head: PlannedRun) -> PlannedRun:
        """The scores of a head on the test items of every view that it takes."""
        trained = str(head.config.views).split(",")
        views = self.bench.entry.views if head.needs else self.bench.plain_views(trained)
        settings = self._scoring(head, views, row.key)
        return PlannedRun("evaluate", f"{row.key}, seed {seed}: scores", head.folder, settings, (head,))

    def validation(self, label: str, seed: int, head: PlannedRun) -> PlannedRun:
        """The scores of a head on the validation items of the labelled views, apart from all others."""
        settings = replace(self._scoring(head, self.bench.entry.labelled, label), split="val")
        folder = self.folder(f"val-{label}", seed, run_key(settings, self.bench.identity, head.folder))
        return PlannedRun("evaluate", f"{label}: validation", folder, replace(settings, out=str(folder)), (head,))

    def _scoring(self, head: PlannedRun, views: Sequence[str], name: str) -> EvaluateConfig:
        trainer, data = self.comparison.trainer, self.bench.entry.config
        own = {
            "run": str(head.folder),
            "views": ",".join(views),
            "allow_learned": "train,val,pairs" if data.allow_overlap else None,  # so were the lists, by name
            "sampling": self.comparison.sampling,
            "accelerator": trainer.device_kind,
            "out": str(head.folder),
            "name": name,
        }
        settings: EvaluateConfig = built(EvaluateConfig, data_settings(data) | own | dict(self.comparison.evaluate))
        return settings

    def _label_control(self, name: Any) -> PlannedRun:
        views = ",".join(self.bench.entry.views)
        settings = LabelControlConfig(**data_settings(self.bench.entry.config), control=name, run=NOWHERE, views=views)
        folder = self.folder(name, None, run_key(settings, self.bench.identity))
        return PlannedRun("control", f"{name}: scores", folder, replace(settings, run=str(folder)))

    def _common(self, seed: int) -> dict[str, Any]:
        """Settings that pre-training and head training share."""
        own = {"run": NOWHERE, "seed": seed, "sampling": self.comparison.sampling, "trainer": self.comparison.trainer}
        return data_settings(self.bench.entry.config) | own

    def folder(self, name: str, seed: int | None, key: str) -> Path:
        """Where a run writes: its name, for people, and its key."""
        word = sub(r"[^\w.]+", "-", name).strip("-")[:60]
        draw = "" if seed is None else f"-seed{seed}"
        return Path(self.comparison.out) / "runs" / f"{word}{draw}-{key}"


def _names(settings: Any) -> list[str]:
    return [entry.name for entry in fields(settings)]
