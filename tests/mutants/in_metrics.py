"""Faults in scores, statistics, protocols and the tables made of them."""

from tests.mutants.mutant import Mutant

OVERLAPS, SCORES, STATISTICS = "metrics/overlaps.py", "metrics/segmentation.py", "metrics/statistics.py"
RESAMPLING, SEGMENTS = "metrics/resampling.py", "metrics/segments.py"
SCORE_TESTS = ("tests/metrics/test_segmentation.py", "tests/parity/test_scores.py")
PROTOCOL_TESTS = ("tests/metrics/test_protocols.py",)
STATISTIC_TESTS = ("tests/wiring/test_figures.py", "tests/metrics/test_statistics.py")
INVARIANCE, INVARIANCE_TESTS = "metrics/invariance.py", ("tests/metrics/test_invariance.py",)
TABLES, GAPS = "report/tables.py", "report/gaps.py"
TABLE_TESTS = ("tests/wiring/test_figures.py", "tests/report/test_tables.py")

MUTANTS = [
    Mutant("overlap_of_the_threshold_no_hit", OVERLAPS, "(iou >= overlap)", "(iou > overlap)", SCORE_TESTS),
    Mutant(
        "a_segment_hit_twice",
        OVERLAPS,
        "return np.unique(best[(iou >= overlap) & (best >= 0)])",
        "return best[(iou >= overlap) & (best >= 0)]",
        SCORE_TESTS,
    ),
    Mutant("intersection_over_sum", OVERLAPS, "inside / (lengths - inside)", "inside / lengths", SCORE_TESTS),
    Mutant(
        "last_segment_wins_a_tie",
        OVERLAPS,
        "np.lexsort((whom, -iou, who))",
        "np.lexsort((-whom, -iou, who))",
        SCORE_TESTS,
    ),
    Mutant(
        "labels_need_not_agree",
        OVERLAPS,
        "same = predicted.labels[who] == true.labels[whom]",
        "same = who == who",
        SCORE_TESTS,
    ),
    Mutant(
        "segments_run_across_sequences",
        SEGMENTS,
        "new_T[np.asarray(breaks, np.int64)] = True",
        "pass",
        SCORE_TESTS,
    ),
    Mutant(
        "lengths_may_differ", OVERLAPS, "wrong = np.flatnonzero(predicted != true)", "wrong = np.empty(0)", SCORE_TESTS
    ),
    Mutant("f1_of_half_the_hits", SCORES, "(2 * self.hits)", "(1 * self.hits)", SCORE_TESTS),
    Mutant(
        "unlabelled_frames_count",
        SCORES,
        "frames=frames.count(labelled_T),",
        "frames=frames.count(labelled_T | True),",
        SCORE_TESTS,
    ),
    Mutant(
        "nothing_to_find_scores_zero",
        SCORES,
        "np.full(np.shape(share), 100.0)",
        "np.full(np.shape(share), 0.0)",
        SCORE_TESTS,
    ),
    Mutant(
        "background_always_counted",
        SCORES,
        'if rules.background == "dropped"',
        'if rules.background == ""',
        SCORE_TESTS,
    ),
    Mutant(
        "predictions_not_split_at_holes",
        SCORES,
        "predicted_T = np.where(labelled_T, frames.predicted, IGNORE)",
        "predicted_T = frames.predicted",
        SCORE_TESTS,
    ),
    Mutant("total_without_mof", SCORES, "self.f1_50 + self.mof", "self.f1_50", SCORE_TESTS),
    Mutant(
        "edit_weighed_by_frames",
        SCORES,
        "np.ones(len(self.edit)), possible",
        "self.frames / self.frames.mean(), possible",
        SCORE_TESTS,
    ),
    Mutant("last_segment_whole", "metrics/protocols.py", "last_end=-1", "last_end=0", PROTOCOL_TESTS),
    Mutant("mean_f1_pooled", "metrics/protocols.py", 'f1="mean")', 'f1="pooled")', PROTOCOL_TESTS),
    Mutant("per_video_mof_pooled", "metrics/protocols.py", 'mof="mean"', 'mof="pooled"', PROTOCOL_TESTS),
    Mutant("per_video_f1_pooled", "metrics/protocols.py", 'f1="mean", mof', 'f1="pooled", mof', PROTOCOL_TESTS),
    Mutant("mof_of_frames", SCORES, "percent(right, frames) / 100.0", "percent(right, frames) / 99.0", SCORE_TESTS),
    Mutant("ignored_split", "metrics/protocols.py", 'ignored="deleted")', 'ignored="split")', PROTOCOL_TESTS),
    Mutant("truth_whole", "metrics/protocols.py", 'truth="cut")', 'truth="whole")', PROTOCOL_TESTS),
    Mutant(
        "precision_is_recall",
        "metrics/per_class.py",
        "_share(hits, found), _share(hits, wanted)",
        "_share(hits, wanted), _share(hits, found)",
        ("tests/metrics/test_per_class.py",),
    ),
    Mutant(
        "confusion_turned_round",
        "metrics/per_class.py",
        "true * classes + predicted",
        "predicted * classes + true",
        ("tests/metrics/test_per_class.py",),
    ),
    Mutant(
        "bootstrap_draws_one_fewer",
        RESAMPLING,
        "rng.multinomial(clusters,",
        "rng.multinomial(clusters - 1,",
        STATISTIC_TESTS,
    ),
    Mutant("p_may_be_zero", STATISTICS, "(1 + extreme) / (1 + len(swaps))", "extreme / len(swaps)", STATISTIC_TESTS),
    Mutant(
        "p_of_all_ways_as_if_drawn",
        STATISTICS,
        "every_way = len(swaps) == 2 ** one.shape[1]",
        "every_way = False",
        STATISTIC_TESTS,
    ),
    Mutant("ties_are_not_extreme", STATISTICS, "observed - TIE", "observed + TIE", STATISTIC_TESTS),
    Mutant(
        "one_sided_p", STATISTICS, "np.count_nonzero(np.abs(swapped) >=", "np.count_nonzero(swapped >=", STATISTIC_TESTS
    ),
    Mutant(
        "interval_too_low",
        RESAMPLING,
        "[(1 - level) / 2, (1 + level) / 2]",
        "[(1 - level) / 2, level]",
        STATISTIC_TESTS,
    ),
    Mutant(
        "items_drawn_for_recordings",
        RESAMPLING,
        "np.unique(np.asarray(clusters, str), return_inverse=True)",
        "np.unique(np.arange(len(clusters)), return_inverse=True)",
        STATISTIC_TESTS,
    ),
    Mutant(
        "difference_not_paired",
        STATISTICS,
        "scores_of(weights @ one) - scores_of(weights @ other)",
        "scores_of(weights @ one) - scores_of(weights[::-1] @ other)",
        STATISTIC_TESTS,
    ),
    Mutant("deviation_over_n", STATISTICS, "ddof=1", "ddof=0", STATISTIC_TESTS),
    Mutant(
        "seed_of_the_bootstrap_ignored",
        RESAMPLING,
        "rng = np.random.default_rng(seed)\n",
        "rng = np.random.default_rng(0)\n",
        STATISTIC_TESTS,
    ),
    Mutant(
        "scores_averaged_over_recordings",
        STATISTICS,
        "low, high = interval_ends(scores_of(weights @ sums), level)",
        "low, high = interval_ends(weights @ scores_of(sums) / sums.shape[1], level)",
        STATISTIC_TESTS,
    ),
    Mutant(
        "neighbours_need_be_exact",
        INVARIANCE,
        "np.arange(steps)) <= tolerance",
        "np.arange(steps)) <= 0",
        INVARIANCE_TESTS,
    ),
    Mutant(
        "retrieval_one_way",
        INVARIANCE,
        "permutations(range(len(z_VTZ)), 2)",
        "list(permutations(range(len(z_VTZ)), 2))[:1]",
        INVARIANCE_TESTS,
    ),
    Mutant(
        "constant_features_pass",
        INVARIANCE,
        "kept < MIN_DEVIATION * had",
        "False",
        INVARIANCE_TESTS,
    ),
    Mutant(
        "constants_at_a_distance_pass",
        INVARIANCE,
        " or kept * plain.magnitude < MIN_CONTRAST * had * self.magnitude",
        "",
        INVARIANCE_TESTS,
    ),
    Mutant(
        "few_dimensions_pass",
        INVARIANCE,
        "if rank < MIN_RANK * room or (rank < LINE_RANK and room >= 3):",
        "if rank < MIN_RANK * room:",
        INVARIANCE_TESTS,
    ),
    Mutant(
        "deviation_over_views",
        INVARIANCE,
        "- np.square(means_VZ).mean(axis=0)",
        "- np.square(means_VZ.mean(axis=0))",
        INVARIANCE_TESTS,
    ),
    Mutant(
        "share_of_what_is_within",
        INVARIANCE,
        "self.scatter_ZZ.trace() - count * np.square(mean_Z).sum()",
        "self.scatter_ZZ.trace()",
        INVARIANCE_TESTS,
    ),
    Mutant(
        "rank_of_the_offsets_between_views",
        INVARIANCE,
        "np.linalg.eigvalsh(self.scatter_ZZ - offsets_ZZ)",
        "np.linalg.eigvalsh(self.scatter_ZZ)",
        INVARIANCE_TESTS,
    ),
    Mutant(
        "naive_with_labels_of_the_view",
        GAPS,
        "[run for run in bases if view not in run.scored.trained_on]",
        "bases",
        TABLE_TESTS,
    ),
    Mutant(
        "oracle_without_labels_of_the_view",
        GAPS,
        '"oracle" in run.name.lower() and view in run.scored.trained_on]',
        '"oracle" in run.name.lower()]',
        TABLE_TESTS,
    ),
    Mutant("gap_as_a_share_of_the_oracle", GAPS, "(own - low) / (high - low)", "(own - low) / high", TABLE_TESTS),
    Mutant(
        "difference_turned_round",
        TABLES,
        "differences(ours.counts, theirs.counts,",
        "differences(theirs.counts, ours.counts,",
        TABLE_TESTS,
    ),
    Mutant(
        "stale_predictions_pass",
        "report/runs.py",
        "abs(value - view.scores[name]) > TOLERANCE",
        "abs(value - view.scores[name]) > 100",
        ("tests/report/test_report.py",),
    ),
    Mutant(
        "text_becomes_markup", "report/page.py", "autoescape=True", "autoescape=False", ("tests/report/test_report.py",)
    ),
    Mutant(
        "marks_of_an_axis_leave_out_the_highest_value",
        "report/curves.py",
        "tick_values(low - room, high + room)",
        "tick_values(low - room, high + room)[:-1]",
        ("tests/report/test_marks.py",),
    ),
]
