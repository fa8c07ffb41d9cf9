"""What a check says of checksums: which there are, and whose files aren't what was written."""

from viewloom.check.findings import CheckReport
from viewloom.console import track
from viewloom.features.catalog import CatalogSource

WORDS = {
    "blocks": "of blocks, compared when they are first read; --depth full compares all",
    "files": "of whole files, compared by --depth full alone",
}


def describe_sums(report: CheckReport, source: CatalogSource) -> None:
    """Which checksums a store has."""
    if source.summed:
        report.facts["Features"]["checksums"] = WORDS[source.summed]
    remedy = "What has changed in them shows with --depth full alone. Run viewloom pack again: it adds those of blocks."
    where = [source.where] if source.summed == "files" else []
    report.add("note", "Stores whose whole files alone have checksums", where, remedy)


def compare_sums(report: CheckReport, source: CatalogSource) -> None:
    """Compare every file whose checksum is known; after it nothing is compared while it is read.

    What is damaged is a finding, and hides nothing of what else can be said of the features.
    """
    places = [(name, camera) for name, cameras in source.spans.items() for camera in cameras]
    found = [
        damage
        for name, camera in track(places, "Comparing checksums", len(places))
        if (damage := source.damage(name, camera))
    ]
    remedy = "Copy them again, or run viewloom pack again with the same source, which mends a store."
    report.add("error", "Files that aren't what was written", found, remedy)
    source.verify = False
