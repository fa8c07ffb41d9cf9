"""Faults in methods and refiners."""

from tests.mutants.mutant import Mutant

TWO, TWO_TESTS = "methods/two_stream.py", ("tests/methods/test_two_stream.py", "tests/parity/test_streams.py")
KD, HEAD_KD, KD_TESTS = "methods/sync_kd.py", "methods/sync_kd_head.py", ("tests/methods/test_distillation.py",)
EVERY = "tests/test_every_method.py"
REFINER = ("tests/methods/test_refiner.py",)
CLOSED = ("tests/methods/test_closed_forms.py", "tests/properties/test_methods.py")
STATISTICS = ("tests/methods/test_standardise.py",)
FROZEN = ("tests/wiring/test_train.py::test_a_refiner_before_the_head_is_in_evaluation_mode",)
RESIDUAL, BASE, STANDARDISE = "methods/residual.py", "methods/base.py", "nn/standardise.py"

MUTANTS = [
    Mutant("single_views_count_as_pairs", TWO, ">= 2)", ">= 1)", TWO_TESTS),
    Mutant(
        "stopped_gradient_on_the_wrong_side",
        TWO,
        'if config.stop_gradient == "views"',
        'if config.stop_gradient == "joint"',
        TWO_TESTS,
    ),
    Mutant("schedule_in_evaluation_too", TWO, "scheduled = self.training and", "scheduled =", TWO_TESTS),
    Mutant("schedule_stands_still", TWO, "invariance_weight(self.epoch)", "invariance_weight(0)", TWO_TESTS),
    Mutant("invariance_weight_ignored", TWO, "return self.config.invariance_weight * (", "return 1.0 * (", TWO_TESTS),
    Mutant(
        "refined_views_decoded",
        TWO,
        "view_decoding(decoded_BVTD, x_BVTD,",
        "view_decoding(decoded_BVTD, z_BVTD,",
        TWO_TESTS,
    ),
    Mutant("joint_stream_where_all_views_are", TWO, "mask_BVT.any(dim=1))", "mask_BVT.all(dim=1))", TWO_TESTS),
    Mutant(
        "marks_in_evaluation_too",
        TWO,
        '(self.config.mark_at == "joint_training" and not self.training)',
        'self.config.mark_at == "never"',
        TWO_TESTS,
    ),
    Mutant(
        "statistics_of_the_first_view",
        TWO,
        "self.refiner.standardiser(x_BVTD[:, place], view)",
        "self.refiner.standardiser(x_BVTD[:, place], self.views[0])",
        TWO_TESTS,
    ),
    Mutant(
        "variance_target_ignored", TWO, "variance_term(c, self.config.variance_target)", "variance_term(c)", TWO_TESTS
    ),
    Mutant(
        "covariance_weighted_as_variance",
        TWO,
        "(config.covariance_weight, covariance)",
        "(config.variance_weight, covariance)",
        TWO_TESTS,
    ),
    Mutant("absent_views_are_marked", TWO, " * mask_BVT[..., None]", "", TWO_TESTS),
    Mutant(
        "padding_never_counts",
        TWO,
        "if not self.config.whole_window:",
        "if True:",
        TWO_TESTS,
    ),
    Mutant("distilled_where_the_teacher_is_absent", KD, " & mask_BVT[:, [roles.teacher_place]]", "", KD_TESTS),
    Mutant(
        "teacher_not_standardised",
        KD,
        "standardise(x_BVTD[:, roles.teacher_place], roles.teacher)",
        "x_BVTD[:, roles.teacher_place]",
        KD_TESTS,
    ),
    Mutant("first_view_teaches_features", KD, "default=-1", "default=0", KD_TESTS),
    Mutant(
        "teacher_through_the_network",
        KD,
        "unchanged = (feature_roles(views, config).teacher,)",
        "unchanged = ()",
        KD_TESTS,
    ),
    Mutant(
        "released_mean_ignored",
        KD,
        "        if self.config.whole_window:\n            mask_BVT =",
        "        if False:\n            mask_BVT =",
        KD_TESTS,
    ),
    Mutant("teacher_head_in_train_mode", HEAD_KD, "            self.teacher.eval()", "            pass", KD_TESTS),
    Mutant("teacher_head_learns", HEAD_KD, ".requires_grad_(False).eval()", ".eval()", KD_TESTS),
    Mutant(
        "student_starts_otherwise",
        HEAD_KD,
        'if self.config.start == "random"',
        'if self.config.start != "random"',
        KD_TESTS,
    ),
    Mutant(
        "student_is_the_teacher_itself",
        HEAD_KD,
        "copy.deepcopy(fresh).requires_grad_(True)",
        "fresh.requires_grad_(True)",
        KD_TESTS,
    ),
    Mutant("head_distilled_without_the_teacher", HEAD_KD, "wanted, mask_BT & teacher_BT", "wanted, mask_BT", KD_TESTS),
    Mutant("last_view_teaches_the_head", HEAD_KD, "default=0", "default=-1", KD_TESTS),
    Mutant("teacher_may_be_its_student", "methods/roles.py", "if teacher in chosen:", "if False:", KD_TESTS),
    Mutant(
        "no_residual",
        RESIDUAL,
        "return x_BTD + sequences.unpack(y_PD)",
        "return sequences.unpack(y_PD)",
        ("tests/parity/test_streams.py",),
    ),
    Mutant("residual_start_ignored", RESIDUAL, "config.residual_start)", "1.0)", REFINER),
    Mutant("marks_turned_round", RESIDUAL, "torch.linspace(-1, 1, views)", "torch.linspace(1, -1, views)", TWO_TESTS),
    Mutant("marks_not_in_the_refiner", RESIDUAL, "x_BTD if self.marks is None else", "x_BTD if True else", TWO_TESTS),
    Mutant(
        "garbage_at_masked_steps",
        "methods/refiner.py",
        ".transform(x_BTD, mask_BT, view).masked_fill(~inside_BT1, 0.0)",
        ".transform(x_BTD, mask_BT, view)",
        (f"{EVERY}::test_encodes_to_its_size_with_zeros_at_masked_steps",),
    ),
    Mutant(
        "frozen_refiner_in_train_mode",
        "methods/refiner.py",
        "mode and not self.frozen",
        "mode",
        (*FROZEN, f"{EVERY}::test_frozen_means_frozen"),
    ),
    Mutant(
        "frozen_refiner_learns",
        "methods/refiner.py",
        "self.requires_grad_(False)",
        "self.requires_grad_(True)",
        (f"{EVERY}::test_frozen_means_frozen",),
    ),
    Mutant(
        "unknown_views_are_encoded",
        "methods/refiner.py",
        "return not own_map or view in self.views",
        "return True",
        (f"{EVERY}::test_a_view_never_seen_is_encoded_or_refused_by_name",),
    ),
    Mutant(
        "other_views_are_accepted",
        BASE,
        "if batch.views != self.views:",
        "if False:",
        (f"{EVERY}::test_a_batch_of_other_views_is_refused",),
    ),
    Mutant(
        "statistics_of_padding",
        STANDARDISE,
        "x_ND = x_BVTD[:, view][mask_BVT[:, view]]",
        "x_ND = x_BVTD[:, view].flatten(0, 1)",
        STATISTICS,
    ),
    Mutant("second_moment_for_variance", STANDARDISE, "(square_GD - mean_GD.square())", "square_GD", STATISTICS),
    Mutant(
        "still_features_blown_up",
        STANDARDISE,
        "still_GD = deviation_GD <= STILL * magnitude_GD",
        "still_GD = deviation_GD < 0",
        STATISTICS,
    ),
    Mutant(
        "one_group_for_all_views", STANDARDISE, 'self.views.index(view) if self.mode == "view" else 0', "0", STATISTICS
    ),
    Mutant(
        "mean_not_standardised",
        STANDARDISE,
        "return (mean_D - centre_D) / deviation_D",
        "return mean_D - centre_D",
        CLOSED,
    ),
    Mutant("components_all_alike", "methods/cca.py", 'if scale == "correlation"', 'if scale == ""', CLOSED),
    Mutant("components_of_another_size", "methods/cca.py", " * views**0.5", "", CLOSED),
    Mutant("signs_by_luck", "methods/cca.py", " * signs_Z)", ")", CLOSED),
    Mutant(
        "covariance_where_one_view_is_absent",
        "methods/cca.py",
        "batch.features_BVTD[:, a][both_BT], batch.features_BVTD[:, b][both_BT]",
        "batch.features_BVTD[:, a][batch.mask_BVT[:, a]], batch.features_BVTD[:, b][batch.mask_BVT[:, a]]",
        CLOSED,
    ),
    Mutant(
        "ridge_without_the_variance",
        "methods/ridge.py",
        "self.config.strength * covariance_DD.diagonal().mean()",
        "self.config.strength",
        CLOSED,
    ),
    Mutant(
        "ridge_where_the_teacher_is_absent",
        "methods/ridge.py",
        "batch.mask_BVT[:, place] & batch.mask_BVT[:, teacher]",
        "batch.mask_BVT[:, place]",
        CLOSED,
    ),
    Mutant(
        "ridge_without_the_teacher_s_mean",
        "methods/ridge.py",
        "standardiser.of_mean(mean_y_D, teacher), weight_DD",
        "0 * mean_y_D, weight_DD",
        CLOSED,
    ),
    Mutant("ridge_teaches_the_first_view", "methods/ridge.py", "default=-1", "default=0", CLOSED),
    Mutant("moments_not_centred", "methods/moments.py", " - torch.outer(x_D, y_E)", "", CLOSED),
    Mutant(
        "linear_map_without_its_mean",
        "methods/linear_map.py",
        "(x_BTD - self.mean_VD[place]) @",
        "x_BTD @",
        CLOSED,
    ),
    Mutant("linear_map_without_its_offset", "methods/linear_map.py", " + self.offset_VZ[place]", "", CLOSED),
    Mutant(
        "refiner_file_with_default_settings",
        "methods/refiner_file.py",
        'metadata["config"])',
        "{})",
        (f"{EVERY}::test_refiner_survives_its_file_to_the_bit",),
    ),
    Mutant(
        "loaded_refiner_in_train_mode",
        "methods/refiner_file.py",
        '    refiner.extra = metadata["extra"]\n    return refiner.eval()',
        '    refiner.extra = metadata["extra"]\n    return refiner.train()',
        ("tests/methods/test_refiner.py",),
    ),
]
