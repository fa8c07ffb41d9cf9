"""Downloading from a hub on 127.0.0.1: plan, parts, resuming, hashes, room, tokens, and archives that mean harm."""

import io
import json
import zipfile

import numpy as np
import pytest

from tests.features.stores import write_lmdb
from tests.holding import held
from tests.hub_server import COMMIT, hub_server
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.download import hub as hub_module
from viewloom.download import room
from viewloom.download import run as run_module
from viewloom.download.catalog import SOURCES, chosen_views
from viewloom.download.run import run_download
from viewloom.download.settings import DownloadConfig
from viewloom.download.unpack import unpack
from viewloom.errors import ConfigError, DataError

REPO, COARSE = "cvml-nus/assembly101", "annotations/coarse-annotations"
V3, E4 = "C10118_rgb", "HMC_84358933_mono10bit"
ZIP = f"TSM_features/{V3}.zip"


def zipped(files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def lmdb_zip(tmp_path, camera, folder=""):
    rows = np.random.default_rng(len(camera)).random((40, 60)).astype(np.float32)
    write_lmdb(tmp_path / "lmdb", {"nusar-1": {camera: (1, rows, ())}})
    return zipped({f"{folder}data.mdb": (tmp_path / "lmdb" / camera / "data.mdb").read_bytes()}), rows


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with hub_server() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
        archive, found.rows = lmdb_zip(tmp_path, V3)
        found.files[REPO] = {
            "README.md": b"hello",
            f"{COARSE}/actions.csv": b"action_id,action_cls\n0,take\n1,put\n",
            f"{COARSE}/coarse_labels/assembly_nusar-1.txt": b"0000001\t0000021\ttake\t\n0000021\t0000041\tput\t\n",
            f"{COARSE}/coarse_splits/train_coarse_assembly.txt": b"assembly_nusar-1.txt\t1\n",
            "recordings/nusar-1/C10118_rgb.mp4": b"0" * 5000,
            ZIP: archive,
            f"TSM_features/{E4}.zip": lmdb_zip(tmp_path, E4, f"{E4}/")[0],
            "TSM_features/C10095_rgb.zip": lmdb_zip(tmp_path, "C10095_rgb")[0],
            "TSM_features/read_lmdb.py": b"import lmdb",
        }
        yield found


def download(tmp_path, **settings):
    return run_download(DownloadConfig(**{"dataset": "assembly101", "out": str(tmp_path / "out"), **settings}))


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_comes_is_a_data_set(hub, tmp_path):
    said = download(tmp_path, views="v3,e4")
    out = tmp_path / "out"
    assert files_in(out) == [
        f"TSM_features/{V3}/data.mdb",
        f"TSM_features/{E4}/data.mdb",
        "actions.csv",
        "coarse_labels/assembly_nusar-1.txt",
        "coarse_splits/train_coarse_assembly.txt",
        "download.json",
    ]
    assert f"Next: viewloom check --data {out}" in said
    data = open_dataset(DataConfig(data=str(out)), with_splits=False)
    assert data.views_of("nusar-1") == ("v3", "e4") and data.labels.actions == ("take", "put")
    np.testing.assert_array_equal(data.features("nusar-1", "v3"), hub.rows)
    record = json.loads((out / "download.json").read_text())
    assert record["repository"] == REPO and record["files"][ZIP]["commit"] == COMMIT


def test_nothing_that_is_there_is_asked_for_again(hub, tmp_path):
    download(tmp_path, views="v3")
    before = len(hub.requests)
    assert "there already" in download(tmp_path, views="v3", plan=True)
    download(tmp_path, views="v3")
    assert not [url for method, url, _ in hub.requests[before:] if "/resolve/" in url]
    (tmp_path / "out" / "actions.csv").unlink()
    download(tmp_path, views="v3,e4")
    again = [url.split("/")[-1] for _, url, _ in hub.requests[before:] if "/resolve/" in url]
    assert again == ["actions.csv", f"{E4}.zip"]


def test_a_plan_downloads_nothing(hub, tmp_path):
    said = download(tmp_path, views="v3", plan=True)
    size = len(hub.files[REPO][ZIP])
    assert f"view v3 ({V3}): 1 files, {size / 1000:.1f} kB" in said and "free" in said and "no token" in said
    assert not (tmp_path / "out").exists() and not [url for _, url, _ in hub.requests if "/resolve/" in url]


def test_a_file_that_was_cut_is_gone_on_with(hub, tmp_path, monkeypatch):
    """As after a process was killed: what has come stays, and the rest alone is asked for."""
    content = hub.files[REPO][ZIP]
    partial = tmp_path / "out" / ".download" / hub_module.hash_file(write(tmp_path / "zip", content))
    half = len(content) // 2
    write(partial, content[:half])
    download(tmp_path, views="v3", annotations=False)
    assert hub.asked(ZIP) == [f"bytes={half}-"]
    assert files_in(tmp_path / "out") == [f"TSM_features/{V3}/data.mdb", "download.json"]


def test_a_connection_that_breaks_is_gone_on_with(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.cut[ZIP] = 700
    for _ in range(2):  # the hub's client may go on by itself; if not, the next command does
        try:
            download(tmp_path, views="v3", annotations=False)
            break
        except ConfigError as error:
            assert "What has come is kept; run the same command again" in str(error)
    assert len(hub.asked(ZIP)) == 2
    assert (tmp_path / "out" / "TSM_features" / V3 / "data.mdb").is_file()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_content_that_differs_is_refused(hub, tmp_path):
    for name in (ZIP, f"{COARSE}/actions.csv"):
        content = hub.files[REPO][name]
        hub.wrong = {name: bytes([content[0] ^ 1]) + content[1:]}
        with pytest.raises(DataError, match=r"came with another content than cvml-nus/assembly101 says"):
            download(tmp_path, views="v3", annotations=name != ZIP)
        assert not [path for path in (tmp_path / "out").rglob("*") if path.name in (V3, "actions.csv")]
    hub.wrong = {}
    download(tmp_path, views="v3")


@pytest.mark.parametrize("gated", [False, True])
def test_without_a_token_it_says_how(hub, tmp_path, gated, monkeypatch):
    hub.tokens, hub.gated = {"hf_mine"}, gated
    with pytest.raises(ConfigError, match=r"isn't open to you.*accept its terms.*HF_TOKEN, or run `hf auth login`"):
        download(tmp_path, views="v3")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_mine")
    download(tmp_path)
    assert (tmp_path / "out" / "actions.csv").is_file()


def test_without_room_nothing_is_begun(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1 << 20})())
    with pytest.raises(DataError, match=r"needs .* of room, but its disk has 1.0 MB free. Make room, pass --out"):
        download(tmp_path, views="v3")
    assert not [url for _, url, _ in hub.requests if "/resolve/" in url]


def test_views_and_data_sets_that_there_are_not(hub, tmp_path):
    with pytest.raises(ConfigError, match=r"assembly101 has no view v9; it has: v1, v2, "):
        download(tmp_path, views="v3,v9")
    with pytest.raises(ConfigError, match="no data set 'kinetics' to download; there are: assembly101, 50salads"):
        download(tmp_path, dataset="kinetics")
    with pytest.raises(ConfigError, match="gtea comes as a whole; leave --views out"):
        chosen_views("gtea", ("v1",))
    del hub.files[REPO][ZIP]
    with pytest.raises(DataError, match=r"no files of view v3 \(C10118_rgb\) in TSM_features/ at commit 01234567"):
        download(tmp_path, views="v3")
    del hub.files[REPO]
    with pytest.raises(ConfigError, match="isn't open to you"):
        download(tmp_path)


def test_a_hub_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"127.0.0.1:9/datasets/cvml-nus/assembly101: .*run the same command again"):
        download(tmp_path)


def test_another_repository_in_the_folder_is_refused(hub, tmp_path):
    download(tmp_path)
    with pytest.raises(DataError, match="holds what was downloaded from cvml-nus/assembly101. Choose another --out"):
        hub.files["dinggd/gtea"] = {"gtea.zip": zipped({"gtea/mapping.txt": b"0 a\n"})}
        download(tmp_path, dataset="gtea")


def test_a_record_with_a_key_twice_is_refused(hub, tmp_path):
    download(tmp_path)
    record = next(tmp_path.rglob(run_module.RECORD))
    record.write_text(record.read_text().replace('"repository":', '"repository": "x", "repository":', 1))
    with pytest.raises(DataError, match=r"can't be read .*'repository' is there twice.*Remove it"):
        download(tmp_path)


def test_a_whole_data_set_in_one_archive(hub, tmp_path):
    inside = {"gtea/mapping.txt": b"0 a\n", "gtea/groundTruth/S1_Tea_C1.txt": b"a\n" * 500, "__MACOSX/mapping.txt": b""}
    hub.files["dinggd/gtea"] = {"gtea.zip": zipped(inside), "gtea.py": b"code"}
    download(tmp_path, dataset="gtea", keep_archives=True)
    assert files_in(tmp_path / "out") == ["download.json", "groundTruth/S1_Tea_C1.txt", "gtea.zip", "mapping.txt"]


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt"])
def test_archives_that_lead_out_are_refused(tmp_path, name):
    archive = write(tmp_path / "bad.zip", zipped({"data.mdb": b"1", name: b"2"}))
    with pytest.raises(DataError, match="leads out of its folder"):
        unpack(archive, tmp_path / "in" / "side", "data.mdb")
    assert not list(tmp_path.rglob("evil.txt")) and not (tmp_path / "in").exists()


def test_archives_that_are_damaged_or_hold_something_else(tmp_path):
    content = bytearray(zipped({"data.mdb": b"123456" * 50}))
    content[60] ^= 255
    with pytest.raises(DataError, match="is damaged"):
        unpack(write(tmp_path / "bad.zip", bytes(content)), tmp_path / "a", "data.mdb")
    assert not [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    with pytest.raises(DataError, match="holds data.mdb 0 times, not once"):
        unpack(write(tmp_path / "other.zip", zipped({"x": b"1"})), tmp_path / "b", "data.mdb")
    with pytest.raises(DataError, match="is damaged"):
        unpack(write(tmp_path / "none.zip", b"no zip"), tmp_path / "c", "data.mdb")


def test_another_archive_of_the_same_sizes_is_unpacked(tmp_path):
    out = tmp_path / "out"
    for content in (b"aa", b"bb"):
        unpack(write(tmp_path / "a.zip", zipped({"data.mdb": content, "same": b"c"})), out, "data.mdb")
        assert (out / "data.mdb").read_bytes() == content


def test_paths_of_a_repository_that_lead_out_are_refused(hub, tmp_path):
    hub.files[REPO][f"{COARSE}/../../evil.txt"] = b"1"
    with pytest.raises(DataError, match="leads out of the folder"):
        download(tmp_path)


def test_each_source_has_a_licence_and_parts():
    for name, source in SOURCES.items():
        assert source.licence and "/" in source.repo and source.parts(chosen_views(name, ()), True)


def test_a_folder_that_another_one_downloads_into_is_left_alone(hub, tmp_path):
    with held(tmp_path / "out"), pytest.raises(ConfigError, match="Another viewloom download is writing"):
        download(tmp_path, views="v3")
    assert files_in(tmp_path / "out") == []


def test_an_archive_whose_beginning_is_gone_is_damaged(tmp_path):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.txt", b"1" * 400)
        archive.writestr("b.txt", b"2" * 400)
    content = whole.getvalue()
    end = content.rindex(b"PK\x05\x06")
    (tmp_path / "a.zip").write_bytes(content[300:end] + content[end:])  # the directory's offsets lead before the file
    with pytest.raises(DataError, match=r"a\.zip is damaged"):
        unpack(tmp_path / "a.zip", tmp_path / "out", "a.txt")
    assert not list(tmp_path.glob("out/**/*.txt"))


def test_an_archive_with_a_nameless_file_is_damaged(tmp_path):
    content = zipped({"data.mdb": b"1", "x": b"2"})
    at = content.rindex(b"PK\x01\x02")
    name = content[at + 28 : at + 30]
    assert name == b"\x01\x00", "the name of x in the directory has one byte"
    shorter = content[: at + 28] + b"\x00\x00" + content[at + 30 : at + 46] + content[at + 47 :]
    end = bytearray(shorter[shorter.rindex(b"PK\x05\x06") :])
    end[12:16] = (int.from_bytes(end[12:16], "little") - 1).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(shorter[: -len(end)] + bytes(end))
    with pytest.raises(DataError, match=r"a\.zip is damaged"):
        unpack(tmp_path / "a.zip", tmp_path / "out", "data.mdb")


def test_the_record_of_one_that_was_killed_is_whole(hub, tmp_path, monkeypatch):
    """A file that is there is not looked at again, so what is said of it is written before it takes its name."""
    download(tmp_path, views="v3", out=str(tmp_path / "whole"))
    rename = run_module.rename

    def killed(*paths):
        rename(*paths)
        raise KeyboardInterrupt

    for _ in range(3):
        monkeypatch.setattr(run_module, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            download(tmp_path, views="v3")
    monkeypatch.setattr(run_module, "rename", rename)
    download(tmp_path, views="v3")
    assert (tmp_path / "out" / "download.json").read_bytes() == (tmp_path / "whole" / "download.json").read_bytes()
