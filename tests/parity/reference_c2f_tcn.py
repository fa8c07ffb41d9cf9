"""C2F-TCN written out in numpy, float64, one sequence and one step at a time: slow, plain, and made for comparing.

Sequences are (C, T) arrays of exactly their own canvas; a batch is a list of them. Only batch norm looks at more
than one. No code is shared with the package.
"""

import numpy as np

EPS, MOMENTUM = 1e-5, 0.1


class Reference:
    """The net with given weights.

    Args:
        state: parameters and buffers by their published names; running statistics are updated in training.
        training: take batch statistics (of steps that count) instead of running ones.
    """

    def __init__(self, state, training):
        self.state = {name: np.array(value, dtype=np.float64) for name, value in state.items()}
        self.training = training

    def __call__(self, sequences, valid):
        """Logits of the six levels, finest first: per level a list of (K, canvas) arrays.

        Args:
            sequences: features, (D, canvas) each.
            valid: per sequence a list of bools, which steps hold something: the others are set to zero after
                each convolution, and left out of batch statistics.
        """
        canvas = [x.shape[1] for x in sequences]
        xs = self.block("inc.conv.conv", sequences, valid)
        skips = [(xs, valid)]
        for level in range(1, 7):
            valid = [pool_valid(v) for v in valid]
            xs = self.block(f"down{level}.max_pool_conv.1.conv", [max_pool(x, 2) for x in xs], valid)
            skips.append((xs, valid))
        skips.pop()
        xs = [self.pyramid(x) for x in xs]
        outputs = []
        for up, out in (("up", "outcc0"), *((f"up{i}", f"outcc{i + 1 if i < 4 else ''}") for i in range(5))):
            skip_xs, valid = skips.pop()
            wide = []
            for x, skip in zip(xs, skip_xs, strict=True):
                doubled = stretch(x, 2 * x.shape[1])
                missing = skip.shape[1] - doubled.shape[1]
                doubled = np.concatenate([doubled, np.zeros((len(doubled), missing))], axis=1)
                wide.append(np.concatenate([skip, doubled]))
            xs = self.block(f"{up}.conv.conv", wide, valid)
            outputs.insert(0, [stretch(self.conv(f"{out}.conv", x), n) for x, n in zip(xs, canvas, strict=True)])
        return outputs

    def block(self, name, xs, valid):
        for conv, norm in ((0, 1), (3, 4)):
            xs = self.norm(f"{name}.{norm}", [self.conv(f"{name}.{conv}", x) for x in xs], valid)
            xs = [np.where(v, np.maximum(x, 0), 0) for x, v in zip(xs, valid, strict=True)]
        return xs

    def conv(self, name, x):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        taps = weight.shape[2]
        y = np.zeros((len(weight), x.shape[1]))
        for t in range(x.shape[1]):
            y[:, t] = bias
            for tap in range(taps):
                source = t + tap - taps // 2
                if 0 <= source < x.shape[1]:
                    y[:, t] += weight[:, :, tap] @ x[:, source]
        return y

    def norm(self, name, xs, valid):
        mean, variance = self.state[f"{name}.running_mean"], self.state[f"{name}.running_var"]
        if self.training:
            steps = [x[:, t] for x, v in zip(xs, valid, strict=True) for t in range(x.shape[1]) if v[t]]
            mean = sum(steps) / len(steps)
            variance = sum((s - mean) ** 2 for s in steps) / len(steps)
            unbiased = variance * len(steps) / (len(steps) - 1)
            for key, now in (("running_mean", mean), ("running_var", unbiased)):
                old = self.state[f"{name}.{key}"]
                self.state[f"{name}.{key}"] = (1 - MOMENTUM) * old + MOMENTUM * now
            self.state[f"{name}.num_batches_tracked"] += 1
        scale = self.state[f"{name}.weight"] / np.sqrt(variance + EPS)
        return [(x - mean[:, None]) * scale[:, None] + self.state[f"{name}.bias"][:, None] for x in xs]

    def pyramid(self, x):
        pooled = [self.conv("tpp.conv", max_pool(x, size)) for size in (2, 3, 5, 6)]
        return np.concatenate([stretch(p, x.shape[1]) for p in pooled] + [x])


def max_pool(x, size):
    """Greatest of each whole group of ``size`` steps."""
    return np.stack([x[:, i : i + size].max(axis=1) for i in range(0, x.shape[1] - size + 1, size)], axis=1)


def pool_valid(valid):
    """A pair holds something if one of its steps does; an odd last step belongs to the last pair."""
    pairs = len(valid) // 2
    return [any(valid[2 * i : len(valid) if i == pairs - 1 else 2 * i + 2]) for i in range(pairs)]


def stretch(x, steps):
    """Linear interpolation to ``steps`` steps, first on first and last on last."""
    y = np.zeros((len(x), steps))
    for t in range(steps):
        place = t * (x.shape[1] - 1) / (steps - 1) if steps > 1 else 0.0
        low = min(int(np.floor(place + 1e-12)), x.shape[1] - 1)
        high = min(low + 1, x.shape[1] - 1)
        y[:, t] = x[:, low] + (x[:, high] - x[:, low]) * (place - low)
    return y


def probabilities(levels, weights):
    """Weighted mean over levels of the softmaxed logits of one sequence: (K, T) from a list of (K, T)."""
    total = np.zeros_like(levels[0])
    for level, weight in zip(levels, weights, strict=True):
        for t in range(level.shape[1]):
            powers = np.exp(level[:, t] - level[:, t].max())
            total[:, t] += weight / sum(weights) * powers / powers.sum()
    return total


def loss(probs, labels, masks, smoothing_weight=0.17, pairs=None, floor=0.0, ignore=-100):
    """Cross-entropy and weighted smoothing over a list of sequences, by loops.

    Args:
        probs: per sequence (K, T).
        labels: per sequence T ints.
        masks: per sequence T bools.
        pairs: number of pairs the smoothing is divided by; by default those of two valid steps.
    """
    entropies, changes, found = [], [], 0
    for prob, label, mask in zip(probs, labels, masks, strict=True):
        logs = np.log(prob + floor)
        for t in range(len(label)):
            if mask[t] and label[t] != ignore:
                entropies.append(-logs[label[t], t])
            if t and mask[t] and mask[t - 1]:
                found += 1
                changes += [min((logs[k, t] - logs[k, t - 1]) ** 2, 16.0) for k in range(len(prob))]
    pairs = found if pairs is None else pairs
    entropy = sum(entropies) / max(len(entropies), 1)
    return entropy + smoothing_weight * sum(changes) / (max(pairs, 1) * len(probs[0]))
