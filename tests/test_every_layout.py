"""What holds for every registered layout, on a small data set in its authors' format."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.made_layouts import MADE
from viewloom.check.command import check
from viewloom.check.settings import CheckConfig
from viewloom.dataset.opening import find_files, open_dataset
from viewloom.dataset.packing import run_pack
from viewloom.dataset.settings import DataConfig
from viewloom.features.settings import PackConfig
from viewloom.registry import LAYOUTS

HOWTO = Path(__file__).parents[1] / "docs" / "howto" / "layouts.md"


@pytest.fixture(scope="module", params=LAYOUTS.names())
def made(request, tmp_path_factory):
    """(name of the layout, its folder, what must be found)."""
    assert request.param in MADE, "a layout needs a data set in tests/made_layouts.py"
    root = tmp_path_factory.mktemp("made") / request.param
    return request.param, root, MADE[request.param](root)


def config_of(made, cls=DataConfig, **settings):
    own = {key: value for key, value in made[2].trained.items() if key in ("fold", "missing")}
    return cls(data=str(made[1]), **{**own, **settings})


def test_it_is_recognised_by_its_files(made):
    name, root, _ = made
    found = [LAYOUTS.name_of(layout) for layout in LAYOUTS.ordered() if layout.matches(root)]
    assert found[0] == name
    assert name == "table" or not LAYOUTS.get(name).matches(root / "features")
    assert LAYOUTS.get(name).expects


def test_it_says_what_there_is(made):
    data = open_dataset(config_of(made))
    views = {view: data.views[view].kind for name in data.recordings for view in data.views_of(name)}
    assert views == dict(made[2].views) and len(data.recordings) == made[2].recordings
    assert data.fps_known == (made[2].fps is not None)
    assert made[2].fps is None or data.source.fps == made[2].fps
    assert data.labels is not None and len(data.labels.actions) == made[2].actions
    assert data.splits is not None and data.splits.train and data.splits.test
    assert data.items("train") and data.items("test")


def test_labels_lie_where_the_features_change(made):
    """Each frame's features are nearest to the mean of those labelled alike: a frame more or less would show."""
    data = open_dataset(config_of(made))
    least, right = (0.75 if made[0] in ("mstcn", "table") else 1.0), 0  # those two are made with more noise
    for item in data.items("train"):
        view = next(view for view in data.views_of(item.recording))
        x_TD = data.features(item.recording, view, item.start, item.end)
        labels_T = data.frame_labels(item.recording, item.start, item.end)
        keep = (labels_T >= 0) & ~np.isnan(x_TD).any(1)
        x_TD, labels_T = x_TD[keep], labels_T[keep]
        classes = np.unique(labels_T)
        means_KD = np.stack([x_TD[labels_T == k].mean(0) for k in classes])
        nearest = classes[((x_TD[:, None] - means_KD) ** 2).sum(2).argmin(1)]
        right += (nearest == labels_T).mean() >= least
    assert right == len(data.items("train"))


def test_the_check_finds_it_usable(made):
    report = check(config_of(made, CheckConfig, depth="full"))
    assert report.usable, [finding for finding in report.findings if finding.severity == "error"]
    assert report.command and str(made[1]) in report.command


def test_packed_it_is_the_same(made, tmp_path):
    out = tmp_path / "packed"
    run_pack(PackConfig(data=str(made[1]), out=str(out), dtype="float32", workers=0))
    one, other = open_dataset(config_of(made)), open_dataset(config_of(made, features=str(out)))
    assert one.recordings == other.recordings and one.source.fingerprint() == other.source.fingerprint()
    name = one.recordings[0]
    for view in one.views_of(name):
        np.testing.assert_array_equal(one.features(name, view), other.features(name, view))
    assert other.items("train") == one.items("train")


def test_a_head_trains_on_it_and_predicts(made, tmp_path):
    from viewloom import api

    data = open_dataset(config_of(made))
    views = [made[2].trained["views"]]
    head = api.train(data, views=views, head="linear", epochs=1, sampling={"chunk_frames": 2})
    assert len(api.evaluate(head, data, views=views).table())
    assert len(api.predict(head, data, view=views[0]))


def test_init_says_nothing_that_is_not_so(made):
    from viewloom.check.init import run_init
    from viewloom.check.settings import InitConfig

    before = open_dataset(config_of(made))
    run_init(InitConfig(data=str(made[1])))
    after = open_dataset(config_of(made))
    (made[1] / "dataset.yaml").unlink()
    assert after.source.fingerprint() == before.source.fingerprint() and after.items("train") == before.items("train")
    assert after.config.layout == made[0]


def test_a_file_that_is_not_there_is_no_traceback(made, tmp_path):
    """Settings win over the folder: labels and features named apart."""
    config, files = find_files(config_of(made, features=str(made[1] / "nowhere")))
    assert files.features == made[1] / "nowhere"


def test_it_has_a_section_in_the_docs(made):
    section = re.search(rf"^## .*`{made[0]}`.*?(?=^## |\Z)", HOWTO.read_text(), re.DOTALL | re.MULTILINE)
    assert section and "```" in section[0], f"docs/howto/layouts.md needs a section for {made[0]}, with its tree"
