"""Faults in decoding by durations, and in the boundary head."""

from tests.mutants.mutant import Mutant

BOUNDED, DURATIONS, DECODING = "training/bounded.py", "training/durations.py", "training/decoding.py"
PARITY, TESTS = ("tests/parity/test_durations.py",), ("tests/training/test_durations.py",)
HEAD, LOSS, NN = "heads/boundary.py", "losses/boundaries.py", "nn/boundaries.py"
HEAD_PARITY, HEAD_TESTS = ("tests/parity/test_boundary.py",), ("tests/heads/test_boundary.py",)
EVERY = "tests/test_every_head.py"

MUTANTS = [
    Mutant("window_one_start_short", BOUNDED, "last_K - width_K + self.span_K", "last_K - self.span_K + 1", PARITY),
    Mutant(
        "first_segment_has_a_least_duration", BOUNDED, "np.maximum(found_K, 0.0), found_K)", "found_K, found_K)", PARITY
    ),
    Mutant(
        "a_class_follows_itself",
        BOUNDED,
        "score_K[second] - total_K[best]",
        "score_K[best] + 1 - total_K[best]",
        PARITY,
    ),
    Mutant(
        "last_segment_has_a_least_duration", BOUNDED, "self._start(end, label, 1)", "self._start(end, label, 2)", PARITY
    ),
    Mutant("blocks_overlap", BOUNDED, "row - self.span_K + 1)", "row - self.span_K)", PARITY),
    Mutant("traced_into_the_same_class", BOUNDED, "second if best == label else best", "best", PARITY),
    Mutant("classes_stay_in_another_order", BOUNDED, "return order_K[search.trace()]", "return search.trace()", PARITY),
    Mutant("bounds_in_frames_not_steps", DURATIONS, "step_frames / fps", "1 / fps", TESTS),
    Mutant("longest_of_few_is_a_bound", DURATIONS, "if len(durations) >= config.enough else None", "", TESTS),
    Mutant(
        "gaps_are_segments", DURATIONS, "Segments.of_frames(labels_T).labelled", "Segments.of_frames(labels_T)", TESTS
    ),
    Mutant("zeros_rule_out", DURATIONS, "np.maximum(probs_TK, FLOOR)", "probs_TK", TESTS),
    Mutant("tight_bounds", DURATIONS, "np.ceil(self.longest_K", "np.floor(self.longest_K", TESTS),
    Mutant(
        "predicted_by_argmax", "training/predict.py", "item.start, decide, temp", "item.start, likeliest, temp", TESTS
    ),
    Mutant("scored_by_argmax", "training/evaluate.py", "segmenter, decide, cal", "segmenter, likeliest, cal", TESTS),
    Mutant("other_decoding_taken_as_alike", "training/evaluate.py", " == scored_with(config)", " != {}", TESTS),
    Mutant("folds_by_argmax", "recipes/fold_run.py", "decoding=config.decoding,", "", TESTS),
    Mutant("transfer_by_argmax", "recipes/transfer.py", "decoding=config.decoding,", "", TESTS),
    Mutant(
        "inner_head_sees_raw_features",
        HEAD,
        "self.inner.logits(x_BTD, mask_BT)",
        "self.inner(0 * x_BTD, mask_BT)",
        HEAD_TESTS,
    ),
    Mutant("first_boundary_stage_decides", HEAD, "peaks(edges[0]", "peaks(edges[-1]", HEAD_PARITY),
    Mutant("boundaries_refined_from_logits", HEAD, "edges_B1T[-1].sigmoid()", "edges_B1T[-1]", HEAD_PARITY),
    Mutant("taught_boundaries_weigh_one", HEAD, "of_labels + weight * of_taught", "of_labels + of_taught", HEAD_PARITY),
    Mutant(
        "boundaries_counted_by_process",
        HEAD,
        "mean_count(counts_3) if self.training else counts_3",
        "counts_3",
        (f"{EVERY}::test_two_processes_equal_one_at_the_same_global_batch",),
    ),
    Mutant("causal_inside_is_taken", "heads/settings.py", 'values.get("causal") is True', "False", HEAD_TESTS),
    Mutant(
        "an_unsure_teacher_tells_of_boundaries",
        LOSS,
        ".abs().sum(dim=-1) / 2",
        ".abs().sum(dim=-1)",
        ("tests/losses/test_boundaries.py",),
    ),
    Mutant(
        "gaps_have_boundaries",
        LOSS,
        "known_BT[:, 1:] & known_BT[:, :-1]",
        "known_BT[:, 1:]",
        ("tests/losses/test_boundaries.py",),
    ),
    Mutant(
        "boundaries_weigh_one",
        LOSS,
        "others / boundaries.masked_fill(none, 1.0)",
        "torch.ones_like(others)",
        ("tests/losses/test_boundaries.py",),
    ),
    Mutant(
        "flat_tops_are_many", NN, "(here_BT > before_BT)", "(here_BT >= before_BT)", ("tests/nn/test_boundaries.py",)
    ),
    Mutant(
        "masked_steps_have_a_say",
        NN,
        "values_BTK.masked_fill(~mask_BT[..., None], 0.0)",
        "values_BTK",
        ("tests/nn/test_boundaries.py",),
    ),
    Mutant("segments_go_on_in_the_next_row", NN, "* (steps + 1)\n", "* 0\n", ("tests/nn/test_boundaries.py",)),
]
