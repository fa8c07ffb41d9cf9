"""The request, what it resolves to, and how requests of several places come together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewloom.cli import parse
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig, SamplingConfig, filled
from viewloom.errors import ConfigError, DataError
from viewloom.training.settings import TrainConfig
from viewloom.windows.sampling import (
    Sampling,
    choices,
    default_test_chunks,
    over_saved,
    resolve_sampling,
    stored_sampling,
)


def segments(*lengths):
    return np.array(lengths, np.int64)


def parsed(*args):
    line = ["--data", "d", "--run", "r", "--views", "v", *args]
    return parse("train", line).sampling


@pytest.mark.parametrize(
    ("line", "sizes"), [("3", (3,)), ("3,5", (3, 5)), ("[3,5]", (3, 5)), ("[3]", (3,)), ("3, 5", (3, 5))]
)
@pytest.mark.parametrize("equals", [True, False])
def test_test_chunks_on_the_line(line, sizes, equals):
    args = [f"--sampling.test_chunks={line}"] if equals else ["--sampling.test_chunks", line]
    assert parsed(*args).test_chunks == sizes


@pytest.mark.parametrize(("text", "sizes"), [("3", (3,)), ("3,5", (3, 5)), ("[3, 5]", (3, 5)), ("'3'", (3,))])
def test_test_chunks_in_a_settings_file(tmp_path, text, sizes):
    (tmp_path / "c.yaml").write_text(f"sampling:\n  test_chunks: {text}\n")
    assert parsed("--config", str(tmp_path / "c.yaml")).test_chunks == sizes
    assert parsed("--config", str(tmp_path / "c.yaml"), "--sampling.test_chunks", "7").test_chunks == (7,)


@pytest.mark.parametrize(
    ("line", "sizes"), [("0.5", (0.5,)), ("1", (1.0,)), ("0.5,1", (0.5, 1.0)), ("[0.5,1.2]", (0.5, 1.2))]
)
def test_test_chunks_in_seconds_on_the_line(line, sizes):
    assert parsed("--sampling.test_chunks_s", line).test_chunks_s == sizes


@pytest.mark.parametrize("line", ["abc", "3,x", "", "[]", "0", "-1", "2.5"])
def test_sizes_that_are_none_are_reported(line):
    with pytest.raises(ConfigError, match="test_chunks"):
        parsed(f"--sampling.test_chunks={line}")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"chunk_frames": 20, "chunk_s": 0.5}, r"sampling\.chunk_frames or sampling\.chunk_s, not both"),
        ({"test_chunks": 3, "test_chunks_s": 0.5}, r"sampling\.test_chunks or sampling\.test_chunks_s, not both"),
        ({"chunk_frames": 0}, "chunk_frames is .* has to be"),
        ({"chunk_s": 0.0}, "chunk_s is .* has to be"),
        ({"test_chunks_s": (0.5, -1.0)}, "test_chunks_s is .* has to be"),
        ({"max_chunks": 0}, "max_chunks is .* has to be"),
        ({"augment_factor": 0.5}, "augment_factor is .* has to be"),
        ({"augment_probability": 1.5}, "augment_probability is .* has to be"),
        ({"nearest_within_frames": -1}, "nearest_within_frames is .* has to be"),
        ({"test_chunks": ()}, "test_chunks must be a size"),
        ({"test_chunks": True}, "test_chunks must be a size"),
    ],
)
def test_impossible_requests_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        SamplingConfig(**wrong)


@pytest.mark.parametrize(
    ("fps", "lengths", "chunk"),
    [
        (30.0, None, 20),
        (30.0, segments(110, 110, 110), 20),  # a fifth of 110 is 22
        (30.0, segments(*[50] * 9, 400), 10),
        (10.0, segments(20, 20), 4),
        (10.0, None, 7),
        (5.0, segments(3, 3, 3), 1),
        (1.0, segments(2), 1),
        (25.0, segments(), 17),
        (59.94, None, 40),
    ],
)
def test_the_default_chunk(fps, lengths, chunk):
    assert resolve_sampling(SamplingConfig(), fps, lengths).chunk_frames == chunk


def test_real_annotations_take_the_published_sampling(assembly101):
    data = open_dataset(DataConfig(data=str(assembly101), missing="skip", past_end="cut"))
    lengths = np.concatenate([a.ends - a.starts for a in data.labels.annotations.values()])
    assert resolve_sampling(SamplingConfig(), data.source.fps, lengths) == Sampling()


@pytest.mark.parametrize(
    ("chunk", "tests"), [(20, (10, 17, 24)), (1, (1,)), (2, (1, 2)), (4, (2, 3, 5)), (10, (5, 8, 12))]
)
def test_default_sizes_at_evaluation(chunk, tests):
    assert default_test_chunks(chunk) == tests
    assert resolve_sampling(SamplingConfig(chunk_frames=chunk), 30.0).test_chunks == tests


@given(st.integers(1, 10_000))
def test_default_sizes_at_evaluation_are_distinct_and_around_the_chunk(chunk):
    tests = default_test_chunks(chunk)
    assert len(set(tests)) == len(tests) and min(tests) >= 1
    assert min(tests) <= chunk <= max(tests) or chunk == 1


@given(st.floats(1, 120), st.lists(st.integers(1, 5000), max_size=20))
def test_a_resolved_request_resolves_to_itself(fps, lengths):
    sampling = resolve_sampling(SamplingConfig(), fps, segments(*lengths))
    assert 1 <= sampling.chunk_frames <= max(1, round(fps))
    for rate in (1.0, 30.0, 240.0):
        assert resolve_sampling(sampling.as_request(), rate, segments(3, 3)) == sampling


def test_seconds_follow_the_frame_rate():
    request = SamplingConfig(chunk_s=0.5, test_chunks_s=(0.25, 0.5, 0.51))
    assert resolve_sampling(request, 30.0).chunk_frames == 15
    assert resolve_sampling(request, 10.0, segments(5)) == Sampling(chunk_frames=5, test_chunks=(2, 5))


def test_what_is_set_comes_first_and_a_size_in_seconds_and_in_frames_are_one_setting():
    below = SamplingConfig(chunk_frames=8, test_chunks=(4, 8), pooling="mean", max_chunks=50)
    found = filled(SamplingConfig(chunk_s=0.5, test_chunks_s=1.0), below)
    assert found == SamplingConfig(chunk_s=0.5, test_chunks_s=1.0, pooling="mean", max_chunks=50)
    assert filled(SamplingConfig(chunk_frames=3), SamplingConfig(chunk_s=2.0)) == SamplingConfig(chunk_frames=3)
    assert filled(SamplingConfig(), below) == below


def test_another_chunk_than_the_saved_one_takes_its_own_sizes_at_evaluation():
    saved = Sampling(chunk_frames=4, test_chunks=(4,), pooling="mean")

    def used(**request):
        return resolve_sampling(over_saved(SamplingConfig(**request), saved, 30.0), 30.0)

    assert used() == saved
    assert used(chunk_frames=4) == saved
    assert used(chunk_frames=20) == Sampling(pooling="mean")
    assert used(test_chunks=9) == Sampling(chunk_frames=4, test_chunks=(9,), pooling="mean")


def test_a_stored_sampling_comes_back_and_older_files_have_the_published_one():
    sampling = Sampling(chunk_frames=4, test_chunks=(2, 4), pooling="both", missing_frames="nearest")
    stored = {name: list(v) if isinstance(v, tuple) else v for name, v in sampling.__dict__.items()}  # as JSON has it
    assert stored_sampling({"sampling": stored, "seed": 1}) == sampling
    assert stored_sampling({"seed": 1}) == Sampling(chunk_frames=20, test_chunks=(10, 17, 24), pooling="max")
    with pytest.raises(ConfigError, match="has strides. Upgrade"):
        stored_sampling({"sampling": {"strides": 1}})


def test_another_frame_rate_keeps_the_seconds():
    assert Sampling().at_fps(30.0, 30.0) == Sampling()
    assert Sampling().at_fps(30.0, 60.0) == Sampling(chunk_frames=40, test_chunks=(20, 34, 48))
    assert Sampling().at_fps(30.0, 2.0) == Sampling(chunk_frames=1, test_chunks=(1, 2))


def test_what_was_chosen_is_reported_with_its_reason():
    def message(lengths=None, fps=10.0, **request):
        request = SamplingConfig(**request)
        return choices(request, resolve_sampling(request, fps, lengths), fps, lengths, "because")

    assert message(segments(20, 20), pooling="max", test_chunks=4) == (
        "chunk of 4 frames (0.40 s at 10 fps): a fifth of the shortest segments (10th percentile 2.0 s); "
        "windows of at most 1200 chunks."
    )
    assert "two thirds of a second, less than a fifth of the shortest segments" in message(segments(900), 30.0)
    assert message() == (
        "chunk of 7 frames (0.70 s at 10 fps): two thirds of a second; pooling max: because; "
        "windows of at most 1200 chunks."
    )
    assert "at evaluation chunks of 2, 3, 5 are averaged" in message(segments(20))
    assert message(segments(3), chunk_frames=2, test_chunks=2, pooling="mean") is None


def write_file(root, text):
    (root / "labels.csv").write_text("recording,start,end,label\n")
    (root / "dataset.yaml").write_text(text)
    return root


def test_the_line_beats_the_data_set_file_field_by_field(tmp_path):
    write_file(tmp_path, "sampling:\n  chunk_frames: 8\n  test_chunks: [4, 8]\n  pooling: mean\n  max_chunks: 1200\n")

    def found(**line):
        request = SamplingConfig(**line)
        return complete(TrainConfig(data=str(tmp_path), run="r", views="v", sampling=request)).sampling

    assert found() == SamplingConfig(chunk_frames=8, test_chunks=(4, 8), pooling="mean", max_chunks=1200)
    # max and 1200 are the defaults, and win all the same where the line says them
    assert found(pooling="max", chunk_s=1.0).pooling == "max"
    assert found(pooling="max", chunk_s=1.0).chunk_frames is None
    assert found(test_chunks=5).test_chunks == (5,)
    assert complete(complete(TrainConfig(data=str(tmp_path), run="r", views="v"))).sampling == found()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sampling: {chunks: 3}", r"sets sampling\.chunks; settings are: chunk_s, chunk_frames"),
        ("sampling: {chunk_frames: many}", r"sampling\.chunk_frames is 'many', but must be a whole number or empty"),
        ("sampling: {chunk_frames: 2.5}", r"sampling\.chunk_frames is 2\.5"),
        ("sampling: {pooling: median}", r"sampling\.pooling is 'median', but must be one of max, mean, both"),
        ("sampling: {test_chunks: [1, a]}", r"sampling\.test_chunks is \[1, 'a'\]"),
        ("sampling: {test_chunks: true}", r"sampling\.test_chunks is True"),
        ("sampling: {chunk_frames: 3, chunk_s: 1}", "not both"),
        ("sampling: {chunk_frames: 0}", "chunk_frames is 0: it has to be from 1"),
        ("sampling: 20", "sampling must hold a table"),
        ("samplings: {}", "sets samplings; settings are: name, layout.*sampling"),
    ],
)
def test_a_bad_table_in_the_data_set_file_is_reported(tmp_path, text, message):
    write_file(tmp_path, text)
    for config in (DataConfig(data=str(tmp_path)), TrainConfig(data=str(tmp_path), run="r", views="v")):
        with pytest.raises(DataError, match=rf"dataset\.yaml.*{message}"):
            complete(config)
