"""What a check says of folds: each by itself, and whether together they test every labelled recording once."""

from collections.abc import Sequence
from dataclasses import replace

from viewloom.check.findings import CheckReport, Finding, Spans
from viewloom.check.labels import check_splits
from viewloom.dataset.folds import Fold, choose, tested
from viewloom.dataset.label_files import recording_in
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.settings import DataConfig
from viewloom.dataset.splits import ROLES, variant_of


def check_folds(
    report: CheckReport, config: DataConfig, folds: Sequence[Fold], labels: LabelSet | None, spans: Spans
) -> None:
    """Sizes of every fold, its faults (those of the chosen one alone, with --fold), and who is tested how often."""
    chosen = [choose(folds, config.fold, config.data)] if config.fold is not None else folds
    source = variant_of(folds[0].variant).source
    sizes = {f.title: ", ".join(f"{role} {len(getattr(f.splits, role))}" for role in ROLES) for f in folds}
    report.facts["Folds"] = {"folds": f"{len(folds)} ({source})"} | sizes
    found: dict[tuple[str, str], Finding] = {}
    for fold in chosen:
        alone = CheckReport(report.data)
        check_splits(alone, config, fold.splits, fold.variant, labels, spans)
        for finding in alone.findings:
            kind = (finding.severity, finding.title)
            before = found[kind].offenders if kind in found else ()
            mine = (f"{name} in {fold.name}" for name in finding.offenders)
            found[kind] = replace(finding, offenders=(*before, *mine))
    report.findings.extend(found.values())
    _check_tested(report, folds, labels, spans)


def _check_tested(report: CheckReport, folds: Sequence[Fold], labels: LabelSet | None, spans: Spans) -> None:
    """Whether every labelled recording is tested in one fold."""
    times = tested(folds, recording_in(labels))
    labelled = [] if labels is None else [name for name in labels.recordings if not spans or name in spans]
    once = sum(times[name] == 1 for name in labelled)
    report.facts["Folds"]["tested once"] = f"{once} of {len(labelled)} labelled recordings"
    never = [name for name in labelled if not times[name]]
    report.add("warning", "Labelled recordings that no fold tests", never, "Pooled scores lack them; say so.")
    twice = [f"{name} ({count} folds)" for name, count in sorted(times.items()) if count > 1]
    remedy = "`viewloom crossval` pools folds that test each recording once; choose some of them with --folds."
    report.add("warning", "Recordings that several folds test", twice, remedy)
