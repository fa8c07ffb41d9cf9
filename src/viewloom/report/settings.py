"""Settings of `viewloom report`."""

from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError
from viewloom.ranges import Settings, ranged


@dataclass(frozen=True, kw_only=True)
class ReportConfig(Settings):
    """Write one HTML page about runs."""

    runs: str = ""
    """Run folders, comma-separated, or a folder of runs, or of `transfer`; those without scores show their curves."""
    compare: str | None = None
    """Folder of `viewloom compare` to write the page of, instead of runs."""
    out: str = "report.html"
    """HTML file to write; it holds everything and needs no network."""
    title: str = "Segmentation across views"
    """Title of the page."""
    timelines: int = ranged(12, at_least=0)
    """Number of items whose timelines are shown: a third of the best, of those in the middle, of the worst."""
    videos: str | None = None
    """Folder with <recording>/<view>.mp4, or a CSV file, as for `viewloom extract`, to show beside the timelines;
    default: the folder or file videos or videos.csv in, or beside, the runs' data folder, where there is one."""
    embed: Literal["no", "small"] = "no"
    """small: put short, small previews of the videos into the page (at most 320 pixels and 10 frames a second), which
    then needs no other file; no: refer to the files."""
    embed_s: float = ranged(120.0, at_least=0.1, at_most=36_000)
    """Seconds of each item, from its start, that a preview shows."""
    embed_mib: float = ranged(32.0, at_least=0.1, at_most=2000)
    """MiB that all previews may take; items for which no room is left are named, and their files referred to."""
    burn: str | None = None
    """Video file (.mp4) to write instead of the page: all views of one item, with truth and predictions burnt in."""
    naive: str | None = None
    """Name of the baseline run, which closes none of the gap; default: naive."""
    oracle: str | None = None
    """Name of the run trained on labels of the tested view; default: a run with oracle in its name."""
    reference: str | None = None
    """Name of the run that the others are compared with, recording by recording; default: the naive one."""
    difference: str | None = None
    """Names of two runs, comma-separated, whose difference is shown segment by segment; default: both of two."""
    difference_csv: str | None = None
    """CSV file to write besides, with every stretch in which not both of these two runs are right."""
    picture: str | None = None
    """Picture file (.png or .svg) of truth and prediction of one item, to write instead of the page."""
    picture_of: Literal["item", "confidence"] = "item"
    """What that picture shows: one item's timelines, or how sure runs are and how often right (docs/confidence.md)."""
    item: str | None = None
    """Item in that picture or video; default: the one of median F1@50."""
    views: str | None = None
    """Views in that picture or video, comma-separated; default: all."""
    overwrite: bool = False
    """Replace a file that is already there."""

    def __post_init__(self) -> None:
        if bool(self.runs) == (self.compare is not None):
            raise ConfigError("Pass --runs FOLDER,FOLDER or --compare FOLDER, one of the two.")
        if self.compare is not None and (self.difference or self.difference_csv):
            raise ConfigError("--difference and --difference_csv are of --runs; a comparison has runs in OUT/runs.")
        if self.burn is not None and (self.picture is not None or self.compare is not None):
            raise ConfigError("--burn writes a video of runs; leave out --picture and --compare.")
        if self.burn is not None and not self.burn.endswith(".mp4"):
            raise ConfigError(f"--burn writes an .mp4 file, not {self.burn}.")
