"""Faults in layouts of public data sets, in tables of features, in `init` and in `download`."""

from tests.mutants.mutant import Mutant

PUBLIC, TABULAR = ("tests/dataset/layouts/test_public.py",), ("tests/features/test_tabular.py",)
EVERY, DOWNLOAD = ("tests/test_every_layout.py",), ("tests/download/test_download.py",)
LAYOUTS = "dataset/layouts/"

MUTANTS = [
    Mutant("last_frame_of_a_segment_lost", f"{LAYOUTS}ikea_asm.py", "end if after == end else end + 1", "end", PUBLIC),
    Mutant(
        "cameras_of_breakfast_as_recordings",
        f"{LAYOUTS}breakfast.py",
        "{match['person']}_{match['dish']}",
        "{video}",
        PUBLIC,
    ),
    Mutant(
        "videos_in_bundles_not_mapped",
        f"{LAYOUTS}breakfast.py",
        "recording_and_camera(video)[0],\n        )",
        "video,\n        )",
        PUBLIC,
    ),
    Mutant(
        "rows_at_the_start_of_their_window", f"{LAYOUTS}egoexo4d.py", "(30 / 16, 16 / 30)", "(30 / 16, 0.0)", PUBLIC
    ),
    Mutant(
        "tested_takes_are_pairs",
        f"{LAYOUTS}egoexo4d.py",
        'pairs = tuple(uid for uid in lists.get("train", ()) if uid in there)',
        "pairs = tuple(recordings)",
        PUBLIC,
    ),
    Mutant("tested_trials_are_pairs", f"{LAYOUTS}egoems.py", "if name not in held", "if True", PUBLIC),
    Mutant("listed_paths_are_followed", "dataset/json_files.py", 'or set(name) == {"."}', "", PUBLIC),
    Mutant("layout_s_own_opening_ignored", "dataset/opening.py", "if files.opens is not None:", "if False:", EVERY),
    Mutant(
        "numbered_rows_in_their_order",
        "features/tabular.py",
        "x_TD[stretch.frames[first:last] - start] = rows_TD",
        "x_TD[: len(rows_TD)] = rows_TD",
        TABULAR,
    ),
    Mutant(
        "seconds_from_the_first_row",
        "features/tabular.py",
        "(given - start_s) * (rate or 1.0)",
        "given * (rate or 1.0)",
        TABULAR,
    ),
    Mutant("row_groups_from_the_first", "features/parquet.py", "bisect_right(starts, first) - 1", "0", TABULAR),
    Mutant(
        "links_in_hdf5_followed",
        "features/hdf5.py",
        "if not isinstance(group.get(name, getlink=True), h5py.HardLink):",
        "if False:",
        ("tests/features/test_hdf5.py",),
    ),
    Mutant("a_part_is_asked_for_again", "download/hub.py", "resume_size=there", "resume_size=0", DOWNLOAD),
    Mutant("content_not_compared", "download/hub.py", "if not _is(file, partial):", "if False:", DOWNLOAD),
    Mutant(
        "room_not_looked_at", "download/room.py", "if needed and needed + SPARE_BYTES > free:", "if False:", DOWNLOAD
    ),
    Mutant(
        "archives_lead_out",
        "download/unpack.py",
        'if path.is_absolute() or ".." in path.parts',
        "if path.is_absolute()",
        DOWNLOAD,
    ),
    Mutant("settings_overwritten", "check/init.py", "if path.exists():", "if False:", ("tests/check/test_init.py",)),
]
