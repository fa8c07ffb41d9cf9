"""The check finds what was planted, names it, and says what to do; nothing it finds hides the rest."""

import json

import numpy as np
import pytest

from tests.check.test_sync import SPARE, two_views
from tests.features.stores import write_lmdb
from viewloom.check import features as check_features
from viewloom.check.command import check, run_check
from viewloom.check.settings import CheckConfig
from viewloom.cli import main
from viewloom.dataset.indexing import run_index
from viewloom.errors import ConfigError, DataError
from viewloom.features.settings import IndexConfig

V3, E4, OLD_E4 = "C10118_rgb", "HMC_84358933_mono10bit", "HMC_21179183_mono10bit"
ACTIONS = "action_id,action_cls\n0,attach\n1,detach\n2,inspect\n"


def features(frames, seed=0, dim=70):
    return np.random.default_rng(seed).gamma(1.0, 0.4, (frames, dim)).astype(np.float32)


@pytest.fixture
def parts():
    """{recording: {camera: (first frame, features, left-out frames)}}, of four sound recordings."""
    return {f"r{i}": {camera: (1, features(100, 2 * i + j), ()) for j, camera in enumerate((V3, E4))} for i in range(4)}


@pytest.fixture
def make(tmp_path):
    """Write a data set in Assembly101's layout: each recording labelled over all its frames, lists of its own."""

    def write(parts, labels=None, lists=None):
        root = tmp_path / "set"
        write_lmdb(root / "TSM_features", parts)
        (root / "coarse_labels").mkdir()
        (root / "coarse_splits").mkdir()
        (root / "actions.csv").write_text(ACTIONS)
        whole = {f"assembly_{name}": "1\t60\tattach\t\n60\t101\tdetach\t\n" for name in ("r0", "r1", "r2", "r3")}
        for name, text in (whole | (labels or {})).items():
            if text is not None:
                (root / "coarse_labels" / f"{name}.txt").write_text(text)
        own = {"pairs": "r0\n", "train": "r1\n", "val": "r2\n", "test": "assembly_r3.txt\n"}
        for name, text in (own if lists is None else lists).items():
            (root / "coarse_splits" / f"{name}.txt").write_text(text)
        return root

    return write


def checked(root, **settings):
    return check(CheckConfig(data=str(root), **settings))


def finding(report, start):
    """The one finding whose title starts so."""
    found = [f for f in report.findings if f.title.startswith(start)]
    assert len(found) == 1, [f.title for f in report.findings]
    return found[0]


def titles(report, severity):
    return [f.title for f in report.findings if f.severity == severity]


def test_a_sound_folder_is_usable(make, parts):
    report = checked(make(parts))
    assert report.usable
    assert titles(report, "error") == titles(report, "warning") == []
    assert report.verdict == "usable"
    assert report.facts["Labels"]["label files"] == 4
    assert report.facts["Labels"]["segments"] == 8
    assert report.facts["Labels"]["actions"] == "2 of 3 occur"
    assert report.facts["Labels"]["frames labelled"] == "100% of theirs"
    assert report.facts["Frames"]["views"] == "v3 (4), e4 (4)"
    assert report.facts["Splits"]["train"] == "1 items of 1 recordings"
    assert report.pairs == {"v3": {"v3": 4, "e4": 4}, "e4": {"v3": 4, "e4": 4}}
    assert finding(report, "Actions that never occur").offenders == ("inspect",)


def test_values_are_those_of_the_frames(make, parts):
    values = checked(make(parts), depth="full").values["v3"]
    x_TD = np.concatenate([parts[name][V3][1] for name in parts])
    assert values["frames"] == 400
    assert values["mean"] == pytest.approx(x_TD.mean(), rel=1e-5)
    assert values["sd"] == pytest.approx(x_TD.std(), rel=1e-5)
    assert values["norm"] == pytest.approx(np.linalg.norm(x_TD, axis=1).mean(), rel=1e-5)


def test_every_fault_of_labels_is_found_and_hides_nothing(make, parts):
    labels = {
        "assembly_r0": "1\t60\tjuggle\t\n60\t90\tjuggle\t\n90\t95\tattach\n",
        "assembly_r1": "1\t60\tattach\n50\t80\tdetach\n",
        "assembly_r2": "one\t60\tattach\n60\t70\twave\n",
        "assembly_r3": None,
    }
    report = checked(make(parts, labels))
    unknown = finding(report, "Unknown actions")
    assert unknown.count == 2
    assert unknown.offenders[0].startswith("'juggle', 2 time(s), first: ")
    assert unknown.offenders[0].endswith("assembly_r0.txt, line 1")
    assert "'wave', 1 time(s)" in unknown.offenders[1]
    others = finding(report, "Faults in label files").offenders
    assert [
        any(text in told for told in others) for text in ("r1.txt, line 2: the segment", "r2.txt, line 1: exp")
    ] == [
        True,
        True,
    ]
    assert finding(report, "Listed items without labels").offenders == ("r1 (train)", "r2 (val)", "assembly_r3 (test)")
    assert report.facts["Frames"]["recordings"] == 4
    assert not report.usable


def test_labels_past_the_end(make, parts):
    labels = {"assembly_r0": "0\t90\tattach\n", "assembly_r1": "1\t150\tattach\n", "assembly_r2": "1\t99\tattach\n"}
    parts["r2"][E4] = (1, parts["r2"][E4][1][:80], ())
    root = make(parts, labels)
    report = checked(root)
    past = finding(report, "Labels past the end of the features, or before")
    assert past.severity == "error"
    assert past.offenders == (
        "assembly_r0 (label from 0, features from 1)",
        "assembly_r1 (label to 150, features to 101)",
    )
    assert "two frame rates" not in past.remedy
    assert finding(report, "Labels outside the frames of some view").offenders == ("assembly_r2: e4 lacks 18",)
    assert finding(checked(root, past_end="cut"), "Labels past the end").severity == "warning"


def test_labels_at_another_frame_rate_are_guessed(make, parts):
    doubled = {f"assembly_r{i}": "1\t120\tattach\n120\t201\tdetach\n" for i in range(4)}
    past = finding(checked(make(parts, doubled)), "Labels past the end")
    assert past.count == 4
    assert "1.99 times the features' frame numbers: two frame rates?" in past.remedy


def test_gaps_shared_frames_and_unlabelled_recordings_are_noted(make, parts):
    labels = {
        "assembly_r0": "1\t20\tattach\n30\t60\tdetach\n",
        "disassembly_r0": "50\t101\tdetach\n",
        "assembly_r1": "1\t60\tattach\n",
        "disassembly_r1": "60\t101\tdetach\n",  # they touch, and share no frame
        "assembly_r3": None,
    }
    report = checked(make(parts, labels, {"train": "r1\n", "test": "r2\n"}))
    assert finding(report, "Label files with unlabelled gaps").offenders == ("assembly_r0",)
    assert finding(report, "Label files that share frames").offenders == ("assembly_r0, disassembly_r0",)
    assert finding(report, "Recordings without labels").offenders == ("r3",)
    assert [f.offenders for f in report.findings if f.title == "Empty split"] == [("pairs",), ("val",)]
    assert report.usable


def test_spans_views_and_cameras(make, parts):
    parts["r0"][E4] = (1, parts["r0"][E4][1][:98], ())
    parts["r1"][E4] = (1, parts["r1"][E4][1][:40], ())
    del parts["r2"][E4]
    parts["r3"]["GoPro"] = parts["r3"][E4]
    parts["r3"][OLD_E4] = parts["r3"].pop(E4)
    report = checked(make(parts))
    far = finding(report, "Views whose lengths differ by more than 1 s")
    assert far.severity == "warning"
    assert far.offenders == ("r1: 60 frames apart (v3 1 to 101, e4 1 to 41)",)
    assert finding(report, "Views whose lengths differ a little").offenders[0].startswith("r0: 2 frames apart")
    assert finding(report, "Recordings that lack a view").offenders == ("r2 (e4)",)
    single = finding(report, "Recordings with one view only")
    assert single.offenders == ("r2",) and "soft_dtw and tcc alone" in single.remedy
    assert finding(report, "Cameras that no view names").offenders == ("GoPro",)
    assert report.pairs["v3"]["e4"] == 3


def test_a_view_from_two_cameras_is_an_error(make, parts):
    parts["r1"][OLD_E4] = parts["r1"][E4]
    report = checked(make(parts))
    twice = finding(report, "Views that come twice")
    assert twice.count == 1
    assert "r1" in twice.offenders[0] and "'e4' twice" in twice.offenders[0]
    assert report.values["v3"]["frames"] > 0


@pytest.mark.parametrize("depth", ["sample", "full"])
def test_missing_broken_blank_and_frozen_frames(make, parts, depth):
    first, x_TD, _ = parts["r0"][V3]
    parts["r0"][V3] = (first, x_TD, (30, 31, 32, 60))
    parts["r1"][V3][1][1, 5] = np.nan
    parts["r1"][V3][1][2, 5] = np.inf
    parts["r2"][V3][1][-3:] = 0
    parts["r3"][E4] = (1, np.ones((100, 70), np.float32), ())
    report = checked(make(parts), depth=depth)
    assert finding(report, "Missing frames").offenders == ("r0 v3 (4 frames)",)
    assert finding(report, "NaN or infinite features").offenders == ("r1 v3 (2 frames, first 2)",)
    assert finding(report, "Blank frames").offenders == ("r2 v3 (3 frames)",)
    assert finding(report, "Features that never change").offenders == ("r3 e4",)
    assert finding(report, "Missing frames").title == "Missing frames"  # the keys tell, whatever is read
    assert ("--depth full" in finding(report, "Blank frames").title) == (depth == "sample")
    assert not report.usable


def test_only_the_full_depth_reads_every_frame(make, parts, monkeypatch):
    monkeypatch.setattr(check_features, "BLOCK_BYTES", 4 * 70 * 7)  # blocks of 7 frames
    parts["r1"][V3][1][29, 5] = np.nan
    root = make(parts)
    assert checked(root, depth="sample").usable
    assert finding(checked(root, depth="full"), "NaN or inf").offenders == ("r1 v3 (1 frames, first 30)",)
    assert checked(root, depth="spans").values == {}


def synced(lag, recordings=4):
    """Recordings of two views that share motion; the second is late by ``lag`` frames."""
    parts = {}
    for i in range(recordings):
        one, other = two_views(i)
        parts[f"r{i}"] = {V3: (1, one[SPARE:-SPARE], ()), E4: (1, other[SPARE - lag : -SPARE - lag], ())}
    return parts


@pytest.mark.parametrize("lag", [0, 5])
def test_views_out_of_step(make, lag):
    report = checked(make(synced(lag)), sync_recordings=3)
    assert {offset["recording"] for offset in report.offsets} == {"r0", "r2", "r3"}
    told = [offset["exact_frames"] for offset in report.offsets if offset["reliable"]]
    assert len(told) == 3
    assert np.median(told) == pytest.approx(lag, abs=1)
    late = [f for f in report.findings if f.title.startswith("Pairs of views out of step")]
    assert bool(late) == (lag == 5)
    assert not late or late[0].offenders[0].startswith("e4 is +")
    assert not [f for f in report.findings if f.title.startswith("Views out of step")]
    assert len(checked(report.data, depth="full").offsets) == 4
    assert checked(report.data, sync_recordings=0).offsets == []


def test_one_recording_out_of_step(make):
    parts = synced(0)
    parts["r2"] = synced(20)["r2"]
    report = checked(make(parts))
    (told,) = finding(report, "Views out of step in a recording").offenders
    assert told.startswith("r2: e4 is +")
    assert "Pairs of views out of step in most recordings" not in [f.title for f in report.findings]


def test_split_faults(make, parts):
    lists = {"train": "r1\nassembly_r9\n", "val": "r2\n", "test": "assembly_r1\nr3\n"}
    root = make(parts, {"assembly_r3": "1\t101\tinspect\n"}, lists)
    report = checked(root)
    shared = finding(report, "Recordings both in train and in test")
    assert (shared.severity, shared.offenders) == ("error", ("r1",))
    assert "--allow_overlap own" in shared.remedy
    assert finding(report, "Listed items without features").offenders == ("assembly_r9 (train)",)
    assert finding(report, "Listed items without labels").offenders == ("assembly_r9 (train)",)
    assert finding(report, "Actions in test that train lacks").offenders == ("inspect",)
    allowed = checked(root, allow_overlap="own", missing="skip")
    assert allowed.usable
    assert finding(allowed, "Recordings both in").severity == "warning"


def test_faults_of_one_part_do_not_hide_the_others(make, parts):
    root = make(parts, lists={"train": "r1\nr1\n"})
    (root / "TSM_features" / V3 / "data.mdb").write_bytes(b"no data base" * 2000)
    report = checked(root)
    assert "names r1 twice" in finding(report, "Split lists can't be used").offenders[0]
    assert "data.mdb" in finding(report, "Features can't be used").offenders[0]
    assert report.facts["Labels"]["segments"] == 8


def test_annotations_alone_and_with_an_index(make, parts, tmp_path):
    root = make(parts)
    run_index(IndexConfig(data=str(root), out=str(tmp_path / "index.json")))
    for camera in (V3, E4):
        (root / "TSM_features" / camera / "data.mdb").unlink()
    alone = checked(root)
    assert alone.usable
    assert finding(alone, "No features").severity == "warning"
    assert "Frames" not in alone.facts
    indexed = checked(root, index=str(tmp_path / "index.json"))
    assert indexed.facts["Frames"]["recordings"] == 4
    assert indexed.facts["Labels"]["recordings labelled"] == "4 of 4 that have frames"
    assert indexed.pairs["v3"]["e4"] == 4


def test_features_alone(make, parts):
    root = make(parts)
    report = checked(root / "TSM_features")
    assert finding(report, "No labels").severity == "note"
    assert finding(report, "No split lists").severity == "warning"
    drawn = checked(root / "TSM_features", splits="generate")
    assert drawn.facts["Splits"]["lists"] == "generate (drawn by recording, seeded)"


def test_a_report_is_written_whole_and_not_over_another(make, parts, tmp_path, capsys):
    parts["r0"][V3][1][1, 5] = np.nan
    root, out = make(parts), tmp_path / "report.json"
    run_check(CheckConfig(data=str(root), out=str(out)))
    shown = capsys.readouterr().out
    assert "not usable yet: 1 error(s)" in shown
    assert "r0 v3 (1 frames, first 2)" in shown
    written = json.loads(out.read_text())
    assert written["usable"] is False
    assert written["findings"][0]["title"].startswith("NaN or infinite")
    assert written["findings"][0]["count"] == 1
    with pytest.raises(ConfigError, match=r"report\.json is there already"):
        run_check(CheckConfig(data=str(root), out=str(out)))
    run_check(CheckConfig(data=str(root), out=str(out), overwrite=True))


def test_long_lists_show_the_first_and_count_the_rest(make, parts, capsys):
    labels = {f"assembly_x{i}": "1\t9\tattach\n" for i in range(9)}
    run_check(CheckConfig(data=str(make(parts, labels))))
    shown = capsys.readouterr().out
    assert "Labelled recordings without features: 9" in shown
    assert "x4" in shown and "x5" not in shown
    assert "and 4 more" in shown


def test_bad_settings_and_folders_are_told(tmp_path):
    with pytest.raises(ConfigError, match="sync_recordings is .* has to be"):
        CheckConfig(data="x", sync_recordings=-1)
    with pytest.raises(DataError, match="not there"):
        checked(tmp_path / "nowhere")


def test_the_command_answers_with_its_exit_code(make, parts, capsys):
    root = make(parts)
    assert main(["check", "--data", str(root)]) == 0
    (root / "coarse_labels" / "assembly_r0.txt").write_text("1\t5\tjuggle\n")
    assert main(["check", "--data", str(root)]) == 2
    assert "juggle" in capsys.readouterr().out


def test_the_real_annotations_with_the_statistics(assembly101):
    report = checked(assembly101, index=str(assembly101 / "statistic_input_all.pkl"))
    assert (
        report.facts["Labels"]
        | {
            "label files": 513,
            "recordings": 265,
            "segments": 6409,
            "actions": "199 of 202 occur",
            "labelled": "30.0 h at 30 fps",
            "recordings labelled": "265 of 362 that have frames",
        }
        == report.facts["Labels"]
    )
    assert report.facts["Frames"]["recordings"] == 362
    assert report.facts["Frames"]["views"] == "v3 (362), v4 (362), e4 (357)"
    assert report.pairs["v3"]["e4"] == 357
    assert finding(report, "Actions that never occur").count == 3
    assert finding(report, "Recordings that lack a view").count == 5
    assert finding(report, "Labels outside the frames of some view").count == 8
    assert finding(report, "Views whose lengths differ by more").count == 41
    assert report.values["v3"]["mean"] == pytest.approx(0.363, abs=0.01)
    assert report.values["v3"]["sd"] == pytest.approx(0.549, abs=0.01)
    # The sample holds 100 frames of one recording in one view, whose span in the statistics is that of all.
    errors = [one for one in report.findings if one.severity == "error"]
    assert [one.title for one in errors] == ["Frames of other numbers than in the index"] and errors[0].count == 1


def test_the_real_lists_of_three_views_leak(assembly101):
    report = checked(assembly101, split_variant="triple", depth="spans", missing="skip", past_end="cut")
    assert finding(report, "Recordings both in train and in val").count == 3
    assert "6 of the 8" in finding(report, "Recordings both in pairs and in val").remedy
    assert not report.usable
