"""Faults in the front door: arrays in memory, estimators, heads and scores as a notebook has them."""

from tests.mutants.mutant import Mutant

API, MEMORY, ESTIMATORS, TESTS = "api.py", "dataset/memory.py", "methods/estimators.py", ("tests/test_api.py",)
FITTED = ("tests/methods/test_estimators.py",)
TRAINED, KEYWORDS = "training/trained.py", "keywords.py"

MUTANTS = [
    Mutant(
        "labels_of_arrays_from_frame_zero",
        MEMORY,
        "Segments.of_frames(labels_T, first)",
        "Segments.of_frames(labels_T, 0)",
        TESTS,
    ),
    Mutant(
        "unlabelled_frames_of_arrays_have_a_label",
        MEMORY,
        "IGNORE if action is None else ids",
        "0 if action is None else ids",
        TESTS,
    ),
    Mutant("actions_in_any_order", MEMORY, "_in_order(occurring) if", "tuple(occurring) if", TESTS),
    Mutant(
        "arrays_of_two_roles",
        MEMORY,
        '    refuse_overlap(dealt, recording_in(labels), "loso", "`splits`")',
        "    pass",
        TESTS,
    ),
    Mutant(
        "kinds_of_views_in_memory_lost",
        MEMORY,
        'view if "kind" in views.get(view.name, {}) else _with_kind(view, standard)',
        "_with_kind(view, standard)",
        TESTS,
    ),
    Mutant(
        "views_in_memory_at_the_data_set_s_rate",
        MEMORY,
        '{**views.get(view, {}), "cameras": [view]}',
        '{"kind": views.get(view, {}).get("kind", "other"), "cameras": [view]}',
        TESTS,
    ),
    Mutant(
        "array_predicted_at_another_rate",
        API,
        "stored_rate(trained.extras, name) if fps is None else fps",
        "2 * trained.fps if fps is None else fps",
        TESTS,
    ),
    Mutant("scores_written_over", "outputs.py", "exists() and not overwrite:", "exists() and False:", TESTS),
    Mutant(
        "out_dim_of_a_stem_for_all",
        "arguments.py",
        '("out_dim", "width") if name in names',
        '("width",) if name in names',
        TESTS,
    ),
    Mutant(
        "background_of_plain_labels_ignored",
        API,
        "[ids[plain_label(name)] for name in background if plain_label(name) in ids]",
        "[]",
        TESTS,
    ),
    Mutant(
        "unlabelled_frames_of_plain_labels_count", MEMORY, "is not False or label == IGNORE:", "is not False:", TESTS
    ),
    Mutant(
        "head_without_its_refiner",
        TRAINED,
        "load_refiner(run / REFINER_FILE) if (run / REFINER_FILE).exists() else None",
        "None",
        TESTS,
    ),
    Mutant(
        "other_refiner_ignored",
        TRAINED,
        "self if path is None else replace(self, refiner=load_refiner(path))",
        "self",
        (*TESTS, "tests/training/test_evaluate.py"),
    ),
    Mutant(
        "refiner_of_another_size_passes",
        TRAINED,
        "if self.refiner.out_dim != self.head.dim:",
        "if False:",
        (*TESTS, "tests/training/test_evaluate.py"),
    ),
    Mutant("mistyped_settings_pass", KEYWORDS, "    if unknown:\n", "    if False:\n", TESTS),
    Mutant("settings_of_another_type_pass", KEYWORDS, "and not has_type(value, hints[name]):", "and False:", TESTS),
    Mutant(
        "settings_of_the_data_set_forgotten",
        KEYWORDS,
        "shared | _options_apart(cls, values)",
        '{"data": shared["data"]} | _options_apart(cls, values)',
        TESTS,
    ),
    Mutant(
        "recordings_one_long_window",
        ESTIMATORS,
        "np.zeros(len(views[0])) if groups is None else np.asarray(groups)",
        "np.zeros(len(views[0]))",
        FITTED,
    ),
    Mutant(
        "estimator_maps_by_the_first_view",
        ESTIMATORS,
        "self.refiner_(_as_features(X, view), str(view))",
        'self.refiner_(_as_features(X, view), "0")',
        FITTED,
    ),
    Mutant("estimator_s_settings_ignored", ESTIMATORS, "cls.Config(**settings)", "cls.Config()", TESTS),
    Mutant(
        "rows_that_a_view_lacks_are_scored",
        ESTIMATORS,
        "retrieval_accuracy(z_VNZ[:, there_N])",
        "retrieval_accuracy(np.nan_to_num(z_VNZ))",
        FITTED,
    ),
    Mutant(
        "missing_rows_of_an_estimator_are_fitted",
        ESTIMATORS,
        "~np.isnan(x_ND).all(axis=1)",
        "~np.isnan(x_ND).all(axis=1) | True",
        FITTED,
    ),
]
