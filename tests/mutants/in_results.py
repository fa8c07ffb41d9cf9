"""Faults in what is done with a trained head: segmenting, scoring, predicting, recipes, experiments."""

from tests.mutants.mutant import Mutant

SEGMENTED = (
    "tests/training/test_segment.py::test_probabilities_are_the_mean_over_chunk_sizes",
    "tests/training/test_segment.py::test_batch_size_and_order_at_evaluation_change_nothing",
)
SCORED = ("tests/training/test_evaluate.py",)
HEADS = ("tests/training/test_checkpoints.py",)
RECIPES, EXPERIMENT = ("tests/recipes/test_recipes.py",), "tests/recipes/test_experiment.py"
VALUES, RUNS = "recipes/values.py", "recipes/planned.py"
DOUBT, DOUBTED = "recipes/without_refiner.py", ("tests/recipes/test_without_refiner.py",)
CLAIMS = ("tests/wiring/test_recipes.py",)

MUTANTS = [
    Mutant(
        "probabilities_summed",
        "training/segmenter.py",
        "running.total_TK /= len(self.sampling.test_chunks)",
        "pass",
        SEGMENTED,
    ),
    Mutant(
        "windows_laid_on_each_other",
        "training/segmenter.py",
        "offset = window.start - self.item.start",
        "offset = 0",
        SEGMENTED,
    ),
    Mutant(
        "one_chunk_size_at_evaluation",
        "training/segmenter.py",
        "chunk_frames=chunk, unread",
        "chunk_frames=self.sampling.test_chunks[0], unread",
        SEGMENTED,
    ),
    Mutant(
        "refiner_skipped_at_evaluation", "training/segmenter.py", "batch = self.refiner.refine(batch)", "pass", SCORED
    ),
    Mutant("segments_end_where_the_item_does_not", "metrics/segments.py", "ends + first_frame", "ends", SCORED),
    Mutant(
        "unlabelled_segments_written",
        "training/evaluate.py",
        "Segments.of_frames(entry.truth, entry.item.start).labelled",
        "Segments.of_frames(entry.truth, entry.item.start)",
        SCORED,
    ),
    Mutant(
        "actions_in_another_order_scored",
        "training/evaluate.py",
        "if dataset.labels.actions != trained.actions:",
        "if len(dataset.labels.actions) != len(trained.actions):",
        SCORED,
    ),
    Mutant(
        "background_ignored",
        "training/evaluate.py",
        "background = background_ids(config.background, actions)",
        "background = ()",
        SCORED,
    ),
    Mutant(
        "protocol_ignored",
        "training/evaluate.py",
        "pooled = score(predicted, true, protocol, background)",
        'pooled = score(predicted, true, "canonical", background)',
        SCORED,
    ),
    Mutant(
        "split_ignored",
        "training/evaluate.py",
        "items = dataset.items(config.split)",
        'items = dataset.items("test")',
        SCORED,
    ),
    Mutant("refiner_in_front_ignored", "training/evaluate.py", "trained.behind(config.refiner)", "trained", SCORED),
    Mutant(
        "validated_on_the_first_view",
        "training/evaluate.py",
        "        for view in views\n        for item, probs in",
        "        for view in views[:1]\n        for item, probs in",
        SCORED,
    ),
    Mutant("confidence_summed", "training/predict.py", "sums / found.durations", "sums", SCORED),
    Mutant(
        "seconds_of_thirty_frames",
        "training/predict.py",
        "round(end / fps, 3)",
        "round(end / 30.0, 3)",
        SCORED,
    ),
    Mutant(
        "predicted_from_frame_zero",
        "training/predict.py",
        "found.starts, found.ends, found.labels, sums",
        "found.starts - first_frame, found.ends, found.labels, sums",
        SCORED,
    ),
    Mutant("head_file_in_train_mode", "training/checkpoints.py", "head.eval(),", "head.train(),", HEADS),
    Mutant(
        "head_file_with_default_settings",
        "training/checkpoints.py",
        'metadata["config"]',
        "{}",
        HEADS,
    ),
    Mutant("head_file_of_thirty_frames", "training/checkpoints.py", '"fps": saved.fps', '"fps": 30.0', HEADS),
    Mutant("head_file_views_lost", "training/checkpoints.py", '"views": saved.views', '"views": ()', HEADS),
    Mutant("released_rate_of_the_report", VALUES, "optim__lr=1e-4", "optim__lr=1e-3", RECIPES),
    Mutant("rate_of_three_views_for_all", VALUES, "if views < 3 else", "if views < 2 else", RECIPES),
    Mutant(
        "released_context_of_ours",
        VALUES,
        'method_options__context="batch"',
        'method_options__context="frame"',
        RECIPES,
    ),
    Mutant("scale_leaves_epochs", VALUES, 'counts = ("epochs", ', "counts = (", RECIPES),
    Mutant("oracle_learns_from_exo", "recipes/tables.py", 'labels="ego")', 'labels="exo")', RECIPES),
    Mutant(
        "refiner_not_in_the_folder_s_name",
        RUNS,
        "{str(i): folder.name for i, folder in enumerate(needs)}",
        "{}",
        CLAIMS,
    ),
    Mutant(
        "seed_not_in_the_folder_s_name",
        RUNS,
        '= {"settings": settings}',
        '= {"settings": settings | {"seed": 0}}',
        CLAIMS,
    ),
    Mutant(
        "labels_not_in_the_folder_s_name",
        "dataset/labels.py",
        "self.ends, self.labels)]",
        "self.ends)]",
        CLAIMS,
    ),
    Mutant(
        "feature_values_not_in_the_name",
        "features/content.py",
        "rows.update(np.ascontiguousarray(source.read_stored(recording, view, start, end)).data)",
        "pass",
        CLAIMS,
    ),
    Mutant("part_finished_without_its_needs", RUNS, " or not all(run.finished for run in self.needs)", "", CLAIMS),
    Mutant("somebody_s_evaluation_taken", RUNS, "return _alike(metrics, self.config) and set(", "return set(", CLAIMS),
    Mutant("front_row_trains_a_new_head", "recipes/jobs.py", "None if row.front else refiner", "refiner", CLAIMS),
    Mutant("one_seed_for_all_rows", "recipes/jobs.py", '"seed": seed,', '"seed": 0,', CLAIMS),
    Mutant(
        "oracle_without_ego_labels",
        "recipes/jobs.py",
        '"ego": self.config.ego,',
        '"ego": self.config.exo,',
        CLAIMS,
    ),
    Mutant("difference_the_wrong_way", "recipes/results.py", 'f"{m - p:+.2f}"', 'f"{p - m:+.2f}"', CLAIMS),
    Mutant("collapse_not_in_the_table", "recipes/results.py", " **COLLAPSED**", "", CLAIMS),
    Mutant(
        "deviation_without_the_mean", "recipes/results.py", "if len(self.seeds) < 2:", "if len(self.seeds) < 3:", CLAIMS
    ),
    Mutant(
        "queries_counted_with_frame",
        "recipes/counting.py",
        'projections = 1 if context == "frame" else 3',
        "projections = 3",
        ("tests/recipes/test_counting.py",),
    ),
    Mutant("refiner_never_doubted", DOUBT, "plain - refined > COSTS", "plain - refined > 1000", DOUBTED),
    Mutant("agreement_without_the_teacher", DOUBT, "return float(labelled * sum(", "return float(90 * sum(", DOUBTED),
    Mutant("agreement_of_0_is_none", DOUBT, 'if of["held_out"] is None', 'if not of["held_out"]', DOUBTED),
    Mutant("the_worse_student_is_kept", DOUBT, "without > behind", "without < behind", DOUBTED),
    Mutant("a_stopped_swap_stays", DOUBT, "    rename(folder / PLAIN, folder / HEAD)", "        return", DOUBTED),
    Mutant("asked_for_but_doubted", "recipes/transfer.py", "config.method == AUTO and config.student", "True", DOUBTED),
    Mutant("added_settings_move_keys", RUNS, "if added.get(name, NONE) != value", "", CLAIMS),
    Mutant(
        "chosen_but_not_fitted_again",
        "training/auto.py",
        'if METHODS.get(chosen.candidate.method).fit == "gradient":',
        "if True:",
        ("tests/training/test_auto.py",),
    ),
]
