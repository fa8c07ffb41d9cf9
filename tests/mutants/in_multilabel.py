"""Faults where a frame may have several labels: reading, pooling, the loss, scores, lanes."""

from tests.mutants.mutant import Mutant

LABELS, ARRAYS, WINDOWS = "dataset/multilabel.py", "dataset/memory_multilabel.py", "windows/multilabel.py"
HEAD, SCORES, DETECTION = "heads/multilabel.py", "metrics/multilabel.py", "metrics/detection.py"
TAUGHT, LANES = "windows/taught.py", "report/lanes.py"
OF_LABELS, OF_WINDOWS = ("tests/dataset/test_multilabel.py",), ("tests/windows/test_multilabel.py",)
OF_HEADS, OF_SCORES = ("tests/heads/test_multilabel.py",), ("tests/metrics/test_multilabel.py",)
OF_DETECTION, OF_LANES = ("tests/metrics/test_detection.py",), ("tests/report/test_lanes.py",)
OF_RUNS = ("tests/training/test_multilabel.py",)

MUTANTS = [
    Mutant("ignored_stretches_are_labelled", LABELS, "[self.ignored_N2, [[", "[[[", OF_LABELS),
    Mutant("frames_outside_are_labelled", LABELS, "[self.last, end]]", "[self.last, self.last]]", OF_LABELS),
    Mutant(
        "the_words_are_always_words",
        LABELS,
        "words_without_action(actions) | ids",
        "ids | words_without_action(())",
        OF_LABELS,
    ),
    Mutant("the_mode_not_in_the_identity", "dataset/content.py", "| mode |", "|", OF_LABELS),
    Mutant("ignored_not_in_the_identity", LABELS, "self.last, self.ignored_N2.tolist()]", "self.last]", OF_LABELS),
    Mutant("rows_of_nan_are_nothing", ARRAYS, "return [whole, *spans,", "return [whole,", OF_LABELS),
    Mutant("more_than_half_of_a_chunk", WINDOWS, "2 * having_SK >= ", "2 * having_SK > ", OF_WINDOWS),
    Mutant(
        "frames_that_nobody_labelled_vote",
        WINDOWS,
        " - frames_between(borders, unknown.select(unknown.durations > 0), None)",
        "",
        OF_WINDOWS,
    ),
    Mutant(
        "taught_rows_show_their_labels",
        TAUGHT,
        "return found_SK if row < self.first_taught else",
        "return found_SK if row < 1 << 30 else",
        OF_WINDOWS,
    ),
    Mutant(
        "labelled_rows_are_taught_that_nothing_happens",
        TAUGHT,
        "np.full(shape, np.nan, np.float32)",
        "np.zeros(shape, np.float32)",
        OF_WINDOWS,
    ),
    Mutant("yes_is_no", HEAD, "[torch.zeros_like(rows), rows]", "[rows, torch.zeros_like(rows)]", OF_HEADS),
    Mutant(
        "classes_of_other_steps",
        HEAD,
        "reshape(batch, classes, -1)",
        "reshape(classes, batch, -1).transpose(0, 1)",
        OF_HEADS,
    ),
    Mutant(
        "a_silent_teacher_says_no", HEAD, ".masked_fill(there.isnan()[..., None], 0.0)", ".nan_to_num(0.5)", OF_HEADS
    ),
    Mutant(
        "stages_see_softmax",
        "heads/base.py",
        "logits_BKT.sigmoid() if self.multi else",
        "logits_BKT.softmax(dim=1) if self.multi else",
        OF_HEADS,
    ),
    Mutant(
        "the_mode_is_not_saved",
        "training/checkpoints.py",
        '({"labels_mode": "multi"} if head.multi else {})',
        "{}",
        OF_HEADS,
    ),
    Mutant(
        "runs_count_once",
        SCORES,
        "result.frames_R @ side_RK.astype(np.int64)",
        "side_RK.astype(np.int64).sum(axis=0)",
        OF_SCORES,
    ),
    Mutant(
        "said_where_nobody_knows", SCORES, "threshold, first_frame, labelled_T)", "threshold, first_frame)", OF_SCORES
    ),
    Mutant(
        "ties_are_broken",
        SCORES,
        "np.diff(probs_N[order]) != 0, True)",
        "np.diff(probs_N[order]) < 9, True)",
        OF_SCORES,
    ),
    Mutant(
        "a_segment_is_found_twice",
        DETECTION,
        "if not right[one] and not taken[other]",
        "if not right[one]",
        OF_DETECTION,
    ),
    Mutant("unsure_predictions_first", DETECTION, "np.argsort(-scores", "np.argsort(scores", OF_DETECTION),
    Mutant("precision_not_interpolated", DETECTION, "highest_P[right_P]", "precision_P[right_P]", OF_DETECTION),
    Mutant("lanes_are_never_free_again", LANES, "if until <= start]", "if until <= 0]", OF_LANES),
    Mutant("lanes_of_no_truth", LANES, "lane = wanted if wanted in free else", "lane =", OF_LANES),
    Mutant(
        "the_total_of_one_label",
        "training/evaluate.py",
        "if segmenter.head.multi:\n        return item",
        "if False:\n        return item",
        OF_RUNS,
    ),
]
