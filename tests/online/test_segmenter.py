"""A stream says what is said of the finished recording, to the bit, in whatever blocks its frames come."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import viewloom as vl
from tests.online.made import DIM, SAMPLING, VIEW, causal_heads, causal_methods, frames, make_refiner, make_trained
from viewloom.errors import ConfigError, DataError
from viewloom.heads.multilabel import for_classes
from viewloom.online.state import state_bytes
from viewloom.registry import HEADS, METHODS
from viewloom.training.confidence import KEY, Calibration

HEADS_HERE = [pytest.param(*case, id=f"{case[0]}-{getattr(case[1], 'lookahead_steps', 0)}") for case in causal_heads()]
METHODS_HERE = [pytest.param(*case, id=case[0]) for case in causal_methods()]


def rows(segments):
    return [(s.start, s.end, s.start_s, s.end_s, s.action, s.confidence) for s in segments]


def offline(trained, x_TD, **settings):
    """What `viewloom.predict` says of the whole recording."""
    table = vl.predict(trained, x_TD, view=VIEW, accelerator="cpu", **settings)
    return [tuple(row) for row in table[["start", "end", "start_s", "end_s", "label", "confidence"]].to_numpy()]


def streamed(trained, x_TD, sizes, stop=None, tmp_path=None, **settings):
    """What a stream says, frames coming in blocks of some sizes in turn; stopped and restored after ``stop`` blocks."""
    online, found, at, turn = vl.OnlineSegmenter(trained, VIEW, **settings), [], 0, 0
    while at < len(x_TD):
        if turn == stop:
            online.save_state(tmp_path / "state")
            online = vl.OnlineSegmenter(trained, VIEW, **settings)
            online.restore(tmp_path / "state")
        size = sizes[turn % len(sizes)]
        found += online.push(x_TD[at : at + size])
        at, turn = at + size, turn + 1
    return rows(found + online.finish())


def test_the_heads_and_refiners_of_the_issue_are_among_them():
    assert {"tcn", "ms_tcn2", "asformer", "linear"} <= {case.values[0] for case in HEADS_HERE}
    assert {"none", "cca", "delay_cca", "contrast", "two_stream", "ridge"} <= {case.values[0] for case in METHODS_HERE}


@pytest.mark.parametrize(("name", "config"), HEADS_HERE)
@settings(max_examples=6, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    count=st.integers(1, 400),
    holes=st.sampled_from([0.0, 0.3]),
    stop=st.integers(0, 5),
)
def test_a_stream_equals_the_finished_recording(name, config, sizes, count, holes, stop, tmp_path_factory):
    trained, x_TD = make_trained(name, config), frames(count, seed=count, holes=holes)
    wanted, tmp_path = offline(trained, x_TD), tmp_path_factory.mktemp("states")
    assert streamed(trained, x_TD, sizes) == wanted
    assert streamed(trained, x_TD, sizes, stop, tmp_path) == wanted


@pytest.mark.parametrize(("name", "config"), METHODS_HERE)
@settings(max_examples=3, deadline=None)
@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=3), holes=st.sampled_from([0.0, 0.6]))
def test_a_stream_behind_any_causal_refiner_does_too(name, config, sizes, holes, tmp_path_factory):
    trained = make_trained(refiner=make_refiner(name, config))
    x_TD, tmp_path = frames(310, seed=3, holes=holes), tmp_path_factory.mktemp("states")
    assert streamed(trained, x_TD, sizes, 2, tmp_path) == offline(trained, x_TD)


@pytest.mark.parametrize(("name", "config"), METHODS_HERE)
@torch.inference_mode()
def test_a_refiner_in_a_stream_is_the_one_outside(name, config):
    """Of a stream in pieces, with stretches without frames longer than what is kept."""
    from viewloom.nn.stream import BLOCK, Stream, flowing, looking_back

    refiner, steps = make_refiner(name, config).double(), 6 * BLOCK
    x_BTD = torch.randn(1, steps, DIM, dtype=torch.float64)
    mask_BT = torch.rand(1, steps) > 0.3
    mask_BT[0, :3], mask_BT[0, 40:120] = False, False
    wanted = refiner.encode(x_BTD, mask_BT, VIEW, 0.25)
    stream, found = Stream(), []
    for x_BSD, mask_BS in zip(x_BTD.split(BLOCK, 1), mask_BT.split(BLOCK, 1), strict=True):
        with flowing(looking_back(refiner), stream):
            found.append(refiner.encode(x_BSD, mask_BS, VIEW, 0.25))
        stream.advance()
    torch.testing.assert_close(torch.cat(found, dim=1), wanted, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(("name", "config"), METHODS_HERE)
@torch.inference_mode()
def test_nothing_later_changes_what_a_causal_refiner_gives(name, config):
    """Bit for bit; that the step itself counts shows that something does."""
    refiner, x_BTD = make_refiner(name, config), torch.randn(1, 60, DIM)
    mask_BT = torch.ones(1, 60, dtype=torch.bool)
    other_BTD = x_BTD.clone()
    other_BTD[:, 31:] = torch.randn(1, 29, DIM)
    one, other = (refiner.encode(x, mask_BT, VIEW) for x in (x_BTD, other_BTD))
    assert torch.equal(one[:, :31], other[:, :31])
    assert not torch.equal(one[:, 31], other[:, 31])


@pytest.mark.parametrize(("name", "config"), HEADS_HERE)
def test_the_stream_is_the_head_itself(name, config):
    """Within rounding, of a recording that fits into one window: the network as it is trained."""
    trained, x_TD = make_trained(name, config), frames(400, holes=0.1)
    segmenter = trained.segmenter(SAMPLING, "cpu")
    dataset = vl.from_arrays({"r": {VIEW: x_TD}}, fps=10)
    (_, stream_TK), (_, plain_TK) = (
        next(replace(segmenter, streamed=way).each(dataset.source, dataset.items_of("r", labelled=False), VIEW))
        for way in (True, False)
    )
    np.testing.assert_allclose(stream_TK, plain_TK, atol=1e-5)


@pytest.mark.parametrize(("name", "config"), HEADS_HERE)
def test_what_comes_later_than_the_stated_delay_changes_nothing(name, config):
    """Of a frame that the stated delay has passed since: its action is out, whatever follows."""
    trained, x_TD = make_trained(name, config), frames(300)
    online = vl.OnlineSegmenter(trained, VIEW)
    online.push(x_TD[:200])
    decided = 200 - round(online.delay_s * trained.fps)
    assert online.stream.closing.frames >= decided + 1
    others = [offline(trained, np.concatenate([x_TD[:200], frames(100, seed)])) for seed in (5, 6)]
    cut = [[(s, e, a) for s, e, _, _, a, _ in other if e <= decided] for other in others]
    assert cut[0] == cut[1] and cut[0]


def test_what_is_kept_does_not_grow():
    online, sizes = vl.OnlineSegmenter(make_trained("asformer"), VIEW), []
    for _ in range(12):
        online.push(frames(600))
        sizes.append(state_bytes(online.stream))
    assert max(sizes[1:]) - min(sizes[1:]) <= 4 * DIM * 30 + 4 * 4 * 30
    assert max(sizes) < 300_000


def test_a_recording_longer_than_a_window_is_one_stream():
    """Windows cut what is trained on; the chain goes on over their borders."""
    trained = make_trained(sampling=replace(SAMPLING, max_chunks=20))
    x_TD = frames(500)
    assert streamed(trained, x_TD, [17]) == offline(trained, x_TD)
    longer = make_trained(sampling=replace(SAMPLING, max_chunks=1200))
    assert offline(trained, x_TD) == offline(longer, x_TD)


@pytest.mark.parametrize("rate", [4.0, 10.0, 25.0])
@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_frames_of_another_rate_come_on_the_head_s_clock(rate, sizes):
    trained, x_TD = make_trained(), frames(230, holes=0.1)
    assert streamed(trained, x_TD, sizes, fps=rate) == offline(trained, x_TD, fps=rate)


def test_one_chunk_size_decides_sooner():
    online = vl.OnlineSegmenter(make_trained(), VIEW, sampling={"test_chunks": 2})
    assert (online.delay_s, vl.OnlineSegmenter(make_trained(), VIEW).delay_s) == (0.2, 0.5)
    x_TD = frames(100)
    found = rows(online.push(x_TD) + online.finish())
    assert found == offline(make_trained(), x_TD, sampling={"test_chunks": 2})


def test_the_segment_that_runs_is_shown():
    online = vl.OnlineSegmenter(make_trained(), VIEW)
    assert online.running is None
    closed = online.push(frames(100))
    assert online.running.start == closed[-1].end and online.running.end == online.stream.closing.frames
    assert online.segments == len(closed)
    assert len(online.finish()) >= 1 and online.finish() == []
    with pytest.raises(ConfigError, match="has ended"):
        online.push(frames(1))


def test_confidences_are_at_the_head_s_temperature_in_a_stream_too():
    plain, x_TD = make_trained("tcn"), frames(300)
    calibration = Calibration(0.5, (VIEW,), 10, 1.0, 0.5).to_json()
    surer = replace(plain, extra=plain.extra | {KEY: calibration})
    found = streamed(surer, x_TD, [7, 50])
    assert found == offline(surer, x_TD)
    assert [row[:5] for row in found] == [row[:5] for row in streamed(plain, x_TD, [7, 50])]
    assert found != streamed(plain, x_TD, [7, 50])


def test_a_head_of_several_labels_a_frame_is_refused():
    trained = make_trained("tcn")
    for_classes(trained.head)
    with pytest.raises(ConfigError, match="any number of actions"):
        vl.OnlineSegmenter(trained, VIEW)


def test_single_frames_need_no_first_axis():
    one, other = (vl.OnlineSegmenter(make_trained(), VIEW) for _ in range(2))
    found = [segment for x_D in frames(60) for segment in one.push(x_D)]
    assert found + one.finish() == other.push(torch.from_numpy(frames(60))) + other.finish()


@pytest.mark.parametrize("name", [name for name in HEADS.names() if hasattr(HEADS.settings(name)(), "causal")])
def test_heads_that_are_not_set_causal_are_refused(name):
    with pytest.raises(ConfigError, match="as it was trained, looks at later steps.*causal true"):
        vl.OnlineSegmenter(make_trained(name, HEADS.settings(name)()), VIEW)


@pytest.mark.parametrize("name", [name for name in HEADS.names() if not HEADS.get(name).streams])
def test_heads_that_look_at_everything_are_refused(name):
    with pytest.raises(ConfigError, match=f"head {name} looks at later steps.*asformer, linear, ms_tcn2, tcn"):
        vl.OnlineSegmenter(make_trained(name, HEADS.settings(name)()), VIEW)


def test_refiners_that_look_ahead_are_refused():
    trained = make_trained(refiner=make_refiner("contrast", METHODS.settings("contrast")(hidden=8)))
    with pytest.raises(ConfigError, match=r"refiner contrast, as it was trained.*method_options\.causal true"):
        vl.OnlineSegmenter(trained, VIEW)


def test_what_cannot_be_is_refused(tmp_path):
    trained = make_trained("tcn", replace(make_trained().head.config, lookahead_steps=5))
    with pytest.raises(ConfigError, match=r"looks 2.5 s behind.*lookahead_s is 1"):
        vl.OnlineSegmenter(trained, VIEW, lookahead_s=1)
    assert vl.OnlineSegmenter(trained, VIEW, lookahead_s=2.5).lookahead_s == 2.5
    with pytest.raises(ConfigError, match="yet to come"):
        vl.OnlineSegmenter(trained, VIEW, sampling={"missing_frames": "nearest"})
    online = vl.OnlineSegmenter(trained, VIEW, sampling={"missing_frames": "error"})
    with pytest.raises(DataError, match="frame 3 is missing"):
        online.push(np.where(np.arange(40)[:, None] == 3, np.nan, frames(40)))
    with pytest.raises(DataError, match=r"Expected frames \(T, 7\)"):
        online.push(frames(3, dim=8))
    spoilt = frames(40)
    spoilt[7, 2] = np.nan
    with pytest.raises(DataError, match="first at frame 7"):
        vl.OnlineSegmenter(trained, VIEW).push(spoilt)


def test_a_state_is_taken_up_by_its_own_stream_alone(tmp_path):
    trained = make_trained()
    vl.OnlineSegmenter(trained, VIEW).save_state(tmp_path / "state")
    for other, settings_, what in (
        (make_trained(seed=1), {}, "head"),
        (trained, {"fps": 20}, "rate"),
        (trained, {"sampling": {"test_chunks": 3}}, "chunks"),
        (replace(trained, actions=tuple(reversed(trained.actions))), {}, "actions"),
        (
            replace(trained, extra={**trained.extra, KEY: replace(Calibration(), temperature=2.0).to_json()}),
            {},
            "temperature",
        ),
    ):
        with pytest.raises(ConfigError, match=f"another stream: {what} differ"):
            vl.OnlineSegmenter(other, VIEW, **settings_).restore(tmp_path / "state")
    (tmp_path / "half").write_bytes((tmp_path / "state").read_bytes()[:50])
    with pytest.raises(DataError, match="not a whole safetensors file"):
        vl.OnlineSegmenter(trained, VIEW).restore(tmp_path / "half")
    with pytest.raises(DataError, match="There is no online-state"):
        vl.OnlineSegmenter(trained, VIEW).restore(tmp_path / "none")
