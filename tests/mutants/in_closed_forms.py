"""Faults in the closed forms: folds and choices on held-out pairs, delays, random features, alignment."""

from tests.mutants.mutant import Mutant

FOLDS, CHOICE, FITTED = "methods/fold_moments.py", "methods/cca_choice.py", "methods/canonical_fit.py"
CHOICE_TESTS = ("tests/methods/test_cca_choice.py",)
DELAYS, DELAY_TESTS = "methods/delay_cca.py", ("tests/methods/test_delay_cca.py",)
FOURIER, FOURIER_TESTS = "methods/rff_cca.py", ("tests/methods/test_rff_cca.py",)
SAMPLE, EXPANDED = "methods/sample.py", "methods/expanded.py"
PROCRUSTES, CORAL, ALIGNED = "methods/procrustes.py", "methods/coral.py", ("tests/methods/test_alignment.py",)
CANONICAL, PRINCIPAL = "methods/canonical.py", "methods/principal.py"
CLOSED = ("tests/methods/test_closed_forms.py",)
PROCESSES = ("tests/test_every_method.py::test_two_processes_equal_one_at_the_same_global_batch",)

MUTANTS = [
    Mutant("folds_measured_on_what_was_fitted", FOLDS, "totals[pair].without(moments)", "totals[pair]", CHOICE_TESTS),
    Mutant("folds_of_pieces_of_recordings", FOLDS, "self.digits < FRAME_BITS and", "False and", CHOICE_TESTS),
    Mutant("one_recording_is_one_fold", FOLDS, "PIECES = 4", "PIECES = 1", CHOICE_TESTS),
    Mutant(
        "folds_by_order_of_batches", FOLDS, "(keys_BT >> self.digits) == fold", "(keys_BT >> 0) == fold", CHOICE_TESTS
    ),
    Mutant(
        "folds_that_processes_do_not_share",
        FOLDS,
        "for each in values_of_processes(state)]",
        "for each in [state]]",
        PROCESSES,
    ),
    Mutant("weakest_correlations_chosen", CHOICE, ".flip(0).argmax())", ".flip(0).argmin())", CHOICE_TESTS),
    Mutant("chance_counts_as_shared", CHOICE, "BEYOND_CHANCE * chance_S[best]", "0.0 * chance_S[best]", CHOICE_TESTS),
    Mutant(
        "folds_count_alike",
        CHOICE,
        "[fold.steps[pair] for pair in _pairs(fold)]",
        "[1 for pair in _pairs(fold)]",
        CHOICE_TESTS,
    ),
    Mutant(
        "ridges_of_the_eigenbasis",
        CHOICE,
        "[strength * value for value in variances]",
        "[strength for value in variances]",
        CHOICE_TESTS,
    ),
    Mutant(
        "sizes_not_those_held_out",
        FITTED,
        'if config.scale == "correlation" else None',
        "if False else None",
        CHOICE_TESTS,
    ),
    Mutant(
        "delays_in_steps_of_training", DELAYS, "self.step_s if step_s is None else step_s", "self.step_s", DELAY_TESTS
    ),
    Mutant(
        "delays_past_the_present",
        DELAYS,
        "centre = taps - 1 if self.config.causal else",
        "centre = 0 if self.config.causal else",
        DELAY_TESTS,
    ),
    Mutant(
        "causal_delays_look_ahead", DELAYS, "(before_BT < 0) if causal else", "later_BT if causal else", DELAY_TESTS
    ),
    Mutant(
        "delays_of_masked_steps",
        DELAYS,
        "nearest_BT.gather(1, wanted_BTN.flatten(1)).view(wanted_BTN.shape)",
        "wanted_BTN",
        DELAY_TESTS,
    ),
    Mutant(
        "delays_of_later_ties",
        DELAYS,
        "after_BT - now_T < now_T - before_BT",
        "after_BT - now_T <= now_T - before_BT",
        DELAY_TESTS,
    ),
    Mutant("half_a_step_by_luck", DELAYS, "0.5 + TIE", "0.5 - TIE", DELAY_TESTS),
    Mutant("windows_all_of_one_clock", EXPANDED, "place, steps_B)", "place, None)", DELAY_TESTS),
    Mutant(
        "principal_components_of_the_smallest_variance",
        PRINCIPAL,
        ".flip(-1)[:, : self.kept[place]]",
        "[:, : self.kept[place]]",
        DELAY_TESTS,
    ),
    Mutant(
        "frequencies_shared_by_views",
        FOURIER,
        "1_000_003 * config.seed + place",
        "1_000_003 * config.seed",
        FOURIER_TESTS,
    ),
    Mutant("width_not_the_median", FOURIER, ".median())", ".mean())", FOURIER_TESTS),
    Mutant("width_of_plain_features", FOURIER, "refiner.prepare(x_ND[None], view)", "x_ND[None]", FOURIER_TESTS),
    Mutant(
        "sample_of_the_first_steps",
        SAMPLE,
        "chosen = ranks_M.argsort(stable=True)",
        "chosen = torch.arange(len(ranks_M))",
        FOURIER_TESTS,
    ),
    Mutant("turns_of_the_first_round", PROCRUSTES, "TURNS = 500", "TURNS = 0", ALIGNED),
    Mutant("turns_that_stretch", PROCRUSTES, "left_ZZ @ right_ZZ", "value_ZZ", ALIGNED),
    Mutant("axes_of_agreement_the_weakest_first", PROCRUSTES, "/ 2)[1].flip(-1)", "/ 2)[1]", ALIGNED),
    Mutant(
        "coral_of_the_last_view",
        CORAL,
        'self.config.reference, "", default=0)',
        'self.config.reference, "", default=-1)',
        ALIGNED,
    ),
    Mutant("coral_of_synchronised_steps", CORAL, "[batch.mask_of(view)]", "[batch.mask_BVT.all(dim=1)]", ALIGNED),
    Mutant("coral_not_whitened", CORAL, "self.config.strength, -0.5)", "self.config.strength, 0.0)", ALIGNED),
    Mutant(
        "products_with_one_half_of_the_blocks", CANONICAL, "y_SR[own[b]] += block_DE.mT @ x_SR[own[a]]", "pass", CLOSED
    ),
    Mutant("rough_components_in_one_turn", CANONICAL, "SPARE, TURNS = 32, 3", "SPARE, TURNS = 0, 0", CLOSED),
]
