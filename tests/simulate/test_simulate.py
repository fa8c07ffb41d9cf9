"""What `viewloom simulate` writes: layouts, faults, real timelines; the same numbers from the same seed."""

import csv
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest

from tests.tiny import all_items
from viewloom.check.command import run_check
from viewloom.check.settings import CheckConfig
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError, DataError
from viewloom.simulate.run import compute, draw_worlds, make_script, new_folder, run_simulate
from viewloom.simulate.settings import FaultConfig, SimulateConfig
from viewloom.simulate.timelines import PUBLISHED_LISTS

SMALL = SimulateConfig(out="unused", recordings=4, dim=8, pace=12.0, people=2)


def simulated(folder: Path, **changes) -> Path:
    """Simulate into a folder of its own."""
    run_simulate(replace(SMALL, out=str(folder / "data"), **changes))
    return folder / "data"


def stored(camera: Path) -> dict[str, np.ndarray]:
    """All keys and values of an environment, read plainly."""
    with lmdb.open(str(camera), readonly=True, lock=False) as store, store.begin() as transaction:
        return {key.decode(): np.frombuffer(value, "<f4") for key, value in transaction.cursor()}


def content(root: Path) -> dict[str, str]:
    """Hash of what each file says; of an environment's entries, not of its pages."""
    found = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        if path.name == "data.mdb":
            digest = hashlib.sha256()
            for key, value in stored(path.parent).items():
                digest.update(key.encode() + value.tobytes())
            found[str(path.relative_to(root))] = digest.hexdigest()
        else:
            found[str(path.relative_to(root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return simulated(tmp_path_factory.mktemp("simulated"))


def test_same_seed_same_data_whatever_the_workers(data, tmp_path):
    assert content(simulated(tmp_path, workers=3)) == content(data)


@pytest.mark.parametrize("change", [{"seed": 1}, {"world": 1}])
def test_another_seed_other_features(data, tmp_path, change):
    ours, theirs = content(data), content(simulated(tmp_path, **change))
    key = "TSM_features/C10118_rgb/data.mdb"
    assert ours[key] != theirs[key]


def test_a_view_does_not_depend_on_the_others_asked_for(data, tmp_path):
    other = simulated(tmp_path, views="e4,v1,v3")
    for camera in ("C10118_rgb", "HMC_21179183_mono10bit"):
        ours, theirs = (stored(root / "TSM_features" / camera) for root in (data, other))
        assert ours.keys() == theirs.keys()
        assert all((ours[key] == theirs[key]).all() for key in ours)


def test_more_recordings_keep_the_first_ones(data, tmp_path):
    more = stored(simulated(tmp_path, recordings=6) / "TSM_features" / "C10118_rgb")
    assert all((more[key] == value).all() for key, value in stored(data / "TSM_features" / "C10118_rgb").items())


def test_layout_is_that_of_the_real_data(data):
    """Folder and file names, keys, types and label lines as formats of Assembly101 have them."""
    assert {path.name for path in data.iterdir()} == {
        "TSM_features",
        "actions.csv",
        "coarse_labels",
        "coarse_splits",
        "simulation.json",
    }
    script, worlds = make_script(SMALL), draw_worlds(SMALL)
    for camera, view in (("C10118_rgb", "v3"), ("HMC_21179183_mono10bit", "e4")):
        rows = stored(data / "TSM_features" / camera)
        keys = [
            f"{t.recording}/{camera}/{camera}_{f:010d}.jpg" for t in script.timelines for f in range(1, t.frames + 1)
        ]
        assert list(rows) == keys
        first = script.timelines[0]
        x_TD = compute(SMALL, script, worlds, first)[view]
        assert (np.stack(list(rows.values())[: first.frames]) == x_TD).all()
    item = script.timelines[0].annotations[0]
    line = (data / "coarse_labels" / f"{item.name}.txt").read_text().splitlines(keepends=True)[0]
    name = script.actions[item.labels[0]].name
    assert line == f"{item.starts[0]:09d}\t{item.ends[0]:09d}\t{name}\t\n"
    with (data / "actions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["action_cls"] for row in rows] == [action.name for action in script.actions]
    assert rows[3]["action_id"] == "3" and list(rows[0])[1:3] == ["verb_id", "noun_id"]
    assert {path.stem for path in (data / "coarse_splits").iterdir()} == {"pairs", "train", "val", "test"}


def test_open_dataset_reads_both_layouts_alike(data, tmp_path):
    """The same recordings through both layouts; npy counts frames from 0."""
    one = open_dataset(DataConfig(data=str(data)))
    other = open_dataset(DataConfig(data=str(simulated(tmp_path, layout="npy")), fps=30.0, axes="dt"))
    assert one.simulated and other.simulated
    assert one.source.recordings == other.source.recordings and one.labels and other.labels
    assert one.labels.actions == other.labels.actions
    for recording in one.source.recordings:
        assert one.source.views(recording) == other.source.views(recording) == ("v3", "e4")
        for view in ("v3", "e4"):
            first, end = one.source.span(recording, view)
            assert other.source.span(recording, view) == (first - 1, end - 1)
            ours = one.source.read(recording, view, first, end)
            assert (ours == other.source.read(recording, view, first - 1, end - 1)).all()
        (theirs,) = other.labels.of_recording(recording)
        for ours in one.labels.of_recording(recording):
            labels = theirs.frame_labels(ours.start - 1, ours.end - 1)
            assert (labels == ours.frame_labels(ours.start, ours.end)).all()
    for role in ("pairs", "train", "test"):
        assert {item.recording for item in one.items(role)} == {item.recording for item in other.items(role)}


def test_faults_are_in_the_data_as_recorded(tmp_path):
    faults = FaultConfig(
        offset_frames=4, dropped_share=0.1, missing_ego=1, unequal_frames=7, two_serials=True, offset_view="v3"
    )
    root = simulated(tmp_path, faults=faults, pace=6.0)
    injected = json.loads((root / "simulation.json").read_text())["injected_faults"]
    script, worlds = make_script(replace(SMALL, pace=6.0)), draw_worlds(SMALL)
    cameras = {path.name: stored(path) for path in (root / "TSM_features").iterdir()}
    assert {"HMC_21179183_mono10bit", "HMC_84358933_mono10bit"} < cameras.keys()
    assert sum("e4" not in views for views in injected.values()) == 1
    for timeline in script.timelines:
        clean = compute(SMALL, script, worlds, timeline)
        for view, fault in injected[timeline.recording].items():
            dropped = {frame for start, end in fault["dropped"] for frame in range(start, end)}
            kept = [frame for frame in range(1, fault["end"]) if frame not in dropped]
            rows = cameras[fault["camera"]]
            mine = {key: value for key, value in rows.items() if key.startswith(f"{timeline.recording}/")}
            assert [int(key[-14:-4]) for key in mine] == kept
            assert 0.03 < len(dropped) / timeline.frames < 0.2 and timeline.frames - fault["end"] + 1 <= 7
            late = 4 if view == "v3" else 0
            assert fault["offset_frames"] == late
            for key, value in list(mine.items())[10::97]:
                assert (value == clean[view][int(key[-14:-4]) - 1 - late]).all()
    ends = [{view: fault["end"] for view, fault in views.items()} for views in injected.values()]
    assert any(len(set(views.values())) > 1 for views in ends)
    with_ego = {view["e4"]["camera"] for view in injected.values() if "e4" in view}
    assert len(with_ego) == 2


def test_check_finds_the_injected_faults(tmp_path, capsys):
    root = simulated(tmp_path, faults=FaultConfig(offset_frames=6, dropped_share=0.05, missing_ego=1), pace=2.0, dim=32)
    run_check(CheckConfig(data=str(root)))
    message = capsys.readouterr()
    text = message.out + message.err
    injected = json.loads((root / "simulation.json").read_text())["injected_faults"]
    (blind,) = (recording for recording, views in injected.items() if "e4" not in views)
    assert blind in text
    late = re.search(r"e4 is ([+-][\d.]+) frames behind v3", text)
    assert late and float(late[1]) == pytest.approx(6, abs=0.7)


def test_offset_without_a_view_is_the_last_one_and_may_be_negative(tmp_path):
    root = simulated(tmp_path, faults=FaultConfig(offset_frames=-3), recordings=1)
    injected = json.loads((root / "simulation.json").read_text())["injected_faults"]
    (views,) = injected.values()
    assert views["v3"]["offset_frames"] == 0 and views["e4"]["offset_frames"] == -3


def test_nothing_is_overwritten_and_nothing_half_written(data, tmp_path, monkeypatch):
    before = content(data)
    with pytest.raises(ConfigError, match="is there already"):
        run_simulate(replace(SMALL, out=str(data)))
    assert content(data) == before
    monkeypatch.setattr("viewloom.simulate.run.make_scene", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        simulated(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_plan_writes_nothing(tmp_path, capsys):
    assert main(["simulate", "--out", str(tmp_path / "data"), "--plan", "true", "--recordings", "3"]) == 0
    assert "3 recordings" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("dim", "layout"), [(8, "assembly101"), (128, "assembly101"), (1024, "assembly101"), (64, "npy")]
)
def test_plan_tells_the_size(tmp_path, capsys, dim, layout):
    config = replace(SMALL, dim=dim, layout=layout, recordings=2, pace=8.0)
    run_simulate(replace(config, out=str(tmp_path / "data"), plan=True))
    message = float(capsys.readouterr().out.split("about ")[1].split(" ")[0]) * 1024
    run_simulate(replace(config, out=str(tmp_path / "data")))
    blocks = sum(path.stat().st_blocks * 512 for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert message == pytest.approx(blocks / 2**20, rel=0.35, abs=6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": "v3,x1"}, "x1 unknown"),
        ({"views": ""}, "the views are"),
        ({"recordings": 0}, "--recordings 0"),
        ({"classes": 203}, "from 2 to 202"),
        ({"dim": 2}, "dim is .* has to be"),
        ({"pace": 0.0}, "pace is .* has to be"),
        ({"faults": {"offset_frames": 2, "offset_view": "v4"}}, "'v4' is not among"),
        ({"faults": {"missing_ego": 9}}, "more than the 4 recordings"),
        ({"faults": {"missing_ego": 1}, "views": "v1,v3"}, "need an ego view"),
        ({"faults": {"offset_frames": 99999}}, "frames or more"),
        ({"faults": {"dropped_share": 0.7}}, "from 0 to 0.5"),
        ({"faults": {"unequal_frames": -1}}, "0 or more"),
        ({"timelines": "nowhere"}, "actions.csv is missing"),
    ],
)
def test_wrong_settings_are_told_in_one_line(tmp_path, changes, message):
    with pytest.raises((ConfigError, DataError), match=message):
        if "faults" in changes:
            changes = changes | {"faults": FaultConfig(**changes["faults"])}
        run_simulate(replace(SMALL, out=str(tmp_path / "data"), **changes))
    assert list(tmp_path.iterdir()) == []


def own_timelines(root: Path) -> Path:
    """A tiny folder in the published form, with one recording in each list."""
    (root / "coarse_labels").mkdir(parents=True)
    (root / "coarse_splits").mkdir()
    actions = ["action_id,verb_id,noun_id,action_cls,verb_cls,noun_cls", "0,0,0,attach wheel,attach,wheel"]
    actions += ["1,1,0,wiggle wheel,wiggle,wheel", "2,1,1,wiggle toy,wiggle,toy"]
    (root / "actions.csv").write_text("\n".join(actions) + "\n")
    for number, name in enumerate(PUBLISHED_LISTS.values()):
        items = [f"disassembly_rec{number}_9{number}_user_id_1", f"assembly_rec{number}_9{number}_user_id_1"]
        (root / "coarse_splits" / name).write_text("\n".join(items))
        (root / "coarse_labels" / f"{items[0]}.txt").write_text("000000011\t000000050\twiggle wheel\t\n")
        lines = ["000000050\t000000090\tattach wheel\t", "000000095\t000000140\twiggle toy\t"]
        (root / "coarse_labels" / f"{items[1]}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("action_cls,verb_cls", "verb_cls,verb_cls", "the column 'verb_cls' is there twice"),
        ("noun_cls", "noun", "no column noun_cls"),
        ("wiggle,toy", "wiggle,toy,more", "line 4: 'more' stands beyond the last of 6 columns"),
        ("wiggle,toy", "wiggle", "line 4: 5 fields are too few"),
        ("2,1,1", '"2,1,1', "line 4: a quote .* never closed"),
        ("2,1,1", "1,1,1", "line 4: action_id 1 is there twice"),
        ("2,1,1", "3,1,1", "must count from 0 without gaps"),
        ("2,1,1", "x,1,1", "line 4: action_id must be a whole number"),
    ],
)
def test_a_list_of_actions_that_is_none_is_refused(tmp_path, old, new, message):
    source = own_timelines(tmp_path / "source")
    text = (source / "actions.csv").read_text()
    assert text.count(old) == 1
    (source / "actions.csv").write_text(text.replace(old, new))
    with pytest.raises(DataError, match=rf"actions\.csv.*{message}"):
        simulated(tmp_path, timelines=str(source))


def test_timelines_with_unknown_verbs(tmp_path):
    root = simulated(tmp_path, timelines=str(own_timelines(tmp_path / "source")))
    dataset = open_dataset(DataConfig(data=str(root)))
    assert dataset.source.span("rec2_92_user_id_1", "v3") == (1, 171)
    assert len(dataset.items("test")) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("000000040\t000000060\twiggle wheel\t", "overlap"),
        ("000000020\t000000011\twiggle wheel\t", "its end must lie behind its start"),
        ("000000000\t000000011\twiggle wheel\t", "count from 1"),
        ("000000011\t000000020\tjuggle wheel\t", "action 'juggle wheel' is not in the action list"),
        ("11 20 wiggle wheel", "start<tab>end<tab>action"),
        ("", "holds no segment"),
    ],
)
def test_broken_timelines_are_named(tmp_path, line, message):
    source = own_timelines(tmp_path / "source")
    (source / "coarse_labels" / "disassembly_rec1_91_user_id_1.txt").write_text(line + "\n")
    with pytest.raises(DataError, match=message) as error:
        simulated(tmp_path, timelines=str(source))
    assert "disassembly_rec1" in str(error.value)
    assert not (tmp_path / "data").exists()


def test_too_few_timelines(tmp_path):
    with pytest.raises(DataError, match="4 recordings, fewer than --recordings 9"):
        simulated(tmp_path, timelines=str(own_timelines(tmp_path / "source")), recordings=9)


def test_real_timelines_stay_as_they_are(assembly101, tmp_path):
    """Frames, actions and list files of 8 real recordings are the published ones, and cover every label."""
    root = simulated(tmp_path, timelines=str(assembly101), recordings=8)
    assert (root / "actions.csv").read_bytes() == (assembly101 / "actions.csv").read_bytes()
    labels = sorted((root / "coarse_labels").iterdir())
    assert len({path.stem.partition("_")[2] for path in labels}) == 8
    for path in labels:
        assert path.read_bytes() == (assembly101 / "coarse_labels" / path.name).read_bytes()
    recordings = set()
    for name in PUBLISHED_LISTS.values():
        whole = (assembly101 / "coarse_splits" / name).read_text().split()
        kept = (root / "coarse_splits" / name).read_text().split()
        mine = {item.partition("_")[2] for item in kept}
        assert kept == [item for item in whole if item.partition("_")[2] in mine] and kept
        assert not mine & recordings
        recordings |= mine
    dataset = open_dataset(DataConfig(data=str(root)))
    assert dataset.labels is not None and len(dataset.labels.actions) == 202
    for item in all_items(dataset):
        first, end = dataset.source.span(item.recording, "e4")
        assert first <= item.start < item.end <= end


def test_all_real_recordings_can_be_planned(assembly101, capsys):
    run_simulate(replace(SMALL, out="nowhere", timelines=str(assembly101), recordings=0, plan=True))
    assert "239 recordings, 478 label files" in capsys.readouterr().out


def test_settings_import_nothing_heavy():
    """Help and planning of these verbs need no numbers, no torch, no decoder."""
    rooms = ("simulate", "simulate.metaworld", "extract")
    code = f"import sys; {'; '.join(f'import viewloom.{room}.settings' for room in rooms)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "torch", "scipy", "lightning", "lmdb", "av", "yaml"} & set(done.stdout.split())


def test_one_that_is_being_written_is_told_and_one_that_was_killed_is_done_again(tmp_path):
    (tmp_path / ".tmp-out-12345678").mkdir()
    with new_folder(tmp_path / "out") as folder:
        assert [path.name for path in tmp_path.iterdir()] == [folder.name], "what a killed one left is gone"
        with pytest.raises(ConfigError, match=f"Another viewloom simulate is writing {tmp_path / 'out'}"):
            run_simulate(replace(SMALL, out=str(tmp_path / "out")))
    with pytest.raises(ConfigError, match="is there by now"), new_folder(tmp_path / "late") as folder:
        (folder / "mine").touch()
        (tmp_path / "late").mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["late", "out"]
    assert list((tmp_path / "late").iterdir()) == []
