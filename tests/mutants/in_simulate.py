"""Faults in simulated views with a size or a rate of their own."""

from tests.mutants.mutant import Mutant

OWN = ("tests/simulate/test_own_sizes_and_rates.py",)
FAULTS = ("tests/simulate/test_simulate.py", *OWN)
MOTION, RUN, WRITING = "simulate/motion.py", "simulate/run.py", "simulate/writing.py"

MUTANTS = [
    Mutant("rate_without_interpolation", MOTION, "x[before] * (1 - weight) + x[after] * weight", "x[before]", OWN),
    Mutant("rate_begins_a_frame_late", MOTION, "        before -= first\n", "        before -= first - 1\n", OWN),
    Mutant(
        "rate_ends_early", MOTION, "math.ceil((first + frames) / ratio)", "math.floor((first + frames) / ratio)", OWN
    ),
    Mutant("rate_starts_at_zero", MOTION, "return math.ceil(first / ratio),", "return 0,", OWN),
    Mutant("rate_of_the_scene_kept", MOTION, "gaze_T3=gaze, fps=fps)", "gaze_T3=gaze)", OWN),
    Mutant("rate_ignored", RUN, "scene.at(config.fps_of(view),", "scene.at(config.fps,", OWN),
    Mutant(
        "size_ignored", RUN, "worlds[config.dim_of(view)] for", "worlds[config.dim_of(config.view_names[0])] for", OWN
    ),
    Mutant("rate_not_in_the_view_file", WRITING, '{"fps": config.fps_of(name)}', "{}", OWN),
    Mutant("size_not_in_the_view_file", WRITING, '{"dim": config.dim_of(name)}', "{}", OWN),
    Mutant(
        "burst_as_long_as_at_the_usual_rate", RUN, "len(x_TD), config.fps, rate,", "len(x_TD), rate, config.fps,", OWN
    ),
    Mutant(
        "offset_in_frames_of_the_data_set",
        "simulate/faults.py",
        "round(faults.offset_frames * rate / fps)",
        "faults.offset_frames",
        OWN,
    ),
    Mutant(
        "cut_in_frames_of_the_data_set",
        "simulate/faults.py",
        "round(int(rng.integers(0, faults.unequal_frames + 1)) * rate / fps)",
        "int(rng.integers(0, faults.unequal_frames + 1))",
        OWN,
    ),
    Mutant("size_taken_twice", "simulate/settings.py", " or view in found:", ":", OWN),
    Mutant("dropped_frames_kept", "simulate/faults.py", "keep[start:end] = False", "pass", FAULTS),
    Mutant("own_rate_planned_as_usual", RUN, "frames * config.fps_of(view) / config.fps *", "frames *", OWN),
]
