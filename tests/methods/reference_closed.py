"""Slow, plain references of the closed forms, in numpy: a loop where the package has a product."""

import numpy as np


def delayed(x_TK, mask_T, step_s, taps, stride_s, causal=False):
    """Copies (T, taps * K): the nearest valid step to each delayed one, of two the earlier."""
    steps = len(x_TK)
    valid = [t for t in range(steps) if mask_T[t]]
    rows = []
    for t in range(steps):
        row = []
        for tap in range(taps):
            exact = (tap - (taps - 1 if causal else (taps - 1) / 2)) * stride_s / step_s
            shift = int(np.sign(exact) * np.floor(abs(exact) + 0.5 + 1e-9))
            wanted = min(max(t + shift, 0), steps - 1)
            earlier = [s for s in valid if s <= wanted]
            nearest = min(valid, key=lambda s: (abs(s - wanted), s))
            row.append(x_TK[(earlier or valid[:1])[-1] if causal else nearest])
        rows.append(np.concatenate(row))
    return np.stack(rows)


def canonical(views, strength, size):
    """MAXVAR by the generalised eigenproblem of all features at once: maps (D, Z) of mean variance 1 over views."""
    from scipy.linalg import block_diag, eigh

    centred = [x_ND - x_ND.mean(0) for x_ND in views]
    whole = np.concatenate(centred, axis=1)
    between = whole.T @ whole / len(whole)
    ridges = [strength * np.mean(np.var(x_ND, axis=0)) * np.eye(x_ND.shape[1]) for x_ND in centred]
    within = block_diag(*[x_ND.T @ x_ND / len(x_ND) for x_ND in centred]) + block_diag(*ridges)
    values, vectors = eigh(between + block_diag(*ridges), within)
    vectors = vectors[:, ::-1][:, :size] * len(views) ** 0.5
    ends = np.cumsum([x_ND.shape[1] for x_ND in views])
    return np.split(vectors, ends[:-1]), (values[::-1][:size] - 1) / (len(views) - 1)


def fourier(x_ND, frequency_KM, phase_M):
    """Random features (N, M), one at a time."""
    columns = [np.cos(x_ND @ f_K + p) for f_K, p in zip(frequency_KM.T, phase_M, strict=True)]
    return np.sqrt(2 / len(phase_M)) * np.stack(columns, axis=1)


def gower(views, rounds=2000):
    """Turned views: each fitted in turn to the mean of all of them (Gower 1975)."""
    turned = [x_NZ.copy() for x_NZ in views]
    for _ in range(rounds):
        for v, x_NZ in enumerate(views):
            mean_NZ = sum(turned[w] for w in range(len(views)) if w != v)
            left, _, right = np.linalg.svd(x_NZ.T @ mean_NZ)
            turned[v] = x_NZ @ left @ right
    return turned


def coral(x_ND, reference_ND, strength):
    """Whitened by the features' own covariances, coloured by the reference's."""
    from scipy.linalg import fractional_matrix_power

    def spread(y_ND):
        covariance = np.cov(y_ND.T, bias=True)
        return covariance + strength * np.trace(covariance) / len(covariance) * np.eye(len(covariance))

    whitened = (x_ND - x_ND.mean(0)) @ fractional_matrix_power(spread(x_ND), -0.5)
    return (whitened @ fractional_matrix_power(spread(reference_ND), 0.5)).real + reference_ND.mean(0)
