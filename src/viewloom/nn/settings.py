"""Choices that networks offer."""

from typing import Literal

Standardise = Literal["none", "pooled", "view"]
"""What features are standardised by: nothing, one mean and deviation over all views, or each view's own."""
Context = Literal["frame", "time", "batch"]
"""What a step may look at.

frame: itself alone. Attention over a single step gives that step all the weight, so only its value and output
    projections act.
time: the valid steps of its own row, with rotary positions.
batch: the steps at the same place in all rows of the batch, with neither mask nor positions. This is what the
    released code does, by leaving out ``batch_first``; a result then depends on its batch mates. For parity only.

With frame and time only valid steps are computed: at least half of the published windows is padding.
"""
EncoderKind = Literal["frame", "conv", "transformer"]
"""What an encoder looks at: each step by itself, its neighbours by dilated convolutions, all steps of a row."""
