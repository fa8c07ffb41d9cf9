"""Kinds of errors written out frame by frame, from the definitions in words: slow and plain."""

from viewloom.metrics.error_kinds import KINDS

IGNORE = -100


def runs(labels):
    """(first, last, label) of the maximal runs of a list."""
    found = []
    for place, label in enumerate(labels):
        if found and found[-1][2] == label:
            found[-1][1] = place
        else:
            found.append([place, place, label])
    return [tuple(run) for run in found]


def run_at(all_runs, place):
    return next(run for run in all_runs if run[0] <= place <= run[1])


def frame_kinds(predicted, true, background=()):
    """The kind of each frame of one sequence; None where it is right or has no label."""
    predicted = [IGNORE if t == IGNORE else p for p, t in zip(predicted, true, strict=True)]
    of_true, of_said = runs(true), runs(predicted)
    right = [t != IGNORE and p == t for p, t in zip(predicted, true, strict=True)]

    def silent(p):
        return p == IGNORE or p in background

    def elsewhere(place):
        first, last, _ = run_at(of_said, place)
        return any(right[first : last + 1])

    found = []
    for place, (p, t) in enumerate(zip(predicted, true, strict=True)):
        if t == IGNORE or right[place]:
            found.append(None)
            continue
        first, last, _ = run_at(of_true, place)
        inside = range(first, last + 1)
        right_frames = sum(right[i] for i in inside)
        stray = sum(not right[i] and not silent(predicted[i]) and not elsewhere(i) for i in inside)
        between = any(right[first:place]) and any(right[place : last + 1])
        if silent(p):
            kind = "missed" if not right_frames else "over_segmented" if between else "shifted_boundary"
        elif t in background:
            kind = "shifted_boundary" if elsewhere(place) else "inserted"
        elif elsewhere(place):
            kind = "shifted_boundary" if right_frames else "missed"
        elif stray > right_frames:
            kind = "wrong_action"
        else:
            kind = "over_segmented" if between else "inserted"
        found.append(kind)
    return found


def errors(predicted, true, background=()):
    """{kind: (frames, errors)} of one sequence; an error is an unbroken run of a kind in one true segment."""
    kinds = frame_kinds(predicted, true, background)
    found = {kind: [0, 0] for kind in KINDS}
    for place, kind in enumerate(kinds):
        if kind is None:
            continue
        found[kind][0] += 1
        goes_on = place > 0 and kinds[place - 1] == kind and true[place - 1] == true[place]
        found[kind][1] += not goes_on
    return {kind: tuple(pair) for kind, pair in found.items()}
