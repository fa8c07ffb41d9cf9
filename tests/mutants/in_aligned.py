"""Faults in methods and losses over sequences, hidden stretches and labelled segments."""

from tests.mutants.mutant import Mutant

CYCLE, DTW, SHARED = "losses/cycle.py", "losses/soft_dtw.py", "losses/shared_views.py"
SEQUENCES, MASKED, UNSEEN = "methods/sequences.py", "methods/masked_crossview.py", "methods/unseen_views.py"
LOSSES, VIEWS = ("tests/losses/test_sequence_losses.py",), ("tests/losses/test_shared_views.py",)
LONE = ("tests/training/test_lone_views.py",)
METHODS, LABELS = ("tests/methods/test_aligned.py",), ("tests/training/test_labelled_pairs.py",)

MUTANTS = [
    Mutant("distances_summed", "losses/distances.py", " / u_PND.shape[-1]", "", LOSSES),
    Mutant("neighbour_among_padding", CYCLE, ".masked_fill(~there_PNM, MASKED)", "", LOSSES),
    Mutant("cycle_ends_in_padding", CYCLE, "back_PNN.masked_fill(~u_there_PN[:, None, :], MASKED)", "back_PNN", LOSSES),
    Mutant("cycle_s_variance_ignored", CYCLE, ".square() / spread_PN", ".square()", LOSSES),
    Mutant("cycles_of_padding_counted", CYCLE, "each_PN.masked_fill(~there_PN, 0.0)", "each_PN", LOSSES),
    Mutant("warping_without_diagonal", DTW, "last_PI, _shifted(before_PI)]", "last_PI, _shifted(last_PI)]", LOSSES),
    Mutant("warping_to_the_end_of_padding", DTW, "n_P + m_P, n_P]\n\n", "-1 + 0 * m_P, -1 + 0 * n_P]\n\n", LOSSES),
    Mutant("warping_s_gradient_loses_a_way", DTW, "+= across_PI", "+= 0 * across_PI", LOSSES),
    Mutant("divergence_without_its_half", DTW, "(within_u_P + within_v_P) / 2", "(within_u_P + within_v_P)", LOSSES),
    Mutant(
        "cycles_teach_nothing",
        "methods/tcc.py",
        '"cycle": (1.0, cycle_regression',
        '"cycle": (0.0, cycle_regression',
        METHODS,
    ),
    Mutant("sequence_loss_moves_its_target", SHARED, "z_BVTZ[:, b].detach()", "z_BVTZ[:, b]", VIEWS),
    Mutant("segments_of_equal_labels_joined", SHARED, "new_BT.cumsum(1) - 1", "labels_BT.clamp(min=0)", VIEWS),
    Mutant(
        "segments_without_a_label",
        SHARED,
        "& (label_BS != ignore)[:, None]",
        "& (label_BS == label_BS)[:, None]",
        VIEWS,
    ),
    Mutant("segments_of_one_view_attract", SHARED, "same_NN & (view_N[:, None] != view_N)", "same_NN", VIEWS),
    Mutant("segments_of_one_action_repel", SHARED, "score_NN.masked_fill(same_NN, -1e30)", "score_NN", VIEWS),
    Mutant("recordings_against_themselves", SEQUENCES, '"recordings": other_SS', '"recordings": ~same_SS', METHODS),
    Mutant("pairs_of_one_view", SEQUENCES, "may_SS = of_views_SS & rule_SS", "may_SS = rule_SS", METHODS),
    Mutant(
        "partners_never_drawn_anew",
        SEQUENCES,
        "_mixed(own_S[:, None], own_S, *draw)",
        "_mixed(own_S[:, None], own_S, 0, 0)",
        METHODS,
    ),
    Mutant("steps_sampled_from_the_padding", SEQUENCES, "torch.argsort(~there_RT,", "torch.argsort(there_RT,", METHODS),
    Mutant(
        "hidden_steps_seen",
        MASKED,
        "seen_BVT = batch.mask_BVT & ~self.hidden(batch)",
        "seen_BVT = batch.mask_BVT",
        METHODS,
    ),
    Mutant("all_views_hidden", MASKED, "(there_V.sum() - 1)", "there_V.sum()", METHODS),
    Mutant("absent_views_hidden", MASKED, "np.where(there_V[:, None], drawn_VK[:-1], 2.0)", "drawn_VK[:-1]", METHODS),
    Mutant("hidden_alike_in_every_epoch", MASKED, "[*draw, key_of(window)]", "[0, key_of(window)]", METHODS),
    Mutant("hidden_by_padding", MASKED, "drawn_KN[:, 0] <", "drawn_KN[::-1, 0] <", METHODS),
    Mutant(
        "lone_views_masked",
        "methods/sequence_method.py",
        "mask_BVT if self.takes_lone_views(self.config) else",
        "mask_BVT if False else",
        LONE,
    ),
    Mutant("lone_views_left_out", "training/pairs.py", "labels, 1 if lone else 2)", "labels, 2)", LONE),
    Mutant("lone_views_not_in_the_pass", "training/pretrain.py", ", least_views=learn.least_views)", ")", LONE),
    Mutant(
        "only_recording_of_a_view_held_out",
        "training/pairs.py",
        "if not lone or set(views) <= left else",
        "if True else",
        LONE,
    ),
    Mutant("chosen_by_nothing", "training/pretrain.py", 'if select not in (None, "last"):', "if False:", LONE),
    Mutant("labels_not_looked_at", UNSEEN, "if batch.labels_BT is not None:", "if False:", METHODS),
    Mutant(
        "labels_of_pairs_unmarked",
        "training/evaluate.py",
        "if labels_of_pairs(trained) else name",
        "if False else name",
        LABELS,
    ),
    Mutant("labels_of_pairs_not_compared", "training/pretrain.py", "labelled=labelled", "labelled=False", LABELS),
    Mutant("pairs_without_labels_taken", "training/pairs.py", "    if not count:\n", "    if False:\n", LABELS),
]
