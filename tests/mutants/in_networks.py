"""Faults in heads and building blocks."""

from tests.mutants.mutant import Mutant

EVERY = "tests/test_every_head.py"
MASKS = (f"{EVERY}::test_masked_steps_change_neither_loss_nor_gradients_nor_statistics",)
ALONE = (f"{EVERY}::test_result_of_a_row_is_its_own",)
LINEAR, LINEAR_TESTS = "heads/linear.py", ("tests/heads/test_linear.py", *MASKS)
C2F, PARITY = "heads/c2f_tcn.py", ("tests/parity/test_c2f_tcn.py",)
C2F_TESTS = ("tests/heads/test_c2f_tcn.py", *PARITY, *MASKS, *ALONE)
LOSS, STAGED, DILATED = "losses/segmentation.py", "heads/staged.py", "nn/dilated.py"
MS_TCN2 = "heads/ms_tcn2.py"
STAGES, OF_STAGED = ("tests/heads/test_staged.py",), ("tests/parity/test_staged.py", *ALONE)
HEADS_TOGETHER = (f"{EVERY}::test_two_processes_equal_one_at_the_same_global_batch",)
PUBLISHED, CONVERT = "training/published.py", ("tests/training/test_convert.py",)
MASKED, MASKED_TESTS = "nn/masked.py", ("tests/nn/test_masked.py",)
ENCODER, ENCODER_TESTS = "nn/encoder.py", ("tests/nn/test_encoder.py", "tests/parity/test_streams.py")
TOGETHER = ("tests/methods/test_distillation.py::test_two_processes_equal_one_when_one_lacks_the_student_s_view",)
METHODS_TOGETHER = ("tests/test_every_method.py::test_two_processes_equal_one_at_the_same_global_batch",)

MUTANTS = [
    Mutant("padding_has_labels", LINEAR, "labels_BT.masked_fill(~mask_BT, IGNORE)", "labels_BT", LINEAR_TESTS),
    Mutant("logits_at_masked_steps", LINEAR, "logits_BTK.masked_fill(outside_BT1, 0.0)", "logits_BTK", LINEAR_TESTS),
    Mutant("bias_always", LINEAR, "bias=self.config.bias", "bias=True", LINEAR_TESTS),
    Mutant("linear_decides_without_softmax", LINEAR, ".softmax(dim=-1)\n", ".sigmoid()\n", LINEAR_TESTS),
    Mutant("smoothing_at_full_weight", LOSS, "entropy + weight * change", "entropy + change", PARITY),
    Mutant("smoothing_across_holes", LOSS, "mask_BT[:, 1:] & mask_BT[:, :-1]", "mask_BT[:, 1:]", C2F_TESTS),
    Mutant("labels_of_padding", LOSS, "labels_BT.masked_fill(~mask_BT, IGNORE)", "labels_BT", C2F_TESTS),
    Mutant("padding_counted_as_labelled", LOSS, "mask_BT & (labels_BT != IGNORE)", "labels_BT != IGNORE", C2F_TESTS),
    Mutant("levels_coarsest_first", C2F, "return levels[::-1]", "return levels", C2F_TESTS),
    Mutant(
        "canvas_of_the_longest_mate",
        C2F,
        "lengths_B.clamp(min=MIN_STEPS)",
        "torch.full_like(lengths_B, steps)",
        C2F_TESTS,
    ),
    Mutant(
        "stretched_to_the_skip",
        C2F,
        "coarser.lengths_B, 2 * coarser.lengths_B",
        "coarser.lengths_B, canvas.lengths_B",
        PARITY,
    ),
    Mutant("pyramid_of_other_pools", "heads/settings.py", "POOLS = (2, 3, 5, 6)", "POOLS = (2, 3, 4, 6)", PARITY),
    Mutant(
        "summaries_behind_the_input",
        C2F,
        "torch.cat([*summaries, x_BCT], dim=1)",
        "torch.cat([x_BCT, *summaries], dim=1)",
        PARITY,
    ),
    Mutant(
        "skip_behind_the_upsampled",
        C2F,
        "torch.cat([skip_BCT, doubled_BCT], dim=1)",
        "torch.cat([doubled_BCT, skip_BCT], dim=1)",
        PARITY,
    ),
    Mutant(
        "padding_grows_from_layer_to_layer",
        C2F,
        "relu(canvas.clear(norm(conv(x_BCT), canvas.valid_BT)))",
        "relu(norm(conv(x_BCT), canvas.valid_BT))",
        C2F_TESTS,
    ),
    Mutant("released_floor_ignored", C2F, "self.weights, self.config.probability_floor)", "self.weights)", PARITY),
    Mutant(
        "pairs_of_valid_steps_only",
        C2F,
        'if config.smoothing_mean == "all":',
        'if config.smoothing_mean == "":',
        PARITY,
    ),
    Mutant(
        "smoothing_left_out",
        STAGED,
        "config.smoothing, config.smoothing_limit**2",
        "0.0, config.smoothing_limit**2",
        OF_STAGED,
    ),
    Mutant("smoothing_limit_not_squared", STAGED, "config.smoothing_limit**2", "config.smoothing_limit", OF_STAGED),
    Mutant("stages_first_one_first", STAGED, "reversed(stages_BKT)", "stages_BKT", OF_STAGED),
    Mutant(
        "masked_steps_enter_the_stages", STAGED, "x_BTD.mT.masked_fill(outside_B1T, 0.0)", "x_BTD.mT", (*MASKS, *ALONE)
    ),
    Mutant("own_count_in_each_process", STAGED, "mean_count(counted_2) if self.training else ", "", HEADS_TOGETHER),
    Mutant("causal_looks_ahead", DILATED, "self.with_past(input, self.back)", "F.pad(input, (0, self.back))", STAGES),
    Mutant("causal_left_out", DILATED, "2 * dilation if causal else 0", "0 * dilation", STAGES),
    Mutant("dilation_grows_by_ones", DILATED, "Residual(width, 2**layer", "Residual(width, 1 + layer", OF_STAGED),
    Mutant("layer_without_residual", DILATED, "(self.waiting(x_BCT) + change_BCT)", "change_BCT", OF_STAGED),
    Mutant("layer_without_relu", DILATED, "F.relu(self.conv_dilated(x_BCT))", "self.conv_dilated(x_BCT)", OF_STAGED),
    Mutant(
        "padding_flows_back_from_layers",
        DILATED,
        "(self.waiting(x_BCT) + change_BCT).masked_fill(outside_B1T, 0.0)",
        "(self.waiting(x_BCT) + change_BCT)",
        OF_STAGED,
    ),
    Mutant(
        "padding_flows_back_from_the_entry",
        DILATED,
        "self.conv_1x1(x_BCT).masked_fill(outside_B1T, 0.0)",
        "self.conv_1x1(x_BCT)",
        OF_STAGED,
    ),
    Mutant("dropout_left_out", DILATED, "self.dropout(self.conv_1x1(", "(self.conv_1x1(", STAGES),
    Mutant("dilations_rise_together", MS_TCN2, "in reversed(dilations)", "in dilations", OF_STAGED),
    Mutant("fused_the_other_way_round", MS_TCN2, "[far(x_BCT), near(x_BCT)]", "[near(x_BCT), far(x_BCT)]", OF_STAGED),
    Mutant("fusion_without_relu", MS_TCN2, "F.relu(fuse(torch.cat(", "(fuse(torch.cat(", OF_STAGED),
    Mutant(
        "logits_refined_not_probabilities",
        MS_TCN2,
        "self.shares(stages_BKT[-1])",
        "stages_BKT[-1]",
        OF_STAGED,
    ),
    Mutant(
        "every_stage_refines_the_first",
        MS_TCN2,
        "self.shares(stages_BKT[-1])",
        "self.shares(stages_BKT[0])",
        OF_STAGED,
    ),
    Mutant("published_depth_assumed", PUBLISHED, '_entries(weights, "Rs.0.layers.")', "10", CONVERT),
    Mutant(
        "published_head_standardises",
        PUBLISHED,
        '"Rs.0.layers.")),\n        standardise=False,',
        '"Rs.0.layers.")),',
        CONVERT,
    ),
    Mutant("published_asformer_repairs_its_masks", PUBLISHED, 'masks="released"', 'masks="exact"', CONVERT),
    Mutant("published_asformer_has_three_decoders", PUBLISHED, '_entries(weights, "decoders.")', "3", CONVERT),
    Mutant("single_frames_pooled", "training/convert.py", 'pooling="first"', 'pooling="max"', CONVERT),
    Mutant("other_heads_not_looked_for", PUBLISHED, "other != head and", "False and", CONVERT),
    Mutant("stages_vote", "training/convert.py", "config.level_weights is not None and", "False and", CONVERT),
    Mutant(
        "input_is_dropped", DILATED, "(self.waiting(x_BCT) + change_BCT)", "self.dropout(x_BCT + change_BCT)", STAGES
    ),
    Mutant("generation_never_drops", MS_TCN2, "self.dropout(fused_BCT)", "fused_BCT", STAGES),
    Mutant("masked_steps_enter_the_net", C2F, "x_BTD.mT.masked_fill(~mask_BT[:, None], 0.0)", "x_BTD.mT", C2F_TESTS),
    Mutant(
        "window_canvas_is_the_row", C2F, 'if self.config.canvas == "window":', 'if self.config.canvas == "":', C2F_TESTS
    ),
    Mutant(
        "running_variance_biased",
        MASKED,
        "unbiased_C = var_C * count / (count - 1).clamp(min=1)",
        "unbiased_C = var_C",
        MASKED_TESTS,
    ),
    Mutant("no_gradient_through_the_mean", MASKED, ".add_(by_mean_C[:, None])", "", MASKED_TESTS),
    Mutant(
        "variance_over_all_steps",
        MASKED,
        "(centred_BCT.square().mul_(valid_B1T))",
        "centred_BCT.square()",
        MASKED_TESTS,
    ),
    Mutant("resized_past_the_last_step", MASKED, "(to_B - 1).clamp(min=1)", "to_B", MASKED_TESTS),
    Mutant(
        "resize_keeps_what_is_beyond",
        MASKED,
        "kept_BS = place_S < to_B[:, None]",
        "kept_BS = place_S < steps + 0 * to_B[:, None]",
        MASKED_TESTS,
    ),
    Mutant(
        "pooling_drops_the_rest",
        MASKED,
        "groups_BN | (last_BN & dropped_BT.any(dim=1, keepdim=True))",
        "groups_BN",
        MASKED_TESTS,
    ),
    Mutant(
        "length_is_the_number_of_steps", MASKED, "(mask_BT * places).amax(dim=1)", "mask_BT.sum(dim=1)", MASKED_TESTS
    ),
    Mutant("keys_not_turned", ENCODER, "rotate(k_NHW, *turn)", "k_NHW", ENCODER_TESTS),
    Mutant(
        "dropped_attention_of_all_heads",
        ENCODER,
        "v_ND.new_ones(len(v_ND), self.heads, 1)",
        "v_ND.new_ones(len(v_ND), 1, 1)",
        ENCODER_TESTS,
    ),
    Mutant(
        "attention_dropout_in_evaluation",
        ENCODER,
        "if not self.training or self.dropout == 0:",
        "if self.dropout == 0:",
        (*ENCODER_TESTS, "tests/test_every_method.py::test_dropout_is_on_in_training_only"),
    ),
    Mutant("no_attention_dropout_in_time", ENCODER, "self.dropout if self.training else 0.0", "0.0", ENCODER_TESTS),
    Mutant("another_activation", ENCODER, "F.relu(self.linear1(x_PD))", "F.gelu(self.linear1(x_PD))", ENCODER_TESTS),
    Mutant(
        "feed_forward_without_residual", ENCODER, "self.norm2(x_PD + self.drop(", "self.norm2(self.drop(", ENCODER_TESTS
    ),
    Mutant(
        "values_are_the_keys",
        ENCODER,
        "self.in_proj_weight[2 * dim :], self.in_proj_bias[2 * dim :]",
        "self.in_proj_weight[dim : 2 * dim], self.in_proj_bias[2 * dim :]",
        ENCODER_TESTS,
    ),
    Mutant("rows_share_one_clock", ENCODER, "table_TP[self._places[1]]", "table_TP[self._places[0]]", ENCODER_TESTS),
    Mutant(
        "every_layer_starts_alike",
        ENCODER,
        "nn.ModuleList(EncoderLayer(size, dropout) for _ in range(size.layers))",
        "nn.ModuleList(__import__('copy').deepcopy(x) for x in [EncoderLayer(size, dropout)] * size.layers)",
        ENCODER_TESTS,
    ),
    Mutant("positions_turn_faster", "nn/positions.py", "BASE = 10_000.0", "BASE = 1_000.0", ENCODER_TESTS),
    Mutant(
        "rotation_turns_one_way_only",
        "nn/positions.py",
        "first * cos_N1P - second * sin_N1P",
        "first * cos_N1P + second * sin_N1P",
        ENCODER_TESTS,
    ),
    Mutant("narrow_heads", "nn/sizes.py", "MIN_HEAD_WIDTH = 16", "MIN_HEAD_WIDTH = 8", ENCODER_TESTS),
    Mutant(
        "depth_rounds_to_no_layer",
        "nn/sizes.py",
        "max(1, round(layers * depth))",
        "round(layers * depth)",
        ("tests/methods/test_two_stream.py",),
    ),
    Mutant(
        "counts_summed_over_processes",
        "nn/distributed.py",
        "sum_over_processes(count) / world_size()",
        "sum_over_processes(count)",
        TOGETHER,
    ),
    Mutant(
        "own_part_counts_once",
        "nn/distributed.py",
        "world * (value - value.detach())",
        "(value - value.detach())",
        METHODS_TOGETHER,
    ),
]
