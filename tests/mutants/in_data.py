"""Faults in windows, chunks, labels, splits and batches."""

from tests.mutants.mutant import Mutant

WINDOWS, DRAWS = "windows/windows.py", ("tests/wiring/test_draws.py", "tests/windows/test_windows.py")
WINDOW_TESTS = ("tests/windows/test_windows.py",)
POOLING, POOL_TESTS = "features/pooling.py", ("tests/windows/test_windows.py", "tests/features/test_pooling.py")
LABELS, LABEL_TESTS = "dataset/labels.py", ("tests/dataset/test_labels.py",)
SPLITS, SPLIT_TESTS = "dataset/splits.py", ("tests/dataset/test_splits.py",)
MODULE, MODULE_TESTS = "windows/segments.py", ("tests/windows/test_segments.py", "tests/wiring/test_draws.py")

MUTANTS = [
    Mutant(
        "augmentation_ignores_the_epoch", WINDOWS, "default_rng([seed, epoch, row])", "default_rng([seed, row])", DRAWS
    ),
    Mutant(
        "augmentation_ignores_the_row", WINDOWS, "default_rng([seed, epoch, row])", "default_rng([seed, epoch])", DRAWS
    ),
    Mutant(
        "augmentation_ignores_the_seed", WINDOWS, "default_rng([seed, epoch, row])", "default_rng([epoch, row])", DRAWS
    ),
    Mutant(
        "augmented_lower_bound_floored",
        WINDOWS,
        "-(-frames // config.max_chunks))",
        "frames // config.max_chunks)",
        DRAWS,
    ),
    Mutant("augmented_whole_number_lost", WINDOWS, "np.floor(drawn + 1e-9)", "np.floor(drawn)", DRAWS),
    Mutant(
        "augmented_the_other_half",
        WINDOWS,
        "if apply >= config.augment_probability:",
        "if apply < config.augment_probability:",
        DRAWS,
    ),
    Mutant(
        "augmented_uniformly",
        WINDOWS,
        "np.exp(np.log(low) + position * (np.log(max(high, low)) - np.log(low)))",
        "low + position * (max(high, low) - low)",
        DRAWS,
    ),
    Mutant(
        "largest_label_wins_a_tie",
        WINDOWS,
        "np.lexsort((-label, votes, step))",
        "np.lexsort((label, votes, step))",
        WINDOW_TESTS,
    ),
    Mutant(
        "class_zero_has_no_vote",
        WINDOWS,
        "np.flatnonzero(labels_T != IGNORE)",
        "np.flatnonzero(labels_T > 0)",
        WINDOW_TESTS,
    ),
    Mutant(
        "last_window_too_long",
        WINDOWS,
        "min(start + size, item.end), chunk_frames)",
        "start + size, chunk_frames)",
        WINDOW_TESTS,
    ),
    Mutant(
        "last_partial_window_dropped",
        WINDOWS,
        "range(item.start, item.end, size)",
        "range(item.start, item.end - size + 1, size)",
        WINDOW_TESTS,
    ),
    Mutant("unpooled_past_the_window", WINDOWS, "axis=0)[: window.frames]", "axis=0)", WINDOW_TESTS),
    Mutant(
        "later_neighbour_on_a_tie",
        WINDOWS,
        "np.abs(wanted - before) <= np.abs(after - wanted)",
        "np.abs(wanted - before) < np.abs(after - wanted)",
        WINDOW_TESTS,
    ),
    Mutant(
        "neighbours_of_the_window_alone",
        WINDOWS,
        'config.nearest_within_frames if config.missing_frames == "nearest" else 0',
        "0",
        WINDOW_TESTS,
    ),
    Mutant(
        "far_neighbours_copied",
        WINDOWS,
        "np.abs(nearest - wanted) > within",
        "np.abs(nearest - wanted) > within + 100",
        WINDOW_TESTS,
    ),
    Mutant(
        "missing_frames_never_stop",
        WINDOWS,
        'if len(inside) and config.missing_frames == "error":',
        "if False:",
        WINDOW_TESTS,
    ),
    Mutant("chunk_with_a_hole_is_masked", POOLING, "lacking < sizes", "lacking == 0", POOL_TESTS),
    Mutant(
        "last_chunk_left_out",
        POOLING,
        "    if len(rest):\n        np.maximum",
        "    if False:\n        np.maximum",
        POOL_TESTS,
    ),
    Mutant(
        "zeros_may_be_negative",
        POOLING,
        "out_SD += np.float32(0.0)  # -0.0 + 0.0 is 0.0",
        "out_SD += np.float32(-0.0)",
        POOL_TESTS,
    ),
    Mutant(
        "holes_count_as_zero", POOLING, "rows = rows[~np.isnan(rows[:, 0])]", "rows = np.nan_to_num(rows)", POOL_TESTS
    ),
    Mutant(
        "negative_halves_turned_round",
        POOLING,
        "np.where(top_SD < 0, np.minimum.reduce(bits_SCD, axis=1), top_SD)",
        "np.where(top_SD < 0, np.maximum.reduce(bits_SCD, axis=1), top_SD)",
        POOL_TESTS,
    ),
    Mutant(
        "few_negative_halves_turned_round",
        POOLING,
        "bits_SCD[steps, :, columns].min(axis=1)",
        "bits_SCD[steps, :, columns].max(axis=1)",
        POOL_TESTS,
    ),
    Mutant("broken_rows_pass", POOLING, "    if len(corrupt):", "    if False:", POOL_TESTS),
    Mutant("missing_numbers_from_zero", POOLING, "return missing + first_frame", "return missing", POOL_TESTS),
    Mutant(
        "step_count_floored",
        "windows/batch.py",
        "-(-self.frames // self.chunk_frames)",
        "max(1, self.frames // self.chunk_frames)",
        WINDOW_TESTS,
    ),
    Mutant(
        "gaps_between_segments_filled",
        "metrics/segments.py",
        "values = np.full(len(lengths), IGNORE, np.int64)",
        "values = np.full(len(lengths), self.labels[0], np.int64)",
        LABEL_TESTS,
    ),
    Mutant("segments_may_overlap", LABELS, "if start < before[1]:", "if start < before[0]:", LABEL_TESTS),
    Mutant("annotations_in_any_order", LABELS, "key=lambda a: (a.start, a.name)", "key=lambda a: a.name", LABEL_TESTS),
    Mutant(
        "any_overlap_allowed_by_any_name",
        SPLITS,
        "if wrong and allowed != variant:",
        "if wrong and not allowed:",
        SPLIT_TESTS,
    ),
    Mutant(
        "overlap_of_train_and_test_only",
        SPLITS,
        "combinations(ROLES, 2)}",
        'combinations(("train", "test"), 2)}',
        SPLIT_TESTS,
    ),
    Mutant(
        "split_at_the_file",
        SPLITS,
        "{name: recording(name) if group is None else",
        "{name: name if group is None else",
        SPLIT_TESTS,
    ),
    Mutant("split_ignores_the_seed", SPLITS, "default_rng([seed, 2])", "default_rng([0, 2])", SPLIT_TESTS),
    Mutant(
        "groups_are_split",
        SPLITS,
        "if group is None else group(recording(name))",
        "if group is None else recording(name)",
        SPLIT_TESTS,
    ),
    Mutant(
        "every_fold_chooses_by_the_first_groups",
        "dataset/folds.py",
        "turned = order[number:] + order[:number]",
        "turned = [left, *(name for name in order if name != left)]",
        ("tests/dataset/test_deal.py",),
    ),
    Mutant("lists_overwritten_unasked", SPLITS, "if there and not overwrite:", "if False:", SPLIT_TESTS),
    Mutant(
        "one_order_for_all_epochs",
        MODULE,
        "default_rng([self.seed, self.epoch])",
        "default_rng([self.seed, 0])",
        MODULE_TESTS,
    ),
    Mutant(
        "rows_not_shuffled",
        MODULE,
        ".permutation(self.rows)",
        ".permutation(0 * self.rows + 1).repeat(self.rows).cumsum() + np.arange(self.rows)",
        MODULE_TESTS,
    ),
    Mutant("every_process_sees_all", MODULE, "batch[self.rank :: self.world]", "batch", MODULE_TESTS),
    Mutant(
        "last_batch_weighs_like_a_full_one",
        MODULE,
        "return min(self.batch_size, self.rows - batch * self.batch_size)",
        "return self.batch_size",
        MODULE_TESTS,
    ),
    Mutant(
        "padding_labelled_zero",
        MODULE,
        "for row in rows], IGNORE, np.int64)",
        "for row in rows], 0, np.int64)",
        MODULE_TESTS,
    ),
    Mutant(
        "padding_counts_as_valid",
        MODULE,
        "for row in rows], False, np.bool_)",
        "for row in rows], True, np.bool_)",
        MODULE_TESTS,
    ),
    Mutant(
        "known_windows_lose_their_labels",
        MODULE,
        "nothing_SD, np.ones(window.steps, np.bool_), self.labels_of(window)",
        "nothing_SD, np.ones(window.steps, np.bool_), np.full(window.steps, IGNORE)",
        ("tests/training/test_refined.py",),
    ),
    Mutant("single_views_are_pairs", "windows/pairs.py", "& set(views)) >= 2", "& set(views)) >= 1", MODULE_TESTS),
    Mutant(
        "first_view_for_all",
        "windows/pairs.py",
        "self.source, window, view, self.sampling",
        "self.source, window, present[0], self.sampling",
        ("tests/windows/test_resident.py", "tests/wiring/test_pretrain.py"),
    ),
]
