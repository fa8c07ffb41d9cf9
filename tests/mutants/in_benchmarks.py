"""Faults in tables of 50Salads, Breakfast and GTEA: how folds are averaged, by which protocol, with what settings."""

from tests.mutants.mutant import Mutant

SCORES, COMMAND, PAGE = (f"recipes/benchmarks/{name}.py" for name in ("scores", "command", "page"))
RUNS, VALUES, TABLES = (f"recipes/benchmarks/{name}.py" for name in ("runs", "values", "tables"))
TESTS = ("tests/recipes/test_benchmarks.py",)

MUTANTS = [
    Mutant(
        "folds_scored_by_one_protocol",
        SCORES,
        "scoring.protocol, background).as_dict()",
        '"canonical", background).as_dict()',
        TESTS,
    ),
    Mutant("benchmark_background_counted", SCORES, "for name in scoring.background]", "for name in ()]", TESTS),
    Mutant("first_fold_alone", SCORES, "_mean(list(folds.values()))", "_mean(list(folds.values())[:1])", TESTS),
    Mutant("shared_scoring_left_out", COMMAND, "(own,) if own == shared", "(own,) if own", TESTS),
    Mutant("labels_behind_features_refused", COMMAND, 'past_end="cut"', 'past_end="error"', TESTS),
    Mutant("published_beside_every_row", PAGE, "if own and (printed", "if (printed", TESTS),
    Mutant("missing_folds_untold", PAGE, "result.folds < table.folds", "False", TESTS),
    Mutant("failed_fold_untold", RUNS, "for fold, why in result.missing.items()", "for fold, why in ()", TESTS),
    Mutant(
        "every_frame_of_50salads", VALUES, 'every = 2 if table == "50salads"', 'every = 1 if table == "50salads"', TESTS
    ),
    Mutant("views_of_many_taken", RUNS, "if len(views) != 1:", "if False:", TESTS),
    Mutant("ltcontext_pooled", TABLES, '"per_video"', '"ignored_deleted"', TESTS),
]
