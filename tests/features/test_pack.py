"""`viewloom pack`: the same store whoever packs it, however often it is killed, and nothing half-written."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.features.stores import random_recordings, write_lmdb, write_npy
from viewloom.dataset.packing import run_pack
from viewloom.errors import ConfigError, DataError
from viewloom.features import pack_files
from viewloom.features.opening import open_source
from viewloom.features.pack import amount
from viewloom.features.settings import PackConfig
from viewloom.locks import alone

V3, E4 = "C10118_rgb", "HMC_84358933_mono10bit"


def pack(data, out, **settings):
    return run_pack(PackConfig(**{"data": str(data), "out": str(out), "workers": 0, **settings}))


def tree(root):
    """{path: content} of a folder."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(Path(root).rglob("*")) if p.is_file()}


@pytest.fixture
def data(tmp_path):
    return write_lmdb(tmp_path / "lmdb", random_recordings())


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_holds_what_the_source_holds(data, tmp_path, dtype):
    result = pack(data, tmp_path / "store", dtype=dtype, backbone={"name": "TSM"})
    source, store = open_source(data), open_source(tmp_path / "store")
    for recording in source.recordings:
        for view in source.views(recording):
            expected = source.read(recording, view, 0, 60).astype(dtype)
            np.testing.assert_array_equal(store.read(recording, view, 0, 60), expected.astype(np.float32))
    assert (result.files, result.packed, result.frames, result.missing) == (4, 4, 194, 0)
    files = list((tmp_path / "store").rglob("*.safetensors"))
    assert result.bytes == sum(path.stat().st_size for path in files)
    assert store.manifest.provenance["backbone"] == {"name": "TSM"}
    assert load_file(files[0])["features"].dtype == np.dtype(dtype)


def test_processes_change_nothing(data, tmp_path):
    pack(data, tmp_path / "alone")
    pack(data, tmp_path / "many", workers=2)
    assert tree(tmp_path / "alone") == tree(tmp_path / "many")


def test_npy_and_packed_again(tmp_path):
    write_npy(tmp_path / "npy", random_recordings(first=0), axes="td")
    pack(tmp_path / "npy", tmp_path / "one", dtype="float32", backbone={"name": "X"}, fps=15)
    pack(tmp_path / "one", tmp_path / "two")
    store = open_source(tmp_path / "two")
    assert store.manifest.provenance["backbone"] == {"name": "X"} and store.fps == 15 and store.fps_known
    assert store.fingerprint() == open_source(tmp_path / "npy").fingerprint()


def test_chosen_views_and_recordings(data, tmp_path):
    (tmp_path / "list.txt").write_text("rec_b\n")
    assert pack(data, tmp_path / "a", views="e4", recordings=str(tmp_path / "list.txt")).files == 1
    assert open_source(tmp_path / "a").views("rec_b") == ("e4",)
    assert pack(data, tmp_path / "b", views="e4, v3", recordings="rec_a").files == 2
    with pytest.raises(ConfigError, match=r"no view v9; it has: v1, v2"):
        pack(data, tmp_path / "c", views="v3,v9")
    with pytest.raises(ConfigError, match=r"no recording nope; it has: rec_a, rec_b"):
        pack(data, tmp_path / "c", recordings="nope")
    with pytest.raises(ConfigError, match="None of the 2 recordings"):
        pack(data, tmp_path / "c", views="v5")
    assert not (tmp_path / "c").exists()


def test_plan_writes_nothing(data, tmp_path):
    plan = pack(data, tmp_path / "store", plan=True)
    assert plan.plan and not (tmp_path / "store").exists()
    assert "Nothing was written" in str(plan) and plan.todo_bytes == plan.bytes and plan.free_bytes > 0
    assert pack(data, tmp_path / "store").bytes == plan.bytes
    assert pack(data, tmp_path / "store", plan=True).todo_bytes == 0


def test_disk_without_room(data, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(DataError, match=r"needs 1\.\d KiB more, but its disk has 1000 B free"):
        pack(data, tmp_path / "store", views="v3")
    assert amount(3 * 1024**3) == "3.0 GiB" and amount(5 * 1024**4) == "5.0 TiB" and amount(7) == "7 B"


# Killed --------------------------------------------------------------------------------------------------------


def steps_of(monkeypatch, at=None, before=False):
    """Count what packing does to the disk; at step ``at`` the process ends at once, as by kill -9.

    A step is a write of rows, a flush to disk, a rename or a removal; the end comes before or after it.
    """
    counter = [0]

    def counted(function):
        def step(*args, **kwargs):
            counter[0] += 1
            if counter[0] == at and before:
                os._exit(9)
            result = function(*args, **kwargs)
            if counter[0] == at:
                os._exit(9)
            return result

        return step

    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    monkeypatch.setattr(Path, "write_text", counted(Path.write_text))
    monkeypatch.setattr(pack_files, "encode_header", counted(pack_files.encode_header))
    monkeypatch.setattr(pack_files, "_refuse_overflow", counted(pack_files._refuse_overflow))
    return counter


def killed_pack(data, out, at, before):
    """Pack in a forked process that ends at step ``at``."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with pytest.MonkeyPatch.context() as monkeypatch:
                steps_of(monkeypatch, at, before)
                pack(data, out)
            code = 0
        finally:
            os._exit(code)  # an error must not let the child go on as a second pytest
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), code
    return code


def half_packed(data, out):
    """Pack until two of the four files are in the journal, then end as by kill -9."""
    for at in range(10, 200, 3):
        killed_pack(data, out, at, before=True)
        if (out / "pack-journal.jsonl").exists() and (out / "pack-journal.jsonl").read_text().count("\n") == 3:
            return
        shutil.rmtree(out, ignore_errors=True)
    pytest.fail("never stood half packed")


def refuse_half(out, reference):
    """What stands under a final name is whole, and only a finished store opens as one."""
    for name, content in tree(out).items():
        if ".tmp-" not in name and not name.endswith(".jsonl"):
            assert content == reference[name]
    if not (out / "manifest.json").exists():
        with pytest.raises(DataError, match="isn't finished|is no feature store"):
            open_source(out)


def test_killed_at_every_step(data, tmp_path, monkeypatch):
    monkeypatch.setattr(pack_files, "BLOCK_BYTES", 400)  # several blocks a file
    with pytest.MonkeyPatch.context() as counting:
        steps = steps_of(counting)
        pack(data, tmp_path / "whole")
    reference = tree(tmp_path / "whole")
    killed = 0
    for at in range(1, steps[0] + 1, 2):
        out = tmp_path / f"killed{at}"
        killed += killed_pack(data, out, at, before=bool(at % 4 == 1)) == 9
        if out.exists():
            refuse_half(out, reference)
        pack(data, out)
        assert tree(out) == reference, f"step {at}"
        shutil.rmtree(out)
    assert killed > 30


def test_killed_again_and_again(data, tmp_path):
    pack(data, tmp_path / "whole")
    for at in (25, 9, 30, 14, 40, 22, 60):
        killed_pack(data, tmp_path / "out", at, before=True)
        refuse_half(tmp_path / "out", tree(tmp_path / "whole"))
    pack(data, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


SCRIPT = "import sys; from viewloom.cli import main; sys.exit(main(sys.argv[1:]))"


def running(pid):
    return Path(f"/proc/{pid}").exists()


def children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find worker processes")
def test_kill_9_of_a_real_command(tmp_path):
    lengths = {f"rec_{i:02}": 400 for i in range(30)}
    data = write_lmdb(tmp_path / "lmdb", random_recordings(dim=256, lengths=lengths))
    out = tmp_path / "store"
    command = [sys.executable, "-c", SCRIPT, "pack", "--data", str(data), "--out", str(out), "--workers", "2"]
    found = []
    for wanted in (1, 25):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while len(list(out.rglob("[!.]*.safetensors"))) < wanted and process.poll() is None:
            time.sleep(0.002)
        workers = children(process.pid) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        process.wait()
        found.append(len(list(out.rglob("[!.]*.safetensors"))))
        deadline = time.monotonic() + 10
        while any(map(running, workers)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(map(running, workers)), "workers outlive their parent"
    assert 1 <= found[0] < 60
    subprocess.run(command, check=True, capture_output=True)
    pack(data, tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")


def test_goes_on_rather_than_anew(data, tmp_path):
    half_packed(data, tmp_path / "out")
    assert pack(data, tmp_path / "out").packed == 2
    assert pack(data, tmp_path / "out").packed == 0


@pytest.mark.parametrize("change", ["flip", "cut", "remove", "header"])
@pytest.mark.parametrize("finished", [True, False])
def test_mends_what_was_damaged(data, tmp_path, change, finished):
    pack(data, tmp_path / "whole")
    out = tmp_path / "out"
    if finished:
        pack(data, out)
    else:
        half_packed(data, out)
    path = out / json.loads((tmp_path / "whole" / "manifest.json").read_text())["entries"][0]["file"]
    content = bytearray(path.read_bytes())
    content[{"flip": -3, "cut": -3, "remove": -3, "header": 40}[change]] ^= 1
    path.write_bytes(content[:-1] if change == "cut" else content)
    if change == "remove":
        path.unlink()
    assert pack(data, out).packed == (1 if finished else 3)
    assert tree(out) == tree(tmp_path / "whole")


def test_journal_line_cut_short(data, tmp_path):
    half_packed(data, tmp_path / "out")
    journal = tmp_path / "out" / "pack-journal.jsonl"
    lines = journal.read_text()
    journal.write_text(lines[:-20])
    pack(data, tmp_path / "whole")
    assert pack(data, tmp_path / "out").packed == 3
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    journal.write_text("")
    with pytest.raises(ConfigError, match="damaged"):
        pack(data, tmp_path / "out")


def test_journal_with_a_key_twice(data, tmp_path):
    half_packed(data, tmp_path / "out")
    journal = tmp_path / "out" / "pack-journal.jsonl"
    head, *lines = journal.read_text().splitlines()
    lines[0] = lines[0].replace('"first":', '"first": 9, "first":', 1)
    journal.write_text("\n".join([head, *lines]) + "\n")
    pack(data, tmp_path / "whole")
    assert pack(data, tmp_path / "out").packed == 3
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    journal.write_text(head.replace('"dtype":', '"dtype": "float32", "dtype":', 1) + "\n")
    with pytest.raises(ConfigError, match="damaged .*'dtype' is there twice"):
        pack(data, tmp_path / "out")


def test_journal_goes_on_behind_a_cut_line(data, tmp_path):
    half_packed(data, tmp_path / "out")
    path = tmp_path / "out" / "pack-journal.jsonl"
    settings = json.loads(path.read_text().splitlines()[0])["settings"]
    first, second = pack_files.Journal(tmp_path / "out", settings).finished.values()
    path.write_text(path.read_text()[:-20])
    with pack_files.Journal(tmp_path / "out", settings).open() as journal:
        journal.add(second)
    assert list(pack_files.Journal(tmp_path / "out", settings).finished.values()) == [first, second]


# Refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings(data, tmp_path, finished):
    out = tmp_path / "out"
    if finished:
        pack(data, out)
    else:
        half_packed(data, out)
    before = tree(out)
    with pytest.raises(ConfigError, match="packed with other settings: dtype 'float16' instead of 'float32'"):
        pack(data, out, dtype="float32")
    with pytest.raises(ConfigError, match="views .* instead of"):
        pack(data, out, views="v3")
    with pytest.raises(ConfigError, match="recordings .* instead of"):
        pack(data, out, recordings="rec_a")
    other = write_lmdb(tmp_path / "other", random_recordings(lengths={"rec_a": 41, "rec_b": 57}))
    with pytest.raises(ConfigError, match="source of other recordings, .*rates or starts"):
        pack(other, out)
    assert tree(out) == before


def test_folder_with_other_files(data, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    (tmp_path / "mine" / ".tmp-notes.txt").write_text("keep")
    with pytest.raises(ConfigError, match="which this command did not write"):
        pack(data, tmp_path / "mine")
    with pytest.raises(ConfigError, match="which this command did not write"):
        pack(data, data)
    assert (tmp_path / "mine" / ".tmp-notes.txt").read_text() == "keep"


def test_removes_only_its_own_leftovers(data, tmp_path):
    out = tmp_path / "out"
    pack(data, out)
    (out / ".tmp-abc-manifest.json").write_text("half")
    (out / "features" / "rec_a" / ".tmp-abc-v3.safetensors").write_text("half")
    (out / "features" / "rec_a" / ".tmp-notes.txt").write_text("keep")
    (out / "notes.txt").write_text("keep")
    pack(data, out)
    left = {path.name for path in out.rglob("*") if path.is_file() and path.suffix != ".safetensors"}
    assert left == {"manifest.json", ".tmp-notes.txt", "notes.txt"}
    assert not list(out.rglob(".tmp-*.safetensors"))


def test_two_at_once(data, tmp_path):
    (tmp_path / "out").mkdir()
    with alone(tmp_path / "out", "viewloom pack"), pytest.raises(ConfigError, match="Another viewloom pack"):
        pack(data, tmp_path / "out")
    pack(data, tmp_path / "out")


def spoilt(tmp_path, frame, values, view=V3):
    recordings = random_recordings()
    x_TD = recordings["rec_a"][view][1]
    x_TD[frame - 1, : len(values)] = values
    return write_lmdb(tmp_path / "spoilt", recordings)


def test_beyond_float16(tmp_path):
    data = spoilt(tmp_path, 17, [0, -65505.0])
    with pytest.raises(DataError, match=r"rec_a, view v3 \(C10118_rgb\), frame 17: the value -65505 .*float32"):
        pack(data, tmp_path / "out")
    assert pack(data, tmp_path / "exact", dtype="float32").packed == 4
    assert pack(spoilt(tmp_path, 17, [0, 65504.0]), tmp_path / "limit").packed == 4


@pytest.mark.parametrize("values", [[np.nan], [np.inf, 1], [np.inf] * 6, [np.nan] * 5, [-np.inf] + [np.nan] * 5])
def test_corrupt_frame(tmp_path, values, monkeypatch):
    monkeypatch.setattr(pack_files, "BLOCK_BYTES", 400)
    data = spoilt(tmp_path, 23, values)
    with pytest.raises(DataError, match=r"rec_a, view v3 \(C10118_rgb\), frame 23: \d of 6 values.*--corrupt missing"):
        pack(data, tmp_path / "out")
    result = pack(data, tmp_path / "other", corrupt="missing")
    assert (result.corrupt, result.missing) == (1, 1) and "(1 of them corrupt)" in str(result)
    store = open_source(tmp_path / "other")
    assert np.isnan(store.read("rec_a", "v3", 23, 24)).all()
    assert store.entry("rec_a", "v3").gaps == ((23, 24),)


def test_missing_frames_are_not_corrupt(tmp_path, monkeypatch):
    monkeypatch.setattr(pack_files, "BLOCK_BYTES", 400)
    recordings = random_recordings(first=0)
    first, x_TD, _ = recordings["rec_a"][E4]
    recordings["rec_a"][E4] = (first, x_TD, (0, 14, 15, 16, 17, 39))
    write_npy(tmp_path / "npy", recordings)
    result = pack(tmp_path / "npy", tmp_path / "out", axes="dt")
    assert (result.missing, result.corrupt) == (6, 0)
    assert open_source(tmp_path / "out").entry("rec_a", "e4").gaps == ((0, 1), (14, 18), (39, 40))


def test_error_in_a_worker_comes_through(tmp_path):
    data = spoilt(tmp_path, 17, [np.nan])
    with pytest.raises(DataError, match="frame 17"):
        pack(data, tmp_path / "out", workers=2)
    assert not list((tmp_path / "out").rglob(".tmp-*"))
    with pytest.raises(DataError, match="isn't finished: run the same viewloom pack"):
        open_source(tmp_path / "out")


def test_disk_that_gives_back_other_bytes(data, tmp_path, monkeypatch):
    monkeypatch.setattr(pack_files, "hash_file", lambda path, from_disk=False: "0" * 64)
    with pytest.raises(DataError, match="reads back other bytes"):
        pack(data, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.safetensors"))


def test_a_full_disk_says_so(data, tmp_path, monkeypatch):
    def full(path, header, blocks):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pack_files, "write_rows", full)
    with pytest.raises(DataError, match=r"v3\.safetensors can't be written.*No space left"):
        pack(data, tmp_path / "out")


def test_negative_workers(data, tmp_path):
    with pytest.raises(ConfigError, match="workers is .* has to be"):
        PackConfig(data="a", out="b", workers=-1)
