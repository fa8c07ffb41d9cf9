"""Toys come apart and together only in ways that are possible, and actions last as real ones do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.simulate.actions import TOY, Action, own_actions
from viewloom.simulate.grammar import assembly, disassembly, pieces_tree, toy_tree
from viewloom.simulate.timelines import SHARES, _sizes, own_script


def replay(done, tree, actions, attached):
    """Go through the steps with a plain model of the toy; fails at the first impossible one."""
    attached, screwed = set(attached), set()
    for verb, piece in done:
        if piece == TOY:
            continue
        if verb == "attach":
            assert piece not in attached, f"{piece} is on already"
            assert tree[piece] is None or tree[piece] in attached, f"{piece} has nothing to sit on"
            attached.add(piece)
        elif verb == "detach":
            assert piece in attached, f"{piece} is not on"
            assert not any(tree[other] == piece for other in attached), f"something sits on {piece}"
            attached.remove(piece)
            screwed.discard(piece)
        elif verb == "screw":
            assert piece in attached and piece not in screwed, f"{piece} can't be screwed"
            screwed.add(piece)
        elif verb == "unscrew":
            assert piece in attached, f"{piece} can't be unscrewed"
        elif verb == "attempt to attach":
            assert piece not in attached, f"{piece} is on already"
    return attached


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.sampled_from([24, 60, 202]), slips=st.floats(0, 1))
def test_every_order_is_possible(seed, classes, slips):
    rng = np.random.default_rng(seed)
    actions = {action: index for index, action in enumerate(own_actions(classes))}
    tree = pieces_tree(actions, seed % 7)
    toy = toy_tree(tree, rng)
    preference = {piece: float(rng.normal()) for piece in tree}
    assert all(below is None or below in toy for below in toy.values())
    apart = disassembly(actions, toy, preference, slips, rng)
    together = assembly(actions, toy, preference, slips, rng)
    assert set(apart) | set(together) <= set(actions)
    # The last piece of a cut list of actions may lack a step, which then goes unseen.
    whole = [piece for piece in toy if Action("detach", piece) in actions and Action("attach", piece) in actions]
    if len(whole) == len(toy):
        assert replay(apart, toy, actions, toy) == set()
        assert replay(together, toy, actions, ()) == set(toy)
    for steps in (apart, together):
        assert all(one != next_ for one, next_ in zip(steps, steps[1:], strict=False))


def test_slips_happen_as_often_as_asked():
    actions = {action: index for index, action in enumerate(own_actions(24))}
    tree = pieces_tree(actions, 0)
    even = dict.fromkeys(tree, 0.0)

    def attempts(slips):
        rng = np.random.default_rng(0)
        runs = [assembly(actions, tree, even, slips, rng) for _ in range(100)]
        return sum(action.verb == "attempt to attach" for run in runs for action in run)

    assert attempts(0.0) == 0 < attempts(0.2) < attempts(0.6)


@pytest.mark.parametrize("count", [2, 3, 24, 25, 100, 202])
def test_actions_are_as_many_as_asked_and_all_different(count):
    actions = own_actions(count)
    assert len(actions) == len(set(actions)) == count
    assert actions == own_actions(202)[:count]  # more classes add to the fewer ones


def test_lengths_are_those_of_real_actions():
    """Median 357 frames, tenth and ninetieth percentile 110 and 1129, as the real 6,409 segments have."""
    script = own_script(own_actions(24), 400, 100, pace=1.0, fps=30.0, seed=0, world=0)
    items = [item for timeline in script.timelines for item in timeline.annotations]
    frames = np.concatenate([item.ends - item.starts for item in items])
    found = np.quantile(frames, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(found, [110, 357, 1129], rtol=0.08)
    assert 9 < np.mean([len(item.starts) for item in items]) < 15  # real: 12.5 a label file


def test_pace_shortens():
    at = {pace: own_script(own_actions(24), 40, 4, pace=pace, fps=30.0, seed=0, world=0) for pace in (1.0, 2.0)}
    frames = {pace: sum(timeline.frames for timeline in script.timelines) for pace, script in at.items()}
    assert frames[1.0] / frames[2.0] == pytest.approx(2, rel=0.1)


def test_people_differ_in_speed():
    script = own_script(own_actions(24), 200, 2, pace=1.0, fps=30.0, seed=3, world=0)
    lengths = {"person01": [], "person02": []}
    for timeline in script.timelines:
        lengths[timeline.person] += [item.ends - item.starts for item in timeline.annotations]
    means = [np.mean(np.log(np.concatenate(found))) for found in lengths.values()]
    assert abs(means[0] - means[1]) > 0.05


def test_segments_are_contiguous_and_inside_the_recording():
    script = own_script(own_actions(24), 20, 4, pace=2.0, fps=30.0, seed=0, world=0)
    for timeline in script.timelines:
        end = 1
        for item in timeline.annotations:
            assert item.starts[0] > end
            assert (item.starts[1:] == item.ends[:-1]).all() and (item.ends > item.starts).all()
            end = int(item.ends[-1])
        assert end <= timeline.frames


def test_a_recording_has_one_role():
    script = own_script(own_actions(24), 40, 4, pace=2.0, fps=30.0, seed=0, world=0)
    roles = [{item.partition("_")[2] for item in items} for items in script.lists.values()]
    assert sum(map(len, roles)) == len(set().union(*roles)) == 40
    assert [len(role) for role in roles] == [15, 15, 2, 8]


@given(total=st.integers(0, 500), weights=st.lists(st.integers(1, 200), min_size=1, max_size=6))
def test_sizes_give_all_away(total, weights):
    cuts = _sizes(total, weights)
    assert sum(cuts) == total and min(cuts) >= 0
    if total >= len(weights):
        assert min(cuts) >= 1
    exact = np.array(weights) / sum(weights) * total
    assert np.abs(np.array(cuts) - exact).max() <= len(weights)


def test_shares_sum_to_one():
    assert sum(SHARES.values()) == pytest.approx(1)
