"""Weight of the invariance term over the epochs."""


def invariance_weight(epoch: int) -> float:
    """The report's `lam(e) = (100 + e) / (100 + e^1.18)`: 1 at epoch 0, .61 at 100, .45 at 250.

    Args:
        epoch: counted from 0.
    """
    return float((100 + epoch) / (100 + epoch**1.18))
