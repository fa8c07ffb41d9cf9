"""Faults in the heads with attention, and in what they are built of."""

from tests.mutants.mutant import Mutant

EVERY = "tests/test_every_head.py"
MASKS = (f"{EVERY}::test_masked_steps_change_neither_loss_nor_gradients_nor_statistics",)
ASFORMER, PARITY = "heads/asformer.py", ("tests/parity/test_asformer.py",)
ASFORMER_TESTS = ("tests/heads/test_asformer.py", *PARITY)
LTCONTEXT, LTCONTEXT_TESTS = "heads/ltcontext.py", ("tests/parity/test_ltcontext.py", "tests/heads/test_ltcontext.py")
STAGED, WINDOWS, MASKED = "heads/staged.py", "nn/window_attention.py", "nn/masked.py"

MUTANTS = [
    Mutant(
        "offset_of_the_projection_at_padding",
        ASFORMER,
        "self.conv_1x1(x_BCT).masked_fill(outside_B1T, 0.0)",
        "self.conv_1x1(x_BCT)",
        (*PARITY, *MASKS),
    ),
    Mutant(
        "decoders_attend_to_their_own_values",
        ASFORMER,
        "normed_BCT if cross_BCT is None else cross_BCT",
        "normed_BCT",
        PARITY,
    ),
    Mutant("decoders_trust_alike", ASFORMER, "math.exp(-DECAY * place)", "1.0", ASFORMER_TESTS),
    Mutant("encoder_first", ASFORMER, "return levels[::-1]", "return levels", PARITY),
    Mutant(
        "causal_convolution_looks_ahead",
        ASFORMER,
        "DilatedConv1d(config.width, dilation, config.causal)",
        "DilatedConv1d(config.width, dilation, False)",
        ASFORMER_TESTS,
    ),
    Mutant("causal_norm_of_the_row", ASFORMER, "step_norm(found_BCT) if self.causal else ", "", ASFORMER_TESTS),
    Mutant("whole_features_kept", ASFORMER, "F.dropout1d(", "F.dropout(", ASFORMER_TESTS),
    Mutant(
        "future_of_its_own_block",
        WINDOWS,
        "place_S <= before + place_S[:width, None]",
        "place_S <= window + place_S[:width, None]",
        ASFORMER_TESTS,
    ),
    Mutant("released_window_is_whole", WINDOWS, "place_S < window - 1", "place_S < window", ASFORMER_TESTS),
    Mutant("released_share_is_not_lost", WINDOWS, ".softmax(dim=-1) * share_QK", ".softmax(dim=-1)", ASFORMER_TESTS),
    Mutant(
        "masked_steps_have_a_share",
        WINDOWS,
        ".masked_fill(~seen_QK, torch.finfo(scores_QK.dtype).min)",
        "",
        (*PARITY, *MASKS),
    ),
    Mutant("nearby_at_the_stride", LTCONTEXT, "valid_BT, self.stride)", "valid_BT, self.window)", LTCONTEXT_TESTS),
    Mutant("refined_from_logits", LTCONTEXT, "self.shares(level_BKT)", "level_BKT", LTCONTEXT_TESTS),
    Mutant(
        "norm_with_masked_steps",
        MASKED,
        "(x_BCT.to(wide) - mean_BC1) * valid_B1T",
        "(x_BCT.to(wide) - mean_BC1)",
        ("tests/nn/test_masked.py", *PARITY),
    ),
    Mutant("the_first_stage_decides", STAGED, "levels[0].softmax", "levels[-1].softmax", PARITY),
]
