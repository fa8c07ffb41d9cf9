"""Faults in windows, labels, splits and batches."""

from tests.mutants.mutant import Mutant

WINDOWS, DRAWS = "windows/plan.py", ("tests/wiring/test_draws.py", "tests/windows/test_plan.py")
WINDOW_TESTS = ("tests/windows/test_plan.py",)
LABELS, LABEL_TESTS = "dataset/labels.py", ("tests/dataset/test_labels.py",)
SPLITS, SPLIT_TESTS = "dataset/splits.py", ("tests/dataset/test_splits.py",)
PAIRS, RESIDENT = "windows/pairs.py", "windows/resident.py"
MODULE, MODULE_TESTS = "windows/segments.py", ("tests/windows/test_segments.py", "tests/wiring/test_draws.py")
HELD = ("tests/windows/test_resident.py",)

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
        "step_count_floored",
        "windows/batch.py",
        "-(-(self.end - self.start) // self.chunk_frames)",
        "max(1, (self.end - self.start) // self.chunk_frames)",
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
        "labels_BT = np.full(shape, IGNORE, np.int64)",
        "labels_BT = np.zeros(shape, np.int64)",
        MODULE_TESTS,
    ),
    Mutant(
        "padding_counts_as_valid",
        MODULE,
        "mask_BT = np.zeros(shape, np.bool_)",
        "mask_BT = np.ones(shape, np.bool_)",
        MODULE_TESTS,
    ),
    Mutant(
        "unread_windows_lose_their_labels",
        MODULE,
        "return SegmentRow(None, self.dims[view], *targets)",
        "return SegmentRow(None, self.dims[view], np.full(max(1, window.steps), IGNORE), *targets[1:])",
        ("tests/training/test_refined.py::test_a_window_that_is_not_read_keeps_its_labels",),
    ),
    Mutant("single_views_are_pairs", PAIRS, "& set(views)) >= least_views", "& set(views)) >= 1", MODULE_TESTS),
    Mutant(
        "first_view_for_all",
        PAIRS,
        "{view: reader.read_pooled(window.recording, view, *span) for view in views}",
        "{view: reader.read_pooled(window.recording, views[0], *span) for view in views}",
        ("tests/windows/test_segments.py", "tests/windows/test_resident.py", "tests/wiring/test_pretrain.py"),
    ),
    Mutant(
        "unread_windows_are_valid",
        MODULE,
        "        labels_BT[place, : len(row.labels_S)] = row.labels_S\n",
        "        labels_BT[place, : len(row.labels_S)] = row.labels_S\n        mask_BT[place] = True\n",
        ("tests/training/test_refined.py::test_a_window_that_is_not_read_keeps_its_labels", *MODULE_TESTS),
    ),
    Mutant(
        "unread_windows_are_read",
        MODULE,
        "if window.start == window.end or (window, view) in self.unread:",
        "if window.start == window.end:",
        ("tests/training/test_refined.py::test_a_window_that_is_not_read_keeps_its_labels",),
    ),
    Mutant(
        "unread_windows_are_read_on_the_device",
        RESIDENT,
        "if window.steps and (window, view) not in windows.unread:",
        "if window.steps:",
        HELD,
    ),
    Mutant(
        "both_poolings_in_half_the_room",
        MODULE,
        "{view: pooled_dim(source.dim(view), sampling.pooling) for view in used}",
        "{view: source.dim(view) for view in used}",
        HELD,
    ),
    Mutant(
        "drawn_windows_are_kept",
        MODULE,
        "if window.chunk_frames in self._kept else self._uncached",
        "if True else self._uncached",
        ("tests/windows/test_segments.py::test_only_windows_whose_size_comes_back_are_read_through_the_cache",),
    ),
    Mutant(
        "drawn_windows_of_pairs_are_kept",
        PAIRS,
        "if window.chunk_frames in self._kept else self._uncached",
        "if True else self._uncached",
        ("tests/windows/test_segments.py::test_only_windows_whose_size_comes_back_are_read_through_the_cache",),
    ),
    Mutant(
        "policy_for_missing_frames_ignored",
        MODULE,
        "policy = sampling.missing_frames, sampling.nearest_within_frames",
        'policy = "mask", 0',
        ("tests/windows/test_segments.py", "tests/windows/test_resident.py"),
    ),
    Mutant(
        "policy_for_missing_frames_of_pairs_ignored",
        PAIRS,
        "policy = sampling.missing_frames, sampling.nearest_within_frames",
        'policy = "mask", 0',
        ("tests/windows/test_segments.py", "tests/windows/test_resident.py"),
    ),
    Mutant(
        "absent_views_are_valid",
        PAIRS,
        "mask_BVT = np.zeros((",
        "mask_BVT = np.ones((",
        ("tests/windows/test_segments.py",),
    ),
    Mutant(
        "pairs_masked_as_the_first_view",
        PAIRS,
        "= row.pooled[view].mask_S",
        "= next(iter(row.pooled.values())).mask_S",
        ("tests/windows/test_segments.py", "tests/windows/test_resident.py"),
    ),
    Mutant(
        "missing_frames_of_pairs_not_counted",
        PAIRS,
        "(view, len(pooled.missing))",
        "(view, 0)",
        ("tests/windows/test_segments.py",),
    ),
    Mutant(
        "mask_of_the_first_view_for_all",
        "windows/batch.py",
        "self.mask_BVT[:, self.views.index(view)]",
        "self.mask_BVT[:, 0]",
        ("tests/methods/test_standardise.py", "tests/methods/test_distillation.py"),
    ),
    Mutant(
        "garbage_at_masked_steps_is_valid",
        "windows/batch.py",
        "self.features[view].masked_fill(~self.mask_of(view)[..., None], 0.0)",
        "self.features[view]",
        (
            "tests/methods/test_distillation.py::test_released_mean_of_feature_distillation_counts_padding",
            "tests/test_every_method.py::test_masked_steps_change_neither_loss_nor_gradients",
        ),
    ),
    Mutant(
        "views_of_a_batch_not_moved",
        "windows/batch.py",
        "return {name: mapped(one) for name, one in value.items()} if isinstance(value, dict) else value",
        "return value",
        ("tests/windows/test_segments.py",),
    ),
    Mutant(
        "resident_rows_never_missing", RESIDENT, "there = None if there_N.all() else", "there = None if True else", HELD
    ),
    Mutant(
        "resident_steps_pooled_again",
        RESIDENT,
        'frames, pooling = window.chunk_frames, "max"',
        "frames = window.chunk_frames",
        HELD,
    ),
]
