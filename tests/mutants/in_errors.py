"""Faults in what went wrong: kinds of errors, groups of actions, the difference of two runs, agreement over time."""

from tests.mutants.mutant import Mutant

KINDS, FIGURES = ("tests/metrics/test_error_kinds.py",), ("tests/metrics/test_error_figures.py",)
GROUPS, PAGE = ("tests/metrics/test_action_groups.py",), ("tests/report/test_went_wrong.py",)
VIEWS = ("tests/report/test_view_pages.py",)

MUTANTS = [
    Mutant(
        "ties_are_taken_for_others",
        "metrics/error_kinds.py",
        "found.in_true(stray_P) > right_frames_P",
        "found.in_true(stray_P) >= right_frames_P",
        KINDS,
    ),
    Mutant("an_error_begins_anew_at_each_cut", "metrics/error_kinds.py", "~goes_on_P", "wrong_P", KINDS),
    Mutant(
        "errors_go_on_over_segments",
        "metrics/error_kinds.py",
        " & (of_true[1:] == of_true[:-1])",
        "",
        KINDS,
    ),
    Mutant(
        "background_is_said_like_any_action",
        "metrics/error_kinds.py",
        "(IGNORE, *background))",
        "(IGNORE,))",
        KINDS,
    ),
    Mutant(
        "cut_on_one_side_is_cut_to_pieces",
        "metrics/error_kinds.py",
        "(first[self.of_true_P] < here) & (here < last",
        "(first[self.of_true_P] < here) | (here < last",
        KINDS,
    ),
    Mutant(
        "unlabelled_frames_join_predictions",
        "metrics/error_kinds.py",
        "np.where(frames.true == IGNORE, IGNORE, frames.predicted)",
        "frames.predicted",
        KINDS,
    ),
    Mutant(
        "stretches_without_a_label_count",
        "metrics/class_segments.py",
        "sequences[-1][first - start : last - start] = IGNORE",
        "pass",
        (*KINDS, *PAGE),
    ),
    Mutant("head_is_by_number", "metrics/action_groups.py", "share * frames_K.sum()", "share * len(frames_K)", GROUPS),
    Mutant("attempts_have_no_noun", "metrics/action_groups.py", "next(rests, 0) + 1", "1", GROUPS),
    Mutant(
        "said_counts_where_true",
        "metrics/error_figures.py",
        "of_K[errors.predicted[spoken]], errors",
        "of_K[errors.labels[spoken]], errors",
        FIGURES,
    ),
    Mutant(
        "confused_the_other_way",
        "metrics/error_figures.py",
        "[names[i], names[j], float",
        "[names[j], names[i], float",
        FIGURES,
    ),
    Mutant(
        "first_and_second_change_places",
        "report/difference.py",
        "0 if right[0][i] else 1",
        "1 if right[0][i] else 0",
        PAGE,
    ),
    Mutant("both_wrong_is_left_out", "report/difference.py", "~(right[0] & right[1])", "(right[0] ^ right[1])", PAGE),
    Mutant(
        "one_truth_for_both_unasked",
        "report/difference.py",
        "a.truth.rows) == (b.start, b.end, b.truth.rows)",
        "0) == (b.start, b.end, 0)",
        PAGE,
    ),
    Mutant("the_shortest_first", "report/difference.py", "(-one.seconds,", "(one.seconds,", PAGE),
    Mutant("some_right_is_all_right", "report/agreement_in_time.py", "(right == whole, ", "(right > 0, ", VIEWS),
    Mutant("a_run_from_anywhere", "report/compared_runs.py", 'or ".." in path.parts', "", VIEWS),
    Mutant(
        "runs_of_other_scores",
        "report/compared_runs.py",
        "len(found) == 1 and (of := found.pop())",
        "(of := next(iter(wanted.values())))",
        VIEWS,
    ),
]
