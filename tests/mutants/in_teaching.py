"""Faults in what a student learns from its teacher: the loss, soft labels, their windows, the stages of a run."""

from tests.mutants.mutant import Mutant

HEAD, LOSS, WINDOWS = "heads/base.py", "losses/teaching.py", "windows/taught.py"
LABELS, LESSON, AGREE = "training/taught.py", "training/lesson.py", "training/agreement.py"
TEACH, SEGMENT, IDENTITY = "training/teach.py", "training/segment.py", "training/run_identity.py"
OF_HEADS, OF_WINDOWS = ("tests/test_every_head.py",), ("tests/windows/test_taught.py",)
PLAIN = ("tests/wiring/test_teach.py::test_every_setting_does_what_it_says",)


def of_runs(test: str) -> tuple[str, ...]:
    """The test of whole runs that has to notice; all of them take a minute."""
    return (f"tests/training/test_teach.py::{test}",)


MUTANTS = [
    Mutant("taught_steps_of_weight_one", HEAD, "of_labels + weight * of_taught", "of_labels + of_taught", OF_HEADS),
    Mutant(
        "a_mean_of_labels_and_one_of_taught_steps",
        HEAD,
        "mean_over(of_labels + weight * of_taught, counts.sum())",
        "mean_over(of_labels, counts[0]) + weight * mean_over(of_taught, counts[1])",
        OF_HEADS,
    ),
    Mutant(
        "taught_steps_counted_by_each_process",
        HEAD,
        "counts = mean_count(counts) if self.training else counts",
        "counts = counts",
        OF_HEADS,
    ),
    Mutant(
        "taught_steps_without_features",
        HEAD,
        "taught_BT = mask_BT & ~labelled_BT",
        "taught_BT = ~labelled_BT",
        OF_HEADS,
    ),
    Mutant("smoothing_left_out_with_a_teacher", HEAD, "total = rest.total + ", "total = ", OF_HEADS),
    Mutant(
        "c2f_tcn_taught_level_by_level",
        "heads/c2f_tcn.py",
        "return [mean_log_probabilities(levels, self.weights, self.config.probability_floor)]",
        "return [mean_log_probabilities([level], self.weights[:1]) for level in levels[:1]]",
        OF_HEADS,
    ),
    Mutant("soft_entropy_of_all_steps", LOSS, "masked_fill(~steps_BT[..., None], 0.0).sum()", "sum()", OF_HEADS),
    Mutant("unseen_frames_in_the_mean", WINDOWS, "* self.seen_R[runs]", "* 1", OF_WINDOWS),
    Mutant(
        "runs_of_equal_likeliest_class",
        WINDOWS,
        "(probs_TK[1:] != probs_TK[:-1]).any(axis=1)",
        "probs_TK[1:].argmax(axis=1) != probs_TK[:-1].argmax(axis=1)",
        OF_WINDOWS,
    ),
    Mutant(
        "temperature_upside_down",
        WINDOWS,
        "astype(np.float64) ** (1 / temperature)",
        "astype(np.float64) ** temperature",
        OF_WINDOWS,
    ),
    Mutant("confidence_not_asked", WINDOWS, "& (highest_S1 >= confidence)", "& (confidence >= 0)", OF_WINDOWS),
    Mutant(
        "labels_of_taught_rows_read",
        WINDOWS,
        "np.full(window.steps, IGNORE, np.int64), t",
        "self.labels_of(window), t",
        OF_WINDOWS,
    ),
    Mutant(
        "taught_rows_before_labelled_ones",
        WINDOWS,
        "        self.rows += planned_rows(source, teaching.items, teaching.views, sampling.chunk_frames, "
        "sampling.max_chunks)",
        "        self.rows = planned_rows(source, teaching.items, teaching.views, sampling.chunk_frames, "
        "sampling.max_chunks) + self.rows",
        OF_WINDOWS,
    ),
    Mutant(
        "probabilities_on_the_device_one_row_late",
        "windows/resident.py",
        "taught = [label for label, _ in targets], [soft for _, soft in targets if soft is not None]",
        "taught = [label for label, _ in targets], [soft for _, soft in targets[::-1] if soft is not None]",
        OF_WINDOWS,
    ),
    Mutant(
        "views_that_see_nothing_averaged",
        LABELS,
        "total_TK += probs_TK * sees_T[:, None]",
        "total_TK += probs_TK",
        of_runs("test_several_labelled_views_are_averaged_where_each_sees"),
    ),
    Mutant(
        "labels_of_another_teacher_taken",
        LABELS,
        "if teacher is not None and",
        "if teacher is None and",
        of_runs("test_labels_of_another_teacher_are_refused"),
    ),
    Mutant(
        "held_out_pairs_learned_from", TEACH, "return Teaching(lesson.learn,", "return Teaching(lesson.items,", PLAIN
    ),
    Mutant(
        "two_rounds_are_one",
        TEACH,
        "        teach_on_pairs=again,",
        "        teach_on_pairs=False,",
        of_runs("test_each_round_is_taught_by_the_student_before"),
    ),
    Mutant(
        "teacher_as_long_as_its_student",
        SEGMENT,
        "module.asked, module.config = module.config, with_epochs(module)",
        "module.config = module.asked = with_epochs(module)",
        of_runs("test_length_counts_taught_windows_and_a_teacher_has_its_own"),
    ),
    Mutant(
        "student_s_epoch_by_labels_alone",
        SEGMENT,
        'else "val/choice")',
        'else "val/total")',
        of_runs("test_the_epoch_is_chosen_by_both"),
    ),
    Mutant(
        "labels_of_pairs_in_the_identity",
        SEGMENT,
        "unlabelled=tuple(views_of),",
        "unlabelled=(),",
        of_runs("test_labels_of_the_pairs_are_never_looked_at"),
    ),
    Mutant(
        "pairs_not_remembered",
        "training/provenance.py",
        '"pairs": "pairs", "held-out"',
        '"pairs": "val", "held-out"',
        of_runs("test_pairs_are_remembered_and_refused_at_evaluation"),
    ),
    Mutant(
        "views_of_a_role_forgotten",
        IDENTITY,
        "self.views_of.get(role, self.views))",
        "self.views)",
        of_runs("test_pairs_are_remembered_and_refused_at_evaluation"),
    ),
    Mutant(
        "blind_pairs_taught",
        LESSON,
        "seen = tuple(item for item in items if there",
        "seen = items or tuple(item for item in items if there",
        of_runs("test_pairs_without_a_labelled_view_teach_nothing"),
    ),
    Mutant(
        "one_pair_recording_held_out",
        LESSON,
        "len(seen) < LEAST_TO_HOLD_OUT",
        "len(seen) < 1",
        of_runs("test_one_recording_of_pairs_is_enough"),
    ),
    Mutant(
        "no_warning_of_other_actions",
        AGREE,
        "if covered < LEAST_COVERED:",
        "if covered < 0:",
        of_runs("test_a_student_with_little_to_learn_from_says_so"),
    ),
    Mutant(
        "frames_nobody_labelled_agree",
        AGREE,
        "frames += int((target_T != IGNORE).sum())",
        "frames += len(target_T)",
        of_runs("test_agreement_leaves_out_what_either_does_not_see"),
    ),
    Mutant(
        "warning_takes_the_place_of_others",
        "training/learned.py",
        '[*facts.get("warnings", []), *warnings]',
        "warnings",
        of_runs("test_a_warning_leaves_others_in_place"),
    ),
]
