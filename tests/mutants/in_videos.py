"""Faults in which video is shown when, in previews and videos with bars, and in where predictions disagree."""

from tests.mutants.mutant import Mutant

FOUND, APART, PACKED = "report/videos.py", "report/disagreements.py", "report/packed.py"
PREVIEWS, PICTURES, BARS = "report/previews.py", "videos/pictures.py", "report/bars.py"
OF_VIDEOS, OF_APART = ("tests/report/test_videos.py",), ("tests/report/test_disagreements.py",)

MUTANTS = [
    Mutant("a_views_start_forgotten", FOUND, "found.offset_s or self._start_s(view)", "found.offset_s", OF_VIDEOS),
    Mutant("odd_characters_in_addresses", FOUND, 'as_posix(), safe="/")', 'as_posix(), safe="/#?%")', OF_VIDEOS),
    Mutant(
        "addresses_from_the_page_itself",
        FOUND,
        "os.path.relpath(path, page.parent)",
        "os.path.relpath(path, page)",
        OF_VIDEOS,
    ),
    Mutant("only_beside_the_data", FOUND, 'PLACES = ("videos", "videos.csv", ', "PLACES = (", OF_VIDEOS),
    Mutant("results_disagree_where_they_end", APART, "there = own != NOWHERE", "there = own >= NOWHERE", OF_APART),
    Mutant("who_disagrees_runs_on", APART, "0, breaks)", "0)", OF_APART),
    Mutant(
        "short_ones_are_listed", APART, "(one.start - one.end, one.start)", "(one.end - one.start, one.start)", OF_APART
    ),
    Mutant(
        "gaps_from_the_start",
        PACKED,
        "        before = end",
        "        before = first",
        ("tests/report/test_packed.py",),
    ),
    Mutant("previews_begin_with_the_item", PREVIEWS, "(first + began) / rate)", "first / rate)", OF_VIDEOS),
    Mutant("no_limit_for_previews", PREVIEWS, "if used + size > room.mib * MIB:", "if False:", OF_VIDEOS),
    Mutant(
        "a_frame_too_late",
        PICTURES,
        "if number > wanted or shown is None",
        "if number >= wanted or shown is None",
        OF_VIDEOS,
    ),
    Mutant("the_cursor_stands_still", BARS, "self.across(frame + 0.5)", "self.across(self.card.start)", OF_VIDEOS),
]
