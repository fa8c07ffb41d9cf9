"""Faults in the measures of agreement over views, and in what curves are made of."""

from tests.mutants.mutant import Mutant

NEAR, PROBES = ("tests/metrics/test_neighbours.py",), ("tests/metrics/test_probes.py",)
MEASURE, CURVE = ("tests/training/test_measure.py",), ("tests/recipes/test_curve.py",)
TAUGHT = ("tests/recipes/test_curve_taught.py",)
SHIFTED = ("tests/features/test_shifted.py",)
KENDALL, ALIGNMENT, LABELS = "metrics/kendall.py", "metrics/alignment.py", "metrics/frame_retrieval.py"
CKA, PROBE, AGREEMENT = "metrics/cka.py", "metrics/linear_probe.py", "training/view_agreement.py"
DATA, SHIFT, STRETCH = "recipes/curve_data.py", "features/shifted.py", "features/stretches.py"

MUTANTS = [
    Mutant(
        "neighbours_in_any_order",
        "metrics/neighbours.py",
        "places_BK, order_BK, axis=1",
        "places_BK, 0 * order_BK, axis=1",
        NEAR,
    ),
    Mutant("tau_without_its_ties", KENDALL, "tau_b * float(np.sqrt(untied / pairs))", "tau_b", NEAR),
    Mutant("no_move_in_the_second_alone", ALIGNMENT, "last_N[i + 1], begins_I", "np.inf + last_N[i], begins_I", NEAR),
    Mutant(
        "a_stretch_ends_where_the_sequence_does",
        ALIGNMENT,
        "int(ends_M.argmin()) if open_ends else columns - 1",
        "columns - 1",
        NEAR,
    ),
    Mutant(
        "own_recording_in_the_gallery", LABELS, "gallery.recordings_N != recording", "gallery.recordings_N > -1", NEAR
    ),
    Mutant("precision_at_k_for_average_precision", LABELS, "(precision_NK * hits_NK)", "precision_NK", NEAR),
    Mutant(
        "queries_without_an_answer_count", LABELS, "np.isin(own.labels_N, others.labels_N)", "own.labels_N >= 0", NEAR
    ),
    Mutant("biased_cka", CKA, "- self.squares\n        whole", "\n        whole", PROBES),
    Mutant("cka_without_centring", CKA, "- 2 * chained / (count - 2)", "", PROBES),
    Mutant("probe_of_features_as_they_are", PROBE, "deviation_D, np.inf)", "1.0, np.inf)", PROBES),
    Mutant(
        "penalty_chosen_on_its_own_recordings",
        PROBE,
        "zip(halves, (~odd_N, odd_N), strict=True)",
        "zip(halves, (odd_N, ~odd_N), strict=True)",
        PROBES,
    ),
    Mutant(
        "view_told_on_recordings_seen",
        "metrics/view_probe.py",
        "((odd_N, ~odd_N), (~odd_N, odd_N))",
        "((odd_N, odd_N), (~odd_N, ~odd_N))",
        PROBES,
    ),
    Mutant(
        "progress_of_unlabelled_steps",
        "metrics/progress.py",
        "np.asarray(labels_S) == IGNORE",
        "np.zeros(len(labels_S), bool)",
        PROBES,
    ),
    Mutant("errors_in_steps", AGREEMENT, "neighbour_errors(found_S, m.frames_S, m.frames_S)", "apart_S", MEASURE),
    Mutant("pairs_compared_one_way", AGREEMENT, "[m.turned for m in moments], b, a", "moments, b, a", MEASURE),
    Mutant(
        "probe_trained_on_what_is_measured", "training/measure.py", "if item.recording not in measured]", "]", MEASURE
    ),
    Mutant(
        "learned_recordings_measured_unsaid",
        "training/measure.py",
        "    refuse_learned(learned, allowed_roles(config.allow_learned, config.split))\n",
        "",
        MEASURE,
    ),
    Mutant(
        "first_steps_kept",
        "training/steps.py",
        "np.linspace(0, steps - 1, min(steps, wanted))",
        "np.arange(float(min(steps, wanted)))",
        MEASURE,
    ),
    Mutant(
        "steps_refined_after_thinning_in_one_view",
        "training/steps.py",
        "for x_SD, _, _ in windows])[kept_S]",
        "for x_SD, _, _ in windows])[: len(kept_S)]",
        MEASURE,
    ),
    Mutant("shares_drawn_anew", DATA, "np.random.default_rng([seed, 3])", "np.random.default_rng()", CURVE),
    Mutant(
        "shares_of_another_role",
        DATA,
        "replace(dataset.splits, **{role: kept})",
        "replace(dataset.splits, train=kept)",
        CURVE,
    ),
    Mutant("taught_on_all_pairs", DATA, "pairs=self.pairs.splits.pairs)", "pairs=self.labels.splits.pairs)", TAUGHT),
    Mutant("taught_in_step", DATA, "source=self.pairs.source, splits=splits)", "splits=splits)", TAUGHT),
    Mutant("labels_of_pairs_change_runs", "recipes/curve.py", 'else ("pairs",)', "else ()", TAUGHT),
    Mutant("first_recording_lacks_a_view", DATA, "if name in first), order[0])", "if name in ()), order[0])", CURVE),
    Mutant(
        "shifted_the_other_way",
        SHIFT,
        "self.source.read(recording, view, start - late, end - late)",
        "self.source.read(recording, view, start + late, end + late)",
        SHIFTED,
    ),
    Mutant(
        "shifted_features_pass_for_the_same",
        SHIFT,
        "if self.source.timing(view) is None else 0",
        "if False else 0",
        SHIFTED,
    ),
    Mutant("holes_numbered_before_the_shift", SHIFT, "pooled.missing + late", "pooled.missing", SHIFTED),
    Mutant("stretches_overlap", STRETCH, "* place // count", "* place // (count + 1)", SHIFTED),
    Mutant(
        "a_stretch_is_its_recording",
        STRETCH,
        "return Span(start, max(start, min(end, span.end)))",
        "return span",
        SHIFTED,
    ),
]
