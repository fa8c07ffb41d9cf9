"""Faults in losses."""

from tests.mutants.mutant import Mutant

SEGMENTATION, HEAD_TESTS = "losses/segmentation.py", ("tests/losses/test_segmentation.py",)
VIEW_TESTS = ("tests/losses/test_view_losses.py",)
STREAMS = ("tests/losses/test_view_losses.py", "tests/parity/test_streams.py")

MUTANTS = [
    Mutant(
        "levels_not_weighted_to_one",
        SEGMENTATION,
        "shares = weights_L / weights_L.sum()",
        "shares = weights_L / len(weights_L)",
        HEAD_TESTS,
    ),
    Mutant("log_of_a_zero_weight", SEGMENTATION, ".log().clamp(min=MIN_LOG)", ".log()", HEAD_TESTS),
    Mutant("probability_floor_ignored", SEGMENTATION, "if floor > 0:", "if floor > 1:", HEAD_TESTS),
    Mutant("cross_entropy_averaged_twice", SEGMENTATION, 'reduction="sum"', 'reduction="mean"', HEAD_TESTS),
    Mutant(
        "cross_entropy_over_unlabelled_steps",
        SEGMENTATION,
        "count = (labels_BT != ignore).sum() if",
        "count = (labels_BT == labels_BT).sum() if",
        HEAD_TESTS,
    ),
    Mutant("smoothing_moves_both_steps", SEGMENTATION, "logp_BTK[:, :-1].detach()", "logp_BTK[:, :-1]", HEAD_TESTS),
    Mutant("smoothing_not_truncated", SEGMENTATION, ".clamp(max=max_square)", "", HEAD_TESTS),
    Mutant("smoothing_truncated_early", SEGMENTATION, "MAX_SQUARE = 16.0", "MAX_SQUARE = 4.0", HEAD_TESTS),
    Mutant(
        "smoothing_summed_over_classes",
        SEGMENTATION,
        "(count.clamp(min=1) * logp_BTK.shape[2])",
        "count.clamp(min=1)",
        HEAD_TESTS,
    ),
    Mutant("smoothing_over_padding", SEGMENTATION, " * pairs_BP[..., None]", "", HEAD_TESTS),
    Mutant(
        "squared_error_of_masked_steps",
        "losses/squared_error.py",
        ".masked_fill(~mask_BT[..., None], 0.0)",
        "",
        VIEW_TESTS,
    ),
    Mutant(
        "squared_error_summed_over_features", "losses/squared_error.py", " * squares_BTD.shape[-1])", ")", VIEW_TESTS
    ),
    Mutant(
        "squared_error_in_half_precision",
        "losses/squared_error.py",
        ".dtype.itemsize < 4",
        ".dtype.itemsize < 2",
        VIEW_TESTS,
    ),
    Mutant(
        "less_than_a_step_clamped",
        "losses/squared_error.py",
        "(steps + (steps == 0))",
        "steps.clamp(min=1)",
        VIEW_TESTS,
    ),
    Mutant(
        "student_mask_of_the_first_view",
        "losses/distillation.py",
        "mask_BVT[:, view], count)",
        "mask_BVT[:, 0], count)",
        VIEW_TESTS,
    ),
    Mutant("one_student_only", "losses/distillation.py", "range(students_BVTD.shape[1])", "range(1)", VIEW_TESTS),
    Mutant(
        "one_level_distilled",
        "losses/distillation.py",
        "zip(student_levels, teacher_levels,",
        "zip(student_levels[:1], teacher_levels[:1],",
        VIEW_TESTS,
    ),
    Mutant(
        "invariance_where_one_view_is_absent",
        "losses/invariance.py",
        "mask_BVT[:, a] & mask_BVT[:, b]",
        "mask_BVT[:, a]",
        VIEW_TESTS,
    ),
    Mutant(
        "invariance_of_the_first_pair",
        "losses/invariance.py",
        "combinations(range(z_BVTD.shape[1]), 2)",
        "combinations(range(2), 2)",
        STREAMS,
    ),
    Mutant(
        "one_view_reconstructs",
        "losses/reconstruction.py",
        "zip(z_BVTD.unbind(1), mask_BVT.unbind(1),",
        "zip(z_BVTD.unbind(1)[:1], mask_BVT.unbind(1)[:1],",
        VIEW_TESTS,
    ),
    Mutant(
        "first_view_decoded_for_all",
        "losses/reconstruction.py",
        "x_BVTD[:, view], mask_BVT[:, view]",
        "x_BVTD[:, 0], mask_BVT[:, view]",
        VIEW_TESTS,
    ),
    Mutant("schedule_falls_faster", "losses/schedule.py", "epoch**1.18", "epoch**1.2", VIEW_TESTS),
    Mutant("covariance_over_n", "losses/collapse.py", "(count - 1).clamp(min=1)", "count.clamp(min=1)", VIEW_TESTS),
    Mutant(
        "covariance_of_padding",
        "losses/collapse.py",
        "count.clamp(min=1)).masked_fill(~mask_BT1, 0.0)",
        "count.clamp(min=1))",
        VIEW_TESTS,
    ),
    Mutant(
        "variance_rewarded_without_end",
        "losses/collapse.py",
        "F.relu(target - deviation_D)",
        "(target - deviation_D)",
        VIEW_TESTS,
    ),
    Mutant(
        "root_of_no_variance",
        "losses/collapse.py",
        "(covariance_DD.diagonal() + EPSILON)",
        "covariance_DD.diagonal()",
        VIEW_TESTS,
    ),
    Mutant(
        "covariance_term_a_mean",
        "losses/collapse.py",
        "off_diagonal_DD.square().sum() / len(covariance_DD)",
        "off_diagonal_DD.square().mean()",
        VIEW_TESTS,
    ),
]
