"""Faults in how sure a head is: its temperature, the measures of both, what is listed and drawn."""

from tests.mutants.mutant import Mutant

TEMPERATURE, CALIBRATION = ("tests/metrics/test_temperature.py",), ("tests/metrics/test_calibration.py",)
CONFIDENCE, PREDICTED = ("tests/training/test_confidence.py",), ("tests/training/test_predict.py",)
DRAWN = ("tests/report/test_reliability.py",)

MUTANTS = [
    Mutant(
        "temperature_multiplied",
        "metrics/temperature.py",
        "log_probabilities(probs_NK) / temperature",
        "log_probabilities(probs_NK) * temperature",
        TEMPERATURE,
    ),
    Mutant(
        "true_labels_at_temperature_one",
        "metrics/temperature.py",
        "self.true_logs_R.sum() / temperature",
        "self.true_logs_R.sum()",
        TEMPERATURE,
    ),
    Mutant("runs_weigh_alike", "metrics/temperature.py", "self.frames_R @ norms_R", "norms_R.sum()", TEMPERATURE),
    Mutant(
        "a_border_belongs_to_the_bin_above",
        "metrics/calibration.py",
        "np.linspace(0, 1, bins + 1), confidences_N)",
        'np.linspace(0, 1, bins + 1), confidences_N, "right")',
        CALIBRATION,
    ),
    Mutant(
        "one_item_a_recording",
        "metrics/calibration.py",
        "np.add.at(by_cluster, codes, np.stack(sums))",
        "by_cluster[codes] = np.stack(sums)",
        CALIBRATION,
    ),
    Mutant(
        "segments_without_labels_count",
        "training/confidence.py",
        "some_S = labelled_S > 0",
        "some_S = labelled_S >= 0",
        CONFIDENCE,
    ),
    Mutant(
        "folds_weigh_alike",
        "training/confidence.py",
        "weights=counts",
        "weights=None",
        CONFIDENCE,
    ),
    Mutant(
        "cautions_of_the_views_it_was_fitted_in",
        "training/confidence.py",
        "if view not in self.views]",
        "if view in self.views]",
        CONFIDENCE,
    ),
    Mutant(
        "temperature_of_another_chain",
        "training/evaluate.py",
        "trained.calibration if config.refiner is None else Calibration()",
        "trained.calibration",
        CONFIDENCE,
    ),
    Mutant(
        "temperature_not_saved",
        "training/segment.py",
        "extra[CALIBRATION] = calibration.to_json()",
        "pass",
        CONFIDENCE,
    ),
    Mutant(
        "predicted_at_temperature_one",
        "training/predict.py",
        "to_segments(probs_TK, item.start, decide, temperature)",
        "to_segments(probs_TK, item.start, decide)",
        PREDICTED,
    ),
    Mutant(
        "an_earlier_list_stays",
        "training/predict.py",
        "(out / UNCERTAIN).unlink(missing_ok=True)",
        "pass",
        PREDICTED,
    ),
    Mutant(
        "a_segment_is_its_own_runner_up",
        "training/uncertain.py",
        "means_SK[every_S, labels] = -1.0",
        "pass",
        PREDICTED,
    ),
    Mutant(
        "rounding_orders_the_list",
        "training/uncertain.py",
        "round(self.confidence, TIE), self.recording",
        "self.confidence, self.recording",
        PREDICTED,
    ),
    Mutant("too_sure_taken_for_unsure", "report/reliability.py", "sure > right, low", "sure < right, low", DRAWN),
    Mutant("no_warning_of_worse", "report/reliability.py", 'if line.before["ece"] < low:', "if False:", DRAWN),
]
