"""50Salads, Breakfast and GTEA: their folds, the heads that are compared on them, and how each head's paper scored.

Facts of the data sets as the MS-TCN family uses them (Farha and Gall, CVPR 2019): features of one view as (D, T) npy
files, an action for each frame, and the folds as bundles.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from viewloom.errors import ConfigError, listed
from viewloom.recipes.tables import TABLES, pick_rows, table_rows


@dataclass(frozen=True)
class HeadRow:
    """One head on one of the data sets.

    Attributes:
        name: the registered head, which is what --rows calls it.
        title: what papers call it.
        protocol: the one that its published figures were scored by.
        background: actions whose segments that scoring drops, comma-separated.
        code: the released code whose settings are repeated.
        selection: how the epoch of the published figures was chosen, as far as that is public.
        differences: what the settings here can't repeat.
    """

    name: str
    title: str
    protocol: str
    background: str
    code: str
    selection: str
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """One of the data sets.

    Attributes:
        title: its name in papers.
        folds: number of folds.
        videos: number of videos.
        actions: number of actions.
        fps: frames per second of features and labels.
        background: actions whose segments the MS-TCN family drops, for the scores that all rows share.
        rows: heads with published figures or settings.
    """

    title: str
    folds: int
    videos: int
    actions: int
    fps: float
    background: str
    rows: tuple[HeadRow, ...]


def _ms_tcn2(background: str) -> HeadRow:
    return HeadRow(
        "ms_tcn2",
        "MS-TCN++",
        "last_segment_short",
        background,
        "github.com/sj-li/MS-TCN2",
        "100 epochs, of which the one with the best mean over the test splits was printed (the authors, issue 2 there)",
    )


def _asformer(background: str) -> HeadRow:
    return HeadRow(
        "asformer",
        "ASFormer",
        "last_segment_short",
        background,
        "github.com/ChinaYi/ASFormer",
        "the released code takes the last of 120 epochs, looks at the test split every ten, and mentions early "
        "stopping on GTEA",
    )


def _ltcontext(*differences: str) -> HeadRow:
    return HeadRow(
        "ltcontext",
        "LTContext",
        "per_video",
        "",
        "github.com/LTContext/LTContext",
        "the released code scores each epoch on the test split, and keeps the best checkpoint by that",
        (
            "the head here is written from the paper alone, and drops no attention weights (the release: 0.2)",
            *differences,
        ),
    )


def _c2f_tcn(background: str) -> HeadRow:
    return HeadRow(
        "c2f_tcn",
        "C2F-TCN",
        "canonical",
        background,
        "github.com/dipika-singhania/C2F-TCN",
        "the released code keeps the epoch of 500 with the best frame accuracy on the test split",
        ("without the paper's video-level action loss, which the released code leaves out too",),
    )


BENCHMARKS: Mapping[str, Benchmark] = {
    "50salads": Benchmark(
        "50Salads",
        folds=5,
        videos=50,
        actions=19,
        fps=30.0,
        background="",
        rows=(
            _ms_tcn2(""),
            _asformer(""),
            _ltcontext("its configuration for 50Salads was not released, so that of Breakfast is taken"),
            _c2f_tcn("action_start,action_end"),
        ),
    ),
    "breakfast": Benchmark(
        "Breakfast",
        folds=4,
        videos=1712,
        actions=48,
        fps=15.0,
        background="",
        rows=(_ms_tcn2(""), _asformer(""), _ltcontext(), _c2f_tcn("SIL")),
    ),
    "gtea": Benchmark(
        "GTEA",
        folds=4,
        videos=28,
        actions=11,
        fps=15.0,
        background="background",
        rows=(_ms_tcn2("background"), _asformer("background"), _c2f_tcn("background")),
    ),
}
"""By the name that --table takes."""


def check_rows(table: str, names: str | None) -> None:
    """`ConfigError` for a table or a row that there isn't."""
    if table not in BENCHMARKS and table not in TABLES:
        raise ConfigError(f"There is no table {table!r}; there are: {listed([*TABLES, *BENCHMARKS], 12)}.")
    if table in BENCHMARKS:
        head_rows(table, names)
    else:
        table_rows(table, names)


def head_rows(table: str, names: str | None) -> tuple[HeadRow, ...]:
    """The rows of a data set's table, or those of them that a comma-separated list names, in the table's order."""
    return pick_rows(table, BENCHMARKS[table].rows, names)
