"""TCN, MS-TCN++ and their loss written out in numpy, float64, step by step: slow, plain, and made for comparing.

A sequence is a (C, T) array; where ``valid`` is False every layer's output is zero. No code is shared with the package.
"""

import numpy as np

IGNORE = -100


class Reference:
    """The arithmetic of given weights.

    Args:
        state: parameters by their published names.
        causal: the taps of a dilated convolution stand at t - 2d, t - d and t, not at t - d, t and t + d.
    """

    def __init__(self, state, causal=False):
        self.state = {name: np.asarray(value, dtype=np.float64) for name, value in state.items()}
        self.causal = causal

    def convolved(self, name, x, dilation=1):
        """Every output step as the sum over the taps that lie in the sequence."""
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        taps = weight.shape[2]
        first = 0 if taps == 1 else -2 * dilation if self.causal else -dilation
        out = np.repeat(bias[:, None], x.shape[1], axis=1)
        for step in range(x.shape[1]):
            for tap in range(taps):
                place = step + first + tap * dilation
                if 0 <= place < x.shape[1]:
                    out[:, step] += weight[:, :, tap] @ x[:, place]
        return out

    def count(self, prefix):
        """How many modules of a list there are."""
        return len({name[len(prefix) :].split(".")[0] for name in self.state if name.startswith(prefix)})

    def stage(self, prefix, x, valid):
        """1x1, residual layers, 1x1: a whole TCN, or a refinement stage."""
        x = self.convolved(f"{prefix}conv_1x1", x) * valid
        for layer in range(self.count(f"{prefix}layers.")):
            name = f"{prefix}layers.{layer}."
            wide = np.maximum(self.convolved(f"{name}conv_dilated", x, 2**layer), 0)
            x = (x + self.convolved(f"{name}conv_1x1", wide)) * valid
        return self.convolved(f"{prefix}conv_out", x) * valid

    def generation(self, x, valid):
        """The first stage of MS-TCN++: one dilation falls from layer to layer, the other one rises."""
        x = self.convolved("PG.conv_1x1_in", x) * valid
        layers = self.count("PG.conv_fusion.")
        for layer in range(layers):
            falling = self.convolved(f"PG.conv_dilated_1.{layer}", x, 2 ** (layers - 1 - layer))
            rising = self.convolved(f"PG.conv_dilated_2.{layer}", x, 2**layer)
            fused = self.convolved(f"PG.conv_fusion.{layer}", np.concatenate([falling, rising]))
            x = (x + np.maximum(fused, 0)) * valid
        return self.convolved("PG.conv_out", x) * valid

    def tcn(self, x, valid):
        """Logits (K, T) of the one stage."""
        return [self.stage("stage.", x * valid, valid)]

    def ms_tcn2(self, x, valid):
        """Logits (K, T) of every stage, in the order they are computed."""
        outs = [self.generation(x * valid, valid)]
        for stage in range(self.count("Rs.")):
            outs.append(self.stage(f"Rs.{stage}.", softmax(outs[-1]) * valid, valid))
        return outs


def softmax(logits):
    """Over the first axis."""
    weights = np.exp(logits - logits.max(axis=0))
    return weights / weights.sum(axis=0)


def loss(rows, labels, masks, weight=0.15, limit=4.0):
    """Sum over stages of cross-entropy plus smoothing, step by step.

    Args:
        rows: for each row the stages' logits (K, T).
        labels: for each row the class of every step.
        masks: for each row whether a step is valid.
    """
    total = 0.0
    for stage in range(len(rows[0])):
        entropies, changes = [], []
        for stages, row_labels, mask in zip(rows, labels, masks, strict=True):
            logs = np.log(softmax(stages[stage]))
            for step, label in enumerate(row_labels):
                if mask[step] and label != IGNORE:
                    entropies.append(-logs[label, step])
                if step and mask[step] and mask[step - 1]:
                    changes += [min(abs(change), limit) ** 2 for change in logs[:, step] - logs[:, step - 1]]
        total += np.mean(entropies) + weight * np.mean(changes)
    return total
