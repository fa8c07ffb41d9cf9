"""Methods, heads, layouts and stores of other packages, used through the command line as a package brings them."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.forked import CAN_FORK, command_line
from tests.report.make_runs import write_run
from tests.tiny import write_tiny

DOCS = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text()
METHOD = re.search(r"```python\n(.*?)```", DOCS, re.DOTALL).group(1)
HEAD = '''
"""A head."""

from dataclasses import dataclass

from torch import nn

from viewloom.heads.linear import LinearHead
from viewloom.heads.settings import LinearConfig
from viewloom.registry import HEADS


@HEADS.register("deep")
class Deep(LinearHead):
    @dataclass(frozen=True, kw_only=True)
    class Config(LinearConfig):
        width: int = 8
        """Neurons between."""

    def __init__(self, dim, classes, config=None):
        super().__init__(dim, classes, config)
        width = self.config.width
        self.linear = nn.Sequential(nn.Linear(dim, width), nn.ReLU(), nn.Linear(width, classes))
'''
FILES = '''
"""A store, npz files with an array a view; and a layout, which keeps them beside labels of its own name."""

from dataclasses import replace

import numpy as np

from viewloom.dataset.layout import Layout
from viewloom.dataset.layouts.table import Table
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource
from viewloom.registry import LAYOUTS, STORES


@STORES.register("npz")
class NpzSource(CatalogSource):
    kind = "npz"
    expects = "<recording>.npz"

    @classmethod
    def matches(cls, root):
        return next(root.glob("*.npz"), None) is not None

    @classmethod
    def open(cls, root, views, fps, axes, index):
        return cls(root, views, fps)

    def __init__(self, root, views, fps):
        self.root = root
        arrays = {path.stem: dict(np.load(path)) for path in root.glob("*.npz")}
        spans = {name: {view: Span(0, len(x)) for view, x in of.items()} for name, of in arrays.items()}
        dims = {view: x.shape[1] for of in arrays.values() for view, x in of.items()}
        super().__init__(str(root), spans, views, dims, fps)

    def _read_into(self, recording, camera, start, x_TD):
        x_TD[:] = np.load(self.file(recording, camera))[camera][start : start + len(x_TD)]

    def file(self, recording, camera):
        return self.root / f"{recording}.npz"

    def content(self, recording, camera):
        return (str(self.file(recording, camera)),)


@LAYOUTS.register("lab")
class Lab(Layout):
    expects = "numbers/ and truth.csv"

    @classmethod
    def matches(cls, root):
        return (root / "truth.csv").is_file()

    @classmethod
    def find(cls, root, config):
        files = Table.find(root, replace(config, labels=str(root / "truth.csv")))
        return replace(files, features=root / "numbers", fps=30.0)
'''
ENTRIES = """
[viewloom.methods]
times = lab_plugin.methods
[viewloom.heads]
deep = lab_plugin.heads:Deep
[viewloom.layouts]
lab = lab_plugin.files
[viewloom.stores]
npz = lab_plugin.files:NpzSource
"""


def install(site, package, modules, entries):
    """What pip leaves behind of a package."""
    for name, text in {"__init__": "", **modules}.items():
        (site / package).mkdir(parents=True, exist_ok=True)
        (site / package / f"{name}.py").write_text(text)
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    return site


def viewloom(*args, sites=()):
    """Run a command in a process that finds the packages in some folders."""
    if CAN_FORK:
        with tempfile.TemporaryDirectory() as folder:
            return command_line(list(map(str, args)), sites, Path(folder))
    return started(*args, sites=sites)


def started(*args, sites=()):
    """The same, as a Python that begins: packages are found at its start."""
    code = "import sys; from viewloom.cli import main; sys.exit(main(sys.argv[1:]))"
    path = os.pathsep.join(map(str, [*sites, *filter(None, [os.environ.get("PYTHONPATH")])]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A folder in the layout and with the store of the plugin."""
    root, table = tmp_path_factory.mktemp("lab"), write_tiny(tmp_path_factory.mktemp("table"))
    (root / "numbers").mkdir()
    for folder in (table / "features").iterdir():
        arrays = {path.parent.name: np.load(path) for path in folder.glob("*/features.npy")}
        np.savez(root / "numbers" / f"{folder.name}.npz", **arrays)
    (table / "labels.csv").rename(root / "truth.csv")
    (table / "splits").rename(root / "splits")
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return install(
        tmp_path_factory.mktemp("site"), "lab_plugin", {"methods": METHOD, "heads": HEAD, "files": FILES}, ENTRIES
    )


QUICK = ("--trainer.accelerator", "cpu", "--trainer.progress", "false", "--trainer.logger", "none")
USED = ("--method", "times", "--method_options.factor", "3", *QUICK)


@pytest.fixture(scope="module")
def runs(lab, site, tmp_path_factory):
    """A refiner and a head of the plugin, trained on its store in its layout."""
    runs = tmp_path_factory.mktemp("runs")
    done = viewloom("pretrain", "--data", lab, "--views", "v3,e4", *USED, "--run", runs / "times", sites=[site])
    assert done.returncode == 0, done.stderr
    head = ("--head", "deep", "--head_options.width", "4", "--epochs", "1", "--run", runs / "deep")
    refiner = ("--refiner", runs / "times" / "refiner.safetensors")
    done = viewloom("train", "--data", lab, "--views", "v3", *head, *refiner, *QUICK, sites=[site])
    assert done.returncode == 0, done.stderr
    return runs


def test_an_installed_package_adds_a_method_a_head_a_layout_and_a_store(lab, site, runs):
    done = started("evaluate", "--data", lab, "--run", runs / "deep", "--accelerator", "cpu", sites=[site])
    assert done.returncode == 0, done.stderr
    assert "v3" in done.stdout and "e4" in done.stdout
    done = viewloom("train", "--head", "deep", "--help", sites=[site])
    assert "--head_options.width" in done.stdout and "Neurons between" in done.stdout


def test_a_module_is_named_by_plugins(lab, site, tmp_path):
    (tmp_path / "lab_plugin").symlink_to(site / "lab_plugin")  # the module alone, nothing installed
    (tmp_path / "more.yaml").write_text("method: times\n")
    named = ["--plugins", "lab_plugin.methods,lab_plugin.files", "--config", tmp_path / "more.yaml"]
    used = [arg for arg in USED if arg not in ("--method", "times")]
    done = viewloom(
        "pretrain", "--data", lab, "--views", "v3,e4", *used, "--run", tmp_path / "run", *named, sites=[tmp_path]
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "refiner.safetensors").exists()


def test_what_is_not_there_is_named_with_the_remedy(lab, runs, tmp_path):
    table = write_tiny(tmp_path / "table")
    for words, args in {
        "no method 'times'": ("train", "--views", "v3", "--refiner", runs / "times" / "refiner.safetensors", *QUICK),
        "no head 'deep'": ("evaluate", "--out", tmp_path / "scores"),
        "none of the known layouts": ("predict", "--data", lab, "--out", tmp_path / "out"),
    }.items():
        run = tmp_path / "new" if args[0] == "train" else runs / "deep"
        data = () if "--data" in args else ("--data", table)
        done = viewloom(*args, *data, "--run", run)
        assert done.returncode == 2 and words in done.stderr, done.stderr
        assert "--plugins" in done.stderr and "Traceback" not in done.stderr


def test_a_broken_package_costs_a_note_and_nothing_else(tmp_path):
    entries = "[viewloom.heads]\nodd = odd_plugin\n[viewloom.stores]\nodd = odd_plugin.missing\n"
    site = install(tmp_path / "site", "odd_plugin", {"__init__": "import nothing_of_that_name\n"}, entries)
    data = write_tiny(tmp_path / "data")
    head = ("--head", "linear", "--epochs", "1", "--run", tmp_path / "run", *QUICK)
    done = viewloom("train", "--data", data, "--views", "v3", *head, sites=[site])
    assert done.returncode == 0, done.stderr
    note = "the plugin odd_plugin of odd_plugin can't be imported (ModuleNotFoundError: No module named 'nothing_of"
    assert note in done.stderr and "Repair or uninstall odd_plugin" in done.stderr and "Traceback" not in done.stderr
    done = viewloom("train", "--data", data, "--views", "v3", "--head", "odd", "--run", tmp_path / "x", sites=[site])
    assert done.returncode == 2 and "There is no head 'odd'" in done.stderr
    assert "MODULE. odd_plugin of odd_plugin can't be imported." in done.stderr


def test_a_report_is_written_whatever_plugins_do(tmp_path):
    entries = "[viewloom.methods]\nodd = odd_plugin\n"
    site = install(tmp_path / "site", "odd_plugin", {"__init__": "raise SystemError('boom')\n"}, entries)
    write_run(tmp_path / "runs" / "naive", "naive")
    report = ("report", "--runs", tmp_path / "runs", "--out", tmp_path / "report.html")
    done = viewloom(*report, sites=[site])
    assert done.returncode == 0, done.stderr
    done = viewloom(*report, "--overwrite", "true", "--plugins", "odd_plugin", sites=[site])
    assert done.returncode == 0, done.stderr
    assert "odd_plugin (--plugins) can't be imported (SystemError: boom)" in done.stderr
    assert "leave it out of --plugins" in done.stderr


def test_a_name_of_ours_is_not_taken(tmp_path):
    text = METHOD.replace('"times"', '"cca"')
    site = install(tmp_path / "site", "bad_plugin", {"methods": text}, "[viewloom.methods]\ncca = bad_plugin.methods\n")
    plain = install(tmp_path / "plain", "bad_plugin", {"methods": text}, "")
    args = ("--data", write_tiny(tmp_path / "data"), "--views", "v3,e4", "--method", "cca", *QUICK)
    for where, named in ((site, ()), (plain, ("--plugins", "bad_plugin.methods"))):
        done = viewloom("pretrain", *args, "--run", tmp_path / f"run in {where.name}", *named, sites=[where])
        assert done.returncode == 0, done.stderr
        assert "bad_plugin.methods can't add the method 'cca': viewloom has one" in done.stderr
