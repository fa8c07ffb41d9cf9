"""LTContext written out in numpy, float64, one sequence and one step at a time, as `reference_asformer`, from which
convolution and instance norm are taken."""

import math

import numpy as np

from tests.parity.reference_asformer import Reference


class LTContextReference(Reference):
    """The network with given weights, as in evaluation.

    Args:
        state: parameters by name.
        window: steps of a block of local attention.
        stride: steps between two steps of long-term attention.
    """

    def __init__(self, state, window, stride):
        self.state = {name: np.array(value, dtype=np.float64) for name, value in state.items()}
        self.causal, self.window, self.stride = False, window, stride
        self.layers = sum(name.startswith("first.layers.") and name.endswith(".linear.bias") for name in state)
        self.refining = len({name.split(".")[1] for name in state if name.startswith("refining.")})

    def __call__(self, x, valid):
        """Logits (K, T) of every stage, the first one first, from features (D, T)."""
        logits, features = self.stage("first", np.where(valid, x, 0), None, valid)
        outputs = [logits]
        for place in range(self.refining):
            probs = np.exp(logits - logits.max(axis=0))
            logits, features = self.stage(f"refining.{place}", probs / probs.sum(axis=0), features, valid)
            outputs.append(logits)
        return outputs

    def stage(self, name, x, cross, valid):
        if f"{name}.fit.weight" in self.state:
            cross = self.conv(f"{name}.fit", cross)
        x = self.conv(f"{name}.project", x) * valid
        for layer in range(self.layers):
            part = f"{name}.layers.{layer}"
            found = gelu(self.conv(f"{part}.conv", x, 2**layer))
            found = found + self.attention(f"{part}.near", found, cross, self.neighbours, valid)
            found = found + self.attention(f"{part}.far", found, cross, self.spread, valid)
            x = (x + self.conv(f"{part}.linear", found)) * valid
        return self.conv(f"{name}.classify", x) * valid, x

    def neighbours(self, step, steps):
        start = step // self.window * self.window
        return range(max(0, start - self.window // 2), min(steps, start + self.window + self.window // 2))

    def spread(self, step, steps):
        return range(step % self.stride, steps, self.stride)

    def attention(self, name, x, cross, places, valid):
        normed = self.norm(x, valid)
        query, value = (
            self.conv(f"{name}.query", normed),
            self.conv(f"{name}.value", normed if cross is None else cross),
        )
        key = self.state[f"{name}.key.weight"][:, :, 0] @ normed
        mixed = np.zeros_like(value)
        for t in range(x.shape[1]):
            seen = [place for place in places(t, x.shape[1]) if valid[place]]
            if seen:
                scores = query[:, t] @ key[:, seen] / math.sqrt(len(query))
                powers = np.exp(scores - scores.max())
                mixed[:, t] = value[:, seen] @ (powers / powers.sum())
        return self.conv(f"{name}.out", mixed)


def gelu(x):
    """Each value times the probability that a standard normal one is below it."""
    return x * np.vectorize(lambda value: 0.5 * (1 + math.erf(value / math.sqrt(2))))(x)
