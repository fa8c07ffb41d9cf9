"""Streams and their losses, slow and plain: numpy in float64, one vector at a time, from the definitions."""

import numpy as np


def linear(weights, name, x):
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def layer_norm(weights, name, x):
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    unit = np.array([(value - mean) / (variance + 1e-5) ** 0.5 for value in x])
    return unit * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def turned(vector, step):
    """Rotary position, by complex numbers: coordinates p and p + P of a head are one number, turned by a phase."""
    pairs = len(vector) // 2
    out = vector.copy()
    for p in range(pairs):
        number = complex(vector[p], vector[p + pairs]) * np.exp(1j * step * 10_000 ** (-p / pairs))
        out[p], out[p + pairs] = number.real, number.imag
    return out


def attention(weights, name, sequence, heads, positions):
    """Self-attention over a list of vectors; ``positions`` are their steps, or None for no positions."""
    dim = len(sequence[0])
    width = dim // heads
    parts = [weights[f"{name}.in_proj_weight"] @ x + weights[f"{name}.in_proj_bias"] for x in sequence]
    results = []
    for here, part in enumerate(parts):
        joined = []
        for head in range(heads):
            places = slice(head * width, (head + 1) * width)
            query = part[:dim][places]
            keys = [other[dim : 2 * dim][places] for other in parts]
            values = [other[2 * dim :][places] for other in parts]
            if positions is not None:
                query = turned(query, positions[here])
                keys = [turned(key, step) for key, step in zip(keys, positions, strict=True)]
            scores = np.array([query @ key / width**0.5 for key in keys])
            shares = np.exp(scores - scores.max())
            shares = shares / shares.sum()
            joined.append(sum(share * value for share, value in zip(shares, values, strict=True)))
        results.append(linear(weights, f"{name}.out_proj", np.concatenate(joined)))
    return results


def encoder_layer(weights, name, sequence, heads, positions):
    attended = attention(weights, f"{name}.self_attn", sequence, heads, positions)
    results = []
    for x, added in zip(sequence, attended, strict=True):
        x = layer_norm(weights, f"{name}.norm1", x + added)
        hidden = np.maximum(linear(weights, f"{name}.linear1", x), 0)
        results.append(layer_norm(weights, f"{name}.norm2", x + linear(weights, f"{name}.linear2", hidden)))
    return results


def sequences(mask_BT, context):
    """Places (row, step) that attend to each other."""
    rows, steps = mask_BT.shape
    if context == "frame":
        return [[(b, t)] for b in range(rows) for t in range(steps) if mask_BT[b, t]]
    if context == "time":
        return [[(b, t) for t in range(steps) if mask_BT[b, t]] for b in range(rows) if mask_BT[b].any()]
    return [[(b, t) for b in range(rows)] for t in range(steps)]


def through_stages(weights, stages, x_BTD, mask_BT, context, dim):
    """``stages``: (prefix, layers, heads, name of the linear map after it or None). Zeros at masked steps."""
    y_BTD = np.zeros((*mask_BT.shape, dim))
    for places in sequences(mask_BT, context):
        sequence = [x_BTD[place] for place in places]
        positions = [step for _, step in places] if context == "time" else None
        for prefix, layers, heads, link in stages:
            for layer in range(layers):
                sequence = encoder_layer(weights, f"{prefix}{layer}", sequence, heads, positions)
            if link is not None:
                sequence = [linear(weights, link, x) for x in sequence]
        for place, y in zip(places, sequence, strict=True):
            if mask_BT[place]:
                y_BTD[place] = y
    return y_BTD


def refiner(weights, x_BTD, mask_BT, context, layers, heads):
    x_BTD = np.where(mask_BT[..., None], x_BTD, 0.0)
    stages = [("layers.", layers, heads, None)]
    return x_BTD + through_stages(weights, stages, x_BTD, mask_BT, context, x_BTD.shape[2])


def joint(weights, stages, x_BVTD, mask_BT, context):
    """``stages``: (layers, heads) of each; the first V * D wide."""
    names = {name.split(".")[1] for name in weights if name.startswith("links.")}
    named = [
        (f"stages.{place}.", layers, heads, f"links.{place}" if str(place) in names else None)
        for place, (layers, heads) in enumerate(stages)
    ]
    wide_BTS = np.concatenate([x_BVTD[:, view] for view in range(x_BVTD.shape[1])], axis=2)
    return through_stages(weights, named, wide_BTS, mask_BT, context, x_BVTD.shape[3])


def squared_error(a_BTD, b_BTD, mask_BT):
    squares = [
        (a_BTD[b, t, d] - b_BTD[b, t, d]) ** 2
        for b, t in zip(*np.nonzero(mask_BT), strict=True)
        for d in range(a_BTD.shape[2])
    ]
    return sum(squares) / len(squares) if squares else 0.0


def paired(mask_BVT):
    return np.where(mask_BVT.sum(axis=1, keepdims=True) >= 2, mask_BVT, False)


def two_stream_terms(z_BVTD, joint_BTD, mask_BVT):
    """Reconstruction and invariance, unweighted."""
    kept_BVT = paired(mask_BVT)
    views = range(z_BVTD.shape[1])
    reconstruction = sum(squared_error(z_BVTD[:, v], joint_BTD, kept_BVT[:, v]) for v in views)
    invariance = sum(
        squared_error(z_BVTD[:, a], z_BVTD[:, b], kept_BVT[:, a] & kept_BVT[:, b])
        for a in views
        for b in views
        if a < b
    )
    return reconstruction, invariance


def spread_terms(z_BTD, mask_BT, target):
    """Variance and covariance terms of VICReg over the valid steps of one view."""
    z_ND = z_BTD[mask_BT]
    steps, dim = z_ND.shape
    mean_D = z_ND.sum(axis=0) / steps
    covariance = np.zeros((dim, dim))
    for z in z_ND:
        covariance += np.outer(z - mean_D, z - mean_D) / (steps - 1)
    variance = sum(max(0.0, target - (covariance[d, d] + 1e-4) ** 0.5) for d in range(dim)) / dim
    others = sum(covariance[i, j] ** 2 for i in range(dim) for j in range(dim) if i != j)
    return variance, others / dim


def ridge(x_ND, y_NE, strength):
    """Least squares with the penalty written as further rows; returns the two means and the map."""
    mean_x, mean_y = x_ND.mean(axis=0), y_NE.mean(axis=0)
    x, y = x_ND - mean_x, y_NE - mean_y
    steps, dim = x.shape
    penalty = strength * (x**2).mean()
    rows_x = np.concatenate([x, (steps * penalty) ** 0.5 * np.eye(dim)])
    rows_y = np.concatenate([y, np.zeros((dim, y.shape[1]))])
    return mean_x, mean_y, np.linalg.lstsq(rows_x, rows_y, rcond=None)[0]


def cca_pair(x_ND, y_ND, strength):
    """Regularised canonical correlations of two views, and their unit-variance components, by symmetric roots."""

    def root(covariance):
        values, vectors = np.linalg.eigh(covariance)
        return vectors @ np.diag(values**-0.5) @ vectors.T

    x, y = x_ND - x_ND.mean(axis=0), y_ND - y_ND.mean(axis=0)
    within = [part.T @ part / len(part) for part in (x, y)]
    roots = [root(c + strength * np.trace(c) / len(c) * np.eye(len(c))) for c in within]
    left, correlations, right = np.linalg.svd(roots[0] @ (x.T @ y / len(x)) @ roots[1])
    return correlations, x @ roots[0] @ left, y @ roots[1] @ right.T
