"""Faults in what is exported, pushed and logged."""

from tests.mutants.mutant import Mutant

NETWORKS, PLAN, TRACING = "graphs/networks.py", "graphs/plan.py", "nn/tracing.py"
CONTENTS, PUSH, REMOTE, LOGGERS = "hub/contents.py", "hub/push.py", "remote.py", "training/loggers.py"
TRACED, EXPORT = ("tests/graphs/test_traced.py",), ("tests/graphs/test_export.py",)
HUB, LOGGED = ("tests/hub/test_push.py",), ("tests/training/test_loggers.py",)

MUTANTS = [
    Mutant("a_maximum_stops_halfway", TRACING, "        reach *= 2\n", "        reach *= 4\n", TRACED),
    Mutant(
        "missing_frames_have_a_say_in_means",
        NETWORKS,
        "there_NC.sum(dim=-1, keepdim=True).clamp(min=1)",
        "there_NC.shape[-1]",
        TRACED,
    ),
    Mutant("the_last_frame_is_the_first", NETWORKS, "rank_NC.argmax(dim=-1)", "rank_NC.argmin(dim=-1)", TRACED),
    Mutant("a_step_waits_for_nothing", NETWORKS, "known_1L[:, :1]", "known_1L[:, -1:]", TRACED),
    Mutant(
        "temperature_is_left_out",
        NETWORKS,
        "return probs_K if temperature == 1 else",
        "return probs_K if temperature else",
        EXPORT,
    ),
    Mutant(
        "a_wrong_file_is_kept", "graphs/run.py", "if not checked.difference <= config.tolerance:", "if False:", EXPORT
    ),
    Mutant("batch_mates_are_let_be", PLAN, "refiner.needs_whole_batch:", "False:", EXPORT),
    Mutant("recordings_go_out", CONTENTS, 'NAMING = ("learned_from",)', "NAMING = ()", HUB),
    Mutant(
        "places_go_out", CONTENTS, 'if re.search(re.escape(place.encode()) + rb"(?![\\w-])", data):', "if False:", HUB
    ),
    Mutant("pushes_over_what_is_there", PUSH, "if there and not config.overwrite:", "if False:", HUB),
    Mutant("a_plan_is_sent", PUSH, "if config.plan:", "if False:", HUB),
    Mutant("any_file_is_fetched", REMOTE, 'not file.endswith(".safetensors")', "False", HUB),
    Mutant(
        "a_login_is_not_looked_for",
        LOGGERS,
        "authenticators(WANDB_HOST) is not None",
        "authenticators(WANDB_HOST) is None",
        LOGGED,
    ),
]
