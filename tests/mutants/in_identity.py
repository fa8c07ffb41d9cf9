"""Faults in what a run is, what it learned from, and in packing again."""

from tests.mutants.mutant import Mutant

IDENTITY = "tests/training/test_identity.py"
OTHER_SETTINGS = (f"{IDENTITY}::test_other_settings_are_refused_and_named",)
OTHER_DATA = (f"{IDENTITY}::test_other_data_is_refused_and_named",)
UNUSED = (f"{IDENTITY}::test_data_that_the_run_does_not_use_may_change",)
SAMPLED = (f"{IDENTITY}::test_sampled_features_are_compared_by_blocks_and_times",)
LEARNED = ("tests/training/test_provenance.py",)
AGAIN = ("tests/features/test_pack_again.py",)
ITEMS = ("tests/dataset/test_dataset.py",)

MUTANTS = [
    Mutant(
        "nested_settings_not_in_the_identity",
        "identity.py",
        '{f"{entry.name}.{name}": inner for name, inner in settings_of(value).items()}',
        "{}",
        OTHER_SETTINGS,
    ),
    Mutant(
        "free_settings_in_the_identity",
        "identity.py",
        'if not entry.metadata.get("changes_result", True):',
        "if False:",
        (f"{IDENTITY}::test_a_setting_changes_the_result_unless_its_definition_says_otherwise",),
    ),
    Mutant(
        "labels_not_in_the_identity",
        "dataset/labels.py",
        "self.ends, self.labels)]",
        "self.ends)]",
        OTHER_DATA,
    ),
    Mutant(
        "actions_not_in_the_identity",
        "dataset/content.py",
        '{"the action list": digest(labels.actions)}',
        "{}",
        OTHER_DATA,
    ),
    Mutant(
        "one_block_of_frames_compared",
        "features/content.py",
        "BLOCKS, BLOCK_FRAMES = 16, 4",
        "BLOCKS, BLOCK_FRAMES = 1, 4",
        (f"{IDENTITY}::test_blocks_reach_from_the_first_frame_to_the_last",),
    ),
    Mutant(
        "times_of_files_ignored",
        "training/run_identity.py",
        'compare != "sampled":',
        "False:",
        SAMPLED,
    ),
    Mutant(
        "unused_recordings_in_the_identity",
        "training/run_identity.py",
        "{item.recording for item in self.all_items}",
        "self.dataset.source.recordings",
        UNUSED,
    ),
    Mutant(
        "a_mistyped_folder_begins_anew",
        "training/runs.py",
        "        _refuse_no_run(path)\n",
        "        pass\n",
        (f"{IDENTITY}::test_a_mistyped_folder_begins_nothing",),
    ),
    Mutant(
        "environment_of_the_beginning_lost",
        "training/runs.py",
        'now = first | {"resumed": [*first.get("resumed", []), changed]}',
        "pass",
        (f"{IDENTITY}::test_the_environment_of_the_beginning_is_kept",),
    ),
    Mutant(
        "learned_recordings_scored",
        "training/provenance.py",
        "if role not in allowed}",
        "if False}",
        LEARNED,
    ),
    Mutant(
        "same_name_is_the_same_recording",
        "training/provenance.py",
        "any(list(one[view][:2]) == list(other[view][:2]) for view in one if view in other)",
        "True",
        LEARNED,
    ),
    Mutant(
        "what_the_refiner_saw_forgotten",
        "training/segmenter.py",
        "refiner = {} if self.refiner is None else self.refiner.refiner.extra",
        "refiner = {}",
        LEARNED,
    ),
    Mutant("a_changed_source_kept", "features/pack_files.py", "and self.unchanged(task, earlier)", "", AGAIN),
    Mutant(
        "a_later_write_not_looked_at",
        "features/pack_files.py",
        "written[2] <= (self.root / task.file).stat().st_mtime_ns",
        "True",
        AGAIN,
    ),
    Mutant(
        "an_unused_view_cuts",
        "dataset/dataset.py",
        "if views is None or view in views]",
        "]",
        ITEMS,
    ),
    Mutant(
        "pairs_cut_to_labels",
        "dataset/dataset.py",
        'if pairs and spans == "recordings":',
        "if False:",
        (f"{IDENTITY}::test_pretraining_uses_no_labels",),
    ),
]
