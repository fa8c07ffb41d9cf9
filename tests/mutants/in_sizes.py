"""Faults in what takes views of several feature sizes: batches, closed forms, stems, students, refined features."""

from tests.mutants.mutant import Mutant

RIDGE, LINEAR, CANONICAL = "methods/ridge.py", "methods/linear_map.py", "methods/canonical.py"
RESIDUAL, BASE, STANDARDISE = "methods/residual.py", "methods/base.py", "nn/standardise.py"
STEM, STEM_TESTS = "methods/stem.py", ("tests/methods/test_stem.py",)
KD, HEAD_KD, KD_TESTS = "methods/sync_kd.py", "methods/sync_kd_head.py", ("tests/methods/test_distillation.py",)
SIZES = ("tests/methods/test_closed_forms.py",)
SEGMENTS, HELD = ("tests/windows/test_segments.py",), ("tests/windows/test_resident.py",)
REFINED, SEGMENTED = ("tests/training/test_refined.py",), ("tests/training/test_own_sizes.py",)

MUTANTS = [
    Mutant(
        "ridge_as_large_as_the_first_view", RIDGE, "as_dims(dim, views)[teacher])", "as_dims(dim, views)[0])", SIZES
    ),
    Mutant(
        "ridge_to_a_teacher_of_the_student_s_size",
        RIDGE,
        "Moments(size[name], size[self.roles.teacher])",
        "Moments(size[name], size[name])",
        SIZES,
    ),
    Mutant(
        "linear_map_of_the_first_view_s_size",
        LINEAR,
        "dim = self.mapped[place]",
        "dim = self.mapped[0]",
        SIZES,
    ),
    Mutant(
        "linear_map_s_mean_of_the_largest_view",
        LINEAR,
        "self.mean_VD[place, : len(mean_D)] = mean_D",
        "self.mean_VD[place] = mean_D",
        SIZES,
    ),
    Mutant("statistics_of_the_first_view_s_size", STANDARDISE, "dim = self.dims[group]", "dim = self.dims[0]", SIZES),
    Mutant(
        "mean_of_unequal_views_taken",
        STANDARDISE,
        'if mode == "pooled" and len(set(self.dims)) > 1:',
        "if False:",
        SIZES,
    ),
    Mutant(
        "unequal_views_in_one_map",
        BASE,
        "if len(set(self.dims)) > 1 and not self.takes_any_sizes:",
        "if False:",
        ("tests/methods/test_two_stream.py::test_views_of_unequal_sizes_need_a_stem",),
    ),
    Mutant(
        "size_of_a_view_not_in_the_refiner_s_file",
        "methods/refiner_file.py",
        "refiner.dims[0] if len(set(refiner.dims)) == 1 else list(refiner.dims)",
        "refiner.dims[0]",
        SIZES,
    ),
    Mutant(
        "size_of_features_not_checked",
        "methods/refiner.py",
        "if dim != self.dim_of(view):",
        "if False:",
        SIZES,
    ),
    Mutant("stem_without_its_offset", STEM, " + self.offset_VW[place]", "", STEM_TESTS),
    Mutant("stem_not_centred", STEM, "-(mean_D @ map_DW)", "0.0", STEM_TESTS),
    Mutant("stem_of_the_first_view_s_size", STEM, ": self.dims[place]] + self", ": self.dims[0]] + self", STEM_TESTS),
    Mutant(
        "stem_of_the_first_view_s_map",
        STEM,
        "        place = self.views.index(view)\n",
        "        place = 0\n",
        STEM_TESTS,
    ),
    Mutant("canonical_stem_for_a_principal_one", RESIDUAL, '"pca": PairMoments', '"pca": FoldMoments', STEM_TESTS),
    Mutant("width_of_a_stem_ignored", STEM, "config.width or min(*dims, WIDEST)", "min(*dims, WIDEST)", STEM_TESTS),
    Mutant("stem_without_limit", STEM, "config.width or min(*dims, WIDEST)", "config.width or min(dims)", STEM_TESTS),
    Mutant(
        "more_canonical_components_than_there_are",
        STEM,
        'if config.stem == "cca" and width > min(dims):',
        "if False:",
        STEM_TESTS,
    ),
    Mutant("stem_used_before_it_has_maps", STEM, "not tracing() and not self.ready:", "False:", STEM_TESTS),
    Mutant(
        "principal_components_the_smallest_first",
        CANONICAL,
        "vectors_DD.flip(-1)[:, :kept]",
        "vectors_DD[:, :kept]",
        STEM_TESTS,
    ),
    Mutant(
        "principal_components_of_another_size",
        CANONICAL,
        "(variance.sqrt() if variance > 0 else 1.0)",
        "1.0",
        STEM_TESTS,
    ),
    Mutant("principal_signs_by_luck", CANONICAL, "vectors_DZ * signs_Z / (", "vectors_DZ / (", STEM_TESTS),
    Mutant(
        "no_stem_before_the_network",
        RESIDUAL,
        "x_BTD if self.stem is None else self.stem(x_BTD, view)",
        "x_BTD",
        STEM_TESTS,
    ),
    Mutant(
        "views_without_a_map_pass_the_stem",
        RESIDUAL,
        "((self.marks is None and self.stem is None) or view in self.views)",
        "(self.marks is None or view in self.views)",
        STEM_TESTS,
    ),
    Mutant(
        "what_a_view_lacks_is_not_zero",
        RESIDUAL,
        "torch.stack(views, dim=1).masked_fill(~counted_BVT[..., None], 0.0)",
        "torch.stack(views, dim=1)",
        STEM_TESTS,
    ),
    Mutant(
        "target_brought_to_the_student_by_the_stem",
        KD,
        "[:, roles.teacher_place].detach()",
        "[:, roles.teacher_place]",
        (*STEM_TESTS, *KD_TESTS),
    ),
    Mutant(
        "student_of_another_size_scaled_as_the_teacher",
        HEAD_KD,
        "if self.student.dim == head.dim:",
        "if True:",
        KD_TESTS,
    ),
    Mutant("student_of_another_size_never_scaled", HEAD_KD, "student.solve_scaling()", "pass", KD_TESTS),
    Mutant(
        "batch_as_wide_as_its_first_row", "windows/segments.py", "max(row.dim for row in rows)", "rows[0].dim", SEGMENTS
    ),
    Mutant(
        "something_behind_the_features_of_a_small_view",
        "windows/segments.py",
        "x_BTD = np.zeros((*shape,",
        "x_BTD = np.ones((*shape,",
        SEGMENTS,
    ),
    Mutant(
        "batch_on_the_device_as_wide_as_its_first_row",
        "windows/resident.py",
        "max(windows.dims[view] for _, view in drawn)",
        "windows.dims[drawn[0][1]]",
        HELD,
    ),
    Mutant(
        "refiner_given_more_than_the_view_has",
        "training/refined.py",
        ":steps, : self.refiner.dim_of(key[1])].clone()",
        ":steps].clone()",
        REFINED,
    ),
    Mutant(
        "refiner_of_batches_given_more_than_the_view_has",
        "training/refined.py",
        "batch.features_BTD[rows, :, : self.refiner.dim_of(view)]",
        "batch.features_BTD[rows]",
        REFINED,
    ),
    Mutant(
        "segmented_whatever_the_size",
        "training/segmenter.py",
        "if dim == self.head.dim:",
        "if True:",
        SEGMENTED,
    ),
    Mutant(
        "frozen_stem_learns", RESIDUAL, "requires_grad_(not config.stem_frozen)", "requires_grad_(True)", STEM_TESTS
    ),
    Mutant(
        "room_on_the_device_by_the_first_view",
        "windows/resident.py",
        "first[view] = first.get(view) or load(windows, window, view, device)",
        'first["any"] = first.get("any") or load(windows, window, view, device)',
        HELD,
    ),
    Mutant(
        "student_s_statistics_of_plain_features",
        HEAD_KD,
        "self.refiner.standardiser.of_moments(moments, view)",
        "moments",
        KD_TESTS,
    ),
    Mutant(
        "head_s_refiner_of_the_first_view_s_size",
        HEAD_KD,
        "size[students[0]] if students else None",
        "size[views[0]]",
        KD_TESTS,
    ),
]
