"""Faults in comparisons: tests, correction, clock, wrong pairs, tuning, and what runs when."""

from tests.mutants.mutant import Mutant

COMPARISON, CONTROLS = "metrics/comparison.py", "metrics/controls.py"
STATISTICS, CLOCK = ("tests/metrics/test_comparison.py",), ("tests/metrics/test_controls.py",)
SETTINGS, RUNS = ("tests/recipes/test_compare_settings.py",), ("tests/recipes/test_compare.py",)
ROWS, TUNING, BUILD = "recipes/compare/rows.py", "recipes/compare/tuning.py", "recipes/compare/build.py"

MUTANTS = [
    Mutant("holm_without_its_steps", COMPARISON, "(len(p_values) - rank) * p", "len(p_values) * p", STATISTICS),
    Mutant("holm_may_fall", COMPARISON, "most = max(most, min(", "most = max(0.0, min(", STATISTICS),
    Mutant("one_seed_swapped", COMPARISON, "differences += after", "differences = after", STATISTICS),
    Mutant(
        "swap_of_one_side",
        COMPARISON,
        "scores_of(yours.sum(axis=1)[:, None] - moved)",
        "scores_of(yours.sum(axis=1)[:, None])",
        STATISTICS,
    ),
    Mutant(
        "smallest_without_power", COMPARISON, "+ normal.inv_cdf(power))", "+ 0 * normal.inv_cdf(power))", STATISTICS
    ),
    Mutant(
        "deviation_of_one_side",
        COMPARISON,
        "deviation = float(np.std(drawn_R))",
        "deviation = float(high[0] - low[0])",
        STATISTICS,
    ),
    Mutant("clock_by_frame", CONTROLS, "(moments_T * len(labels_T))", "(moments_T * frames)", CLOCK),
    Mutant("clock_counts_unlabelled", CONTROLS, "np.flatnonzero(found_T != IGNORE)", "np.arange(frames)", CLOCK),
    Mutant("clock_saw_the_recording", CONTROLS, "if of != name]", "if of]", CLOCK),
    Mutant(
        "shuffled_back_to_itself", "recipes/mismatch.py", "step = 1 + (place - 1)", "step = 0 * (place - 1)", SETTINGS
    ),
    Mutant(
        "offset_the_other_way",
        "features/mismatched.py",
        "end + shift)\n\n    def read_pooled",
        "end + shift)[::-1]\n\n    def read_pooled",
        SETTINGS,
    ),
    Mutant(
        "missing_frames_of_the_other_place",
        "features/mismatched.py",
        "found.missing - shift",
        "found.missing",
        SETTINGS,
    ),
    Mutant("wrong_pairs_share_a_folder", BUILD, "self.bench.identity, more=more))", "self.bench.identity))", SETTINGS),
    Mutant("tuned_on_test", BUILD, 'split="val")', 'split="test")', SETTINGS),
    Mutant(
        "tuned_beyond_the_budget", TUNING, "if len(found) >= tuning.trials:", "if len(found) > tuning.trials:", SETTINGS
    ),
    Mutant("trials_that_the_views_do_not_allow", TUNING, "            _check_sizes(builder, changed)\n", "", SETTINGS),
    Mutant(
        "grid_beside_the_defaults",
        "recipes/compare/grids.py",
        "_STRENGTHS = (1e-2, 1e-4,",
        "_STRENGTHS = (1e-4, 1e-2,",
        SETTINGS,
    ),
    Mutant("last_trial_of_equal_ones", TUNING, "else values[place], -place)", "else values[place], place)", SETTINGS),
    Mutant("best_may_be_a_control", ROWS, 'if result.row.role == "method"]\n    return max', "]\n    return max", RUNS),
    Mutant("tests_not_corrected", ROWS, "holm(list(tested.values()))", "tested.values()", RUNS),
    Mutant("failure_forgotten", "recipes/compare/running.py", "        if broken is None:", "        if True:", RUNS),
    Mutant(
        "old_result_of_an_oracle_s_view",
        ROWS,
        "(*bench.entry.unlabelled, *bench.entry.labelled)",
        "(*bench.entry.labelled, *bench.entry.unlabelled)",
        RUNS,
    ),
]
