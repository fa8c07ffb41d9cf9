"""The share of frames that are labelled: of frames that there are, each counted once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.check.test_check import checked, features, make, parts  # noqa: F401  # fixtures
from viewloom.check.labels import labelled_share
from viewloom.dataset.labels import Annotation
from viewloom.features.base import Span


def share(report):
    return report.facts["Labels"]["frames labelled"]


def test_labels_far_past_the_end_count_only_where_there_are_frames(make, parts):  # noqa: F811
    root = make(parts, {f"assembly_r{i}": "51\t11682\tattach\t\n" for i in range(4)})
    assert share(checked(root)) == "50% of theirs"


def test_annotations_that_share_frames_count_once(make, parts):  # noqa: F811
    both = {"assembly_r0": "1\t61\tattach\t\n", "disassembly_r0": "31\t81\tdetach\t\n"}
    labels = {f"assembly_r{i}": "1\t81\tattach\t\n" for i in range(1, 4)}
    assert share(checked(make(parts, labels | both))) == "80% of theirs"


segments = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), min_size=1, max_size=5)


@given(annotations=st.lists(segments, min_size=1, max_size=3), spans=segments)
def test_the_share_is_that_of_frames_counted_one_by_one(annotations, spans):
    views = {f"v{i}": Span(first, first + frames) for i, (first, frames) in enumerate(spans)}
    made = []
    labelled: set[int] = set()
    for rows in annotations:
        starts, ends = np.array([(a, a + n) for a, n in rows]).T
        made.append(Annotation(starts, ends, np.zeros(len(rows), np.int64), "a", "r", "a.txt"))
        labelled |= {frame for a, n in rows for frame in range(a, a + n)}
    there = {frame for span in views.values() for frame in range(span.first, span.end)}
    assert labelled_share(made, {"r": views}) == len(labelled & there) / len(there)
