"""The boundary head's stages, loss and refinement written out step by step, in numpy and plain Python, float64.

The dilated stages are those of `reference_staged`; nothing is shared with the package.
"""

import numpy as np

from tests.parity.reference_staged import Reference

IGNORE = -100


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def boundary_stages(state, x, valid):
    """Logits (T,) of every boundary stage, in the order they are computed, of features (D, T)."""
    reference, outs = Reference(state), []
    for stage in range(reference.count("stages.")):
        seen = x * valid if stage == 0 else sigmoid(outs[-1])[None] * valid
        outs.append(reference.stage(f"stages.{stage}.", seen, valid)[0])
    return outs


def class_of(label, taught):
    """Probabilities of a step's classes by its label or its teacher; None where nobody says any."""
    if label != IGNORE:
        return np.eye(len(taught))[label]
    return taught if taught.sum() > 0 else None


def loss(rows, labels, taught, masks, weight=1.0, positive=None, share=0.1):
    """Sum over stages of the mean weighted binary cross-entropy.

    Args:
        rows: for each row the logits (T,) of every boundary stage.
        labels: for each row the class of every step.
        taught: for each row the teacher's probabilities (T, K).
        masks: for each row whether a step is valid.
        weight: of a pair of steps of which a teacher said something.
        positive: weight of a boundary; None: other steps for each boundary.
        share: of the whole.
    """
    steps = []  # (logits of the stages, target, weight of the step)
    for stages, row_labels, row_taught, mask in zip(rows, labels, taught, masks, strict=True):
        for step in range(1, len(mask)):
            if not (mask[step] and mask[step - 1]):
                continue
            here, before = (class_of(row_labels[place], row_taught[place]) for place in (step, step - 1))
            if here is None or before is None:
                continue
            target = 1 - np.minimum(here, before).sum()
            told = row_labels[step] != IGNORE and row_labels[step - 1] != IGNORE
            steps.append(([stage[step] for stage in stages], target, 1.0 if told else weight))
    boundaries = sum(target for _, target, _ in steps)
    if positive is None:
        positive = (len(steps) - boundaries) / boundaries
    total = 0.0
    for logits, target, of_step in steps:
        for logit in logits:
            p = sigmoid(logit)
            total -= of_step * (positive * target * np.log(p) + (1 - target) * np.log(1 - p))
    return share * total / len(steps)


def boundaries(logits, mask, threshold):
    """Steps at which a local maximum of the probability reaches a threshold."""
    found = []
    for step in range(len(logits)):
        neighbours = [place for place in (step - 1, step + 1) if 0 <= place < len(logits) and mask[place]]
        highest = all(logits[step] > logits[place] for place in neighbours)
        if mask[step] and highest and sigmoid(logits[step]) >= threshold:
            found.append(step)
    return found


def refined(probs, logits, mask, threshold=0.5, vote="mean"):
    """Probabilities (T, K) that are the same in a segment."""
    out, begins = np.array(probs), [0, *boundaries(logits, mask, threshold), len(probs)]
    for begin, end in zip(begins[:-1], begins[1:], strict=True):
        steps = [step for step in range(begin, end) if mask[step]]
        if vote == "majority":
            ballots = np.zeros(probs.shape[1])
            for step in steps:
                ballots[np.argmax(probs[step])] += 1
            agreed = ballots / max(len(steps), 1)
        else:
            agreed = np.mean([probs[step] for step in steps], axis=0) if steps else None
        for step in steps:
            out[step] = agreed
    return out
