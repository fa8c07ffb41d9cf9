"""Segmentation scores by the book: plain Python, one frame, one segment, one table cell at a time.

Slow on purpose. It follows the written protocol step by step, so that the fast code has something to be wrong
against; the benchmark of the scores uses it as the slow side.
"""

IGNORE = -100
OVERLAPS = (0.10, 0.25, 0.50)


def runs(labels, last_end=0):
    """[(label, start, end)] of maximal runs."""
    found = []
    start = 0
    for frame in range(1, len(labels) + 1):
        if frame == len(labels) or labels[frame] != labels[start]:
            found.append((labels[start], start, frame))
            start = frame
    if found and last_end:
        label, start, end = found[-1]
        found[-1] = (label, start, end + last_end)
    return found


def levenshtein(a, b):
    """The whole table of edit distances."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if i == 0 or j == 0:
                table[i][j] = i + j
            else:
                change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
                table[i][j] = min(change, table[i - 1][j] + 1, table[i][j - 1] + 1)
    return table[-1][-1]


def match(predicted, true, overlap):
    """(hits, false alarms, misses): each prediction in time order claims its best true segment."""
    taken = [False] * len(true)
    hits = false_alarms = 0
    for label, start, end in predicted:
        best, best_iou = None, 0.0
        for place, (other, other_start, other_end) in enumerate(true):
            shared = min(end, other_end) - max(start, other_start)
            if other != label or shared <= 0:
                continue
            iou = shared / (max(end, other_end) - min(start, other_start))
            if iou > best_iou:
                best, best_iou = place, iou
        if best is not None and best_iou >= overlap and not taken[best]:
            taken[best] = True
            hits += 1
        else:
            false_alarms += 1
    return hits, false_alarms, len(true) - sum(taken)


def f1(hits, false_alarms, misses):
    """Harmonic mean of precision and recall, percent; 100 with nothing to find and nothing found."""
    if hits + false_alarms + misses == 0:
        return 100.0
    if hits == 0:
        return 0.0
    precision, recall = hits / (hits + false_alarms), hits / (hits + misses)
    return 100.0 * 2 * precision * recall / (precision + recall)


def plain_scores(predictions, truths, rules, background=()):
    """(edit, f1 at each overlap, mof) over sequences of plain lists, under a protocol's rules."""
    edits, right, frames, shares = [], 0, 0, []
    counts = {overlap: [0, 0, 0] for overlap in OVERLAPS}
    single = {overlap: [] for overlap in OVERLAPS}
    for prediction, truth in zip(predictions, truths, strict=True):
        if rules.truth == "cut":
            shorter = min(len(prediction), len(truth))
            prediction, truth = prediction[:shorter], truth[:shorter]
        labelled = sum(label != IGNORE for label in truth)
        correct = sum(p == t and t != IGNORE for p, t in zip(prediction, truth, strict=True))
        frames, right = frames + labelled, right + correct
        shares.append(100.0 * correct / labelled if labelled else 100.0)
        if rules.ignored == "deleted":
            prediction = [p for p, t in zip(prediction, truth, strict=True) if t != IGNORE]
            truth = [t for t in truth if t != IGNORE]
        else:
            prediction = [IGNORE if t == IGNORE else p for p, t in zip(prediction, truth, strict=True)]
        dropped = {IGNORE, *(background if rules.background == "dropped" else ())}
        predicted = [run for run in runs(prediction, rules.last_end) if run[0] not in dropped]
        true = [run for run in runs(truth, rules.last_end) if run[0] not in dropped]
        a, b = [run[0] for run in predicted], [run[0] for run in true]
        edits.append(100.0 * (1 - levenshtein(a, b) / max(len(a), len(b))) if a or b else 100.0)
        for overlap in OVERLAPS:
            found = match(predicted, true, overlap)
            single[overlap].append(f1(*found))
            counts[overlap] = [x + y for x, y in zip(counts[overlap], found, strict=True)]
    edit = sum(edits) / len(edits) if edits else 100.0
    if rules.f1 == "mean":
        f1s = [sum(single[o]) / len(single[o]) if single[o] else 100.0 for o in OVERLAPS]
    else:
        f1s = [f1(*counts[o]) for o in OVERLAPS]
    mof = 100.0 * right / frames if frames else 100.0
    if rules.mof == "mean":
        mof = sum(shares) / len(shares) if shares else 100.0
    return [edit, *f1s, mof]
