"""Faults in segments from and to annotation tools."""

from tests.mutants.mutant import Mutant

EVERY, LABELS = ("tests/test_every_format.py",), ("tests/dataset/test_named_labels.py",)
ELAN, STUDIO = ("tests/dataset/annotations/test_elan.py",), ("tests/dataset/annotations/test_label_studio.py",)
BORIS, OTHERS = ("tests/dataset/annotations/test_boris.py",), ("tests/dataset/annotations/test_others.py",)
ANNOTATED = ("tests/training/test_annotated.py",)
HERE = "dataset/annotations"

MUTANTS = [
    Mutant(
        "times_are_cut_to_frames",
        "dataset/named_segments.py",
        "start, end = round(start_s * self.fps), round(end_s * self.fps)",
        "start, end = int(start_s * self.fps), int(end_s * self.fps)",
        EVERY,
    ),
    Mutant(
        "milliseconds_are_cut",
        "dataset/named_segments.py",
        "found = round(self.seconds(frame) * 1000)",
        "found = int(self.seconds(frame) * 100) * 10",
        EVERY,
    ),
    Mutant(
        "what_is_written_is_not_read_back",
        "dataset/label_writing.py",
        "if lost is None and len(found) == len(wanted):",
        "if text:",
        (*EVERY, *BORIS),
    ),
    Mutant(
        "any_name_is_a_file",
        "dataset/label_writing.py",
        'if not name or name.startswith(".")',
        "if not name",
        EVERY,
    ),
    Mutant(
        "written_files_are_replaced",
        "dataset/label_writing.py",
        "refuse_file(path, overwrite)",
        "refuse_file(path, True)",
        EVERY,
    ),
    Mutant(
        "doctypes_are_read",
        "dataset/source_file.py",
        "self.parser.StartDoctypeDeclHandler = self._refuse_doctype",
        "self.parser.StartDoctypeDeclHandler = None",
        ELAN,
    ),
    Mutant(
        "objects_of_a_json_file_begin_a_line_early",
        "dataset/source_file.py",
        "bisect_right(self._breaks, begun[1] - 1) + 1",
        "bisect_right(self._breaks, begun[1] - 1)",
        STUDIO,
    ),
    Mutant(
        "tiers_that_contradict_each_other_are_both_read",
        "dataset/named_labels.py",
        "after.start < one.end and one.tier != after.tier",
        "after.start < one.start and one.tier != after.tier",
        LABELS,
    ),
    Mutant(
        "a_shared_frame_goes_to_the_earlier_segment",
        "dataset/named_labels.py",
        '{**vars(one), "end": after.start}',
        '{**vars(one), "end": one.end}',
        LABELS,
    ),
    Mutant("lanes_of_a_tier_may_overlap", f"{HERE}/elan.py", "lane[-1].end <= segment.start", "lane[-1].end > 0", ELAN),
    Mutant(
        "label_studio_counts_frames_from_zero",
        f"{HERE}/label_studio.py",
        "yield start - 1, end",
        "yield start, end",
        (*STUDIO, *EVERY),
    ),
    Mutant(
        "cancelled_annotations_count",
        f"{HERE}/label_studio.py",
        'if not entry.get("was_cancelled")',
        "if entry",
        STUDIO,
    ),
    Mutant(
        "predictions_count_beside_annotations",
        f"{HERE}/label_studio.py",
        "for layer in judged or tasks for",
        "for layer in tasks for",
        (*STUDIO, *ANNOTATED),
    ),
    Mutant(
        "modifiers_do_not_tell_events_apart",
        "dataset/boris_events.py",
        "key = event.subject, event.code, event.modifiers",
        'key = event.subject, event.code, ""',
        BORIS,
    ),
    Mutant(
        "a_track_ends_with_its_last_frame",
        f"{HERE}/cvat.py",
        "for frame, _ in placed) + 1)",
        "for frame, _ in placed))",
        OTHERS,
    ),
    Mutant(
        "milliseconds_of_a_csv_are_seconds",
        "dataset/label_files.py",
        '"milliseconds": 1000}',
        '"milliseconds": 1}',
        LABELS,
    ),
    Mutant(
        "views_are_no_tiers",
        "training/annotated.py",
        "cleaned(label), view, confidence)",
        'cleaned(label), "", confidence)',
        ANNOTATED,
    ),
]
