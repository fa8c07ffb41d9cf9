"""Every n-th frame and its label, as MS-TCN and its heirs sample: what windows of pooling=first hold."""

import numpy as np
import pytest

from tests.tiny import all_items, write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.metrics.segments import IGNORE
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows


@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_whole_recording_is_every_nth_frame_with_its_own_label(tmp_path, every):
    data = open_dataset(DataConfig(data=str(write_tiny(tmp_path / "data", recordings=4))))
    sampling = Sampling(chunk_frames=every, test_chunks=(every,), max_chunks=100_000, pooling="first")
    items = all_items(data)
    windows = SegmentWindows(data.source, data.labels, items, ["v3"], sampling, seed=None)
    assert len(windows) == len(items), "one window for each whole recording"
    differing = 0
    for row, item in enumerate(items):
        found = windows[0, row]
        x_TD = data.source.read(item.recording, "v3", item.start, item.end)
        labels_T = data.labels.annotations[item.name].frame_labels(item.start, item.end)
        np.testing.assert_array_equal(found.pooled.features_SZ, x_TD[::every])
        np.testing.assert_array_equal(found.labels_S, labels_T[::every])
        assert found.labels_S.max() < 4 and (found.labels_S != IGNORE).all()
        kept = SegmentWindows(data.source, data.labels, [item], ["v3"], Sampling(chunk_frames=every))[0, 0].labels_S
        differing += int((kept != found.labels_S).sum())
    assert (differing > 0) == (every > 1), "most frames of a chunk may have another label than its first"
