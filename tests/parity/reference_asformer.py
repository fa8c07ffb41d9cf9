"""ASFormer written out in numpy, float64, one sequence, one step and one window at a time: slow, plain, and made for
comparing. From the paper (Yi, Wen, Jiang, BMVC 2021), the names in released checkpoints, and the masks these were
trained with. No code is shared with the package.

Sequences are (C, T) arrays of their own length; steps that hold nothing are left out of everything.
"""

import numpy as np

EPS, LEAK = 1e-5, 1e-6


class Reference:
    """The network with given weights, as in evaluation.

    Args:
        state: parameters by their published names.
        masks: "exact": weights over the steps that hold something; "released": as the released code has it.
        causal: look back only.
    """

    def __init__(self, state, masks="exact", causal=False):
        self.state = {name: np.array(value, dtype=np.float64) for name, value in state.items()}
        self.masks, self.causal = masks, causal
        self.layers = sum(name.startswith("encoder.layers.") for name in state) // 12
        self.decoders = len({name.split(".")[1] for name in state if name.startswith("decoders.")})

    def __call__(self, x, valid):
        """Logits (K, T) of the encoder and each decoder, in this order.

        Args:
            x: features (D, T).
            valid: T bools, which steps hold something.
        """
        logits, features = self.stage("encoder", np.where(valid, x, 0), None, 1.0, valid)
        outputs = [logits]
        for place in range(self.decoders):
            probs = np.exp(logits - logits.max(axis=0))
            probs = probs / probs.sum(axis=0) * valid
            logits, features = self.stage(f"decoders.{place}", probs, features, np.exp(-3.0 * place), valid)
            outputs.append(logits)
        return outputs

    def stage(self, name, x, cross, alpha, valid):
        x = self.conv(f"{name}.conv_1x1", x) * valid
        for layer in range(self.layers):
            part, reach = f"{name}.layers.{layer}", 2**layer
            out = np.maximum(self.conv(f"{part}.feed_forward.layer.0", x, reach), 0)
            normed = self.norm(out, valid)
            values = normed if cross is None else cross
            out = alpha * self.attention(f"{part}.att_layer", normed, values, reach, valid) + out
            x = (x + self.conv(f"{part}.conv_1x1", out)) * valid
        return self.conv(f"{name}.conv_out", x) * valid, x

    def conv(self, name, x, dilation=1):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        taps, steps = weight.shape[2], x.shape[1]
        y = np.zeros((len(weight), steps))
        for t in range(steps):
            y[:, t] = bias
            for tap in range(taps):
                shift = tap - (taps - 1) if self.causal else tap - taps // 2
                source = t + shift * dilation
                if 0 <= source < steps:
                    y[:, t] += weight[:, :, tap] @ x[:, source]
        return y

    def norm(self, x, valid):
        if self.causal:
            return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + EPS)
        kept = x[:, valid]
        return (x - kept.mean(axis=1, keepdims=True)) / np.sqrt(kept.var(axis=1, keepdims=True) + EPS)

    def attention(self, name, x, values, width, valid):
        query, key, value = (
            self.conv(f"{name}.{part}_conv", source) for part, source in (("query", x), ("key", x), ("value", values))
        )
        mixed = np.zeros_like(value)
        for t in range(x.shape[1]):
            start = t // width * width
            first, end = start - width // 2, start + width + width // 2
            if self.causal:
                first, end = start - width, t + 1
            mixed[:, t] = self.mix(query[:, t], key, value, range(first, end), valid)
        return self.conv(f"{name}.conv_out", np.maximum(mixed, 0)) * valid

    def mix(self, query, key, value, window, valid):
        """One step's mean of values over its window of places, some of which hold nothing: their keys count as zero."""
        there = [0 <= place < key.shape[1] and bool(valid[place]) for place in window]
        scores = [
            query @ key[:, place] / np.sqrt(len(query)) if known else 0.0
            for place, known in zip(window, there, strict=True)
        ]
        if self.masks == "released":
            # Its window mask lacks the last of an even number of places.
            seen = [
                known and (len(window) == 1 or place < window[-1]) for place, known in zip(window, there, strict=True)
            ]
            scores = [score + np.log(mark + LEAK) for score, mark in zip(scores, seen, strict=True)]
        else:
            seen = there
            scores = [score if mark else -np.inf for score, mark in zip(scores, seen, strict=True)]
        if not any(seen):
            return np.zeros(len(value))
        powers = np.exp(np.array(scores) - max(scores))
        shares = powers / powers.sum()
        kept = [(share, place) for share, place, mark in zip(shares, window, seen, strict=True) if mark]
        return sum(share * value[:, place] for share, place in kept)


def loss(stages, labels, masks, weight=0.15, ignore=-100):
    """Cross-entropy and weighted truncated smoothing, summed over stages, by loops.

    Args:
        stages: per stage, per sequence (K, T) logits.
        labels: per sequence T ints.
        masks: per sequence T bools.
    """
    total = 0.0
    for sequences in stages:
        entropies, changes = [], []
        for logits, label, mask in zip(sequences, labels, masks, strict=True):
            logs = logits - logits.max(axis=0)
            logs = logs - np.log(np.exp(logs).sum(axis=0))
            for t in range(len(label)):
                if mask[t] and label[t] != ignore:
                    entropies.append(-logs[label[t], t])
                if t and mask[t] and mask[t - 1]:
                    changes.append(np.minimum((logs[:, t] - logs[:, t - 1]) ** 2, 16.0).mean())
        total += np.mean(entropies) + weight * np.mean(changes)
    return total
