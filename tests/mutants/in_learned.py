"""Faults in learned refiners: where they start, what their networks see, losses over views, what is kept."""

from tests.mutants.mutant import Mutant

START, ENCODED, CONTRAST = "methods/start_map.py", "methods/encoded.py", "methods/contrast.py"
NETS, SETTINGS, PRETRAIN = "nn/time_nets.py", "methods/settings.py", "training/pretrain.py"
OWN, LOSSES, KEPT = (
    ("tests/methods/test_encoded.py",),
    ("tests/losses/test_learned_losses.py",),
    ("tests/training/test_start.py",),
)
PROCESSES = ("tests/test_every_method.py::test_two_processes_equal_one_at_the_same_global_batch",)

MUTANTS = [
    Mutant("components_from_too_few_steps", START, "max(1, steps // STEPS_EACH)", "steps", OWN),
    Mutant("components_not_whitened", START, "vectors_DP * scale_P", "vectors_DP * signs_P", OWN),
    Mutant("components_of_no_variance_kept", START, "values_P > RANK * values_P[:1]", "values_P > -1", OWN),
    Mutant("principal_path_without_sizes", START, "= deviation_P[:kept]", "= 1.0", OWN),
    Mutant("frozen_path_learns", START, "requires_grad=not config.path_frozen", "requires_grad=True", OWN),
    Mutant("addition_from_the_start", NETS, "        nn.init.zeros_(self.last.weight)\n", "", OWN),
    Mutant("convolutions_all_near", NETS, "ConvBlock(hidden, 2**layer, dropout,", "ConvBlock(hidden, 1, dropout,", OWN),
    Mutant("gaps_are_seen", NETS, "self.norm(x_BTH).masked_fill(~mask_BT[..., None], 0.0)", "self.norm(x_BTH)", OWN),
    Mutant("noise_at_use", ENCODED, "if self.training and self.config.noise > 0:", "if self.config.noise > 0:", OWN),
    Mutant("times_in_frames", ENCODED, "starts[:, None] / self.fps", "starts[:, None]", OWN),
    Mutant("thinned_alike_in_every_epoch", CONTRAST, 'f"{self.epoch}/{w.recording}', 'f"{w.recording}', OWN),
    Mutant("thinned_by_place", CONTRAST, "both_BT.cumsum(1) + offset_B[:, None]", "both_BT.cumsum(1)", OWN),
    Mutant("pairs_alike_in_every_epoch", CONTRAST, 'f"{self.epoch}/{self.batches}"', 'f"{self.batches}"', OWN),
    Mutant("negatives_of_one_process", CONTRAST, "gather_over_processes(x_NF) if", "x_NF if", PROCESSES),
    Mutant("near_steps_repel", "losses/info_nce.py", "near_NN & ~same_NN, -torch.inf", "near_NN & ~near_NN, 0", LOSSES),
    Mutant("found_one_way", "losses/info_nce.py", "F.cross_entropy(logits_NN.mT, right_N)", "0", LOSSES),
    Mutant("shared_counted_once", "losses/eckart_young.py", "-2 * scale *", "-scale *", LOSSES),
    Mutant("nothing_met_costs_one", "losses/eckart_young.py", "torch.stack(met).any() +", "1 +", LOSSES),
    Mutant("redundancy_with_the_diagonal", "losses/barlow.py", " - squares_ZZ.diagonal().sum()", "", LOSSES),
    Mutant(
        "pairs_that_never_meet_count",
        "losses/barlow.py",
        "met_P = torch.stack(met)",
        "met_P = 0 * torch.stack(met) + 1",
        LOSSES,
    ),
    Mutant("invariance_summed_over_pairs", "losses/vicreg.py", "count) / pairs", "count)", LOSSES),
    Mutant("defaults_of_the_stem_for_all", SETTINGS, '[self.stem != "none"]', "[True]", OWN),
    Mutant("defaults_over_what_is_set", SETTINGS, "if getattr(self, entry.name) is None and", "if", OWN),
    Mutant(
        "start_never_kept", PRETRAIN, "if start is not None and start.no_worse", "if False and start.no_worse", KEPT
    ),
    Mutant(
        "start_always_kept",
        PRETRAIN,
        "if start is not None and start.no_worse_than(config, method, pairs):",
        "if start is not None:",
        KEPT,
    ),
    Mutant(
        "better_start_by_loss_upside_down",
        PRETRAIN,
        "return value >= self.value if",
        "return value <= self.value if",
        KEPT,
    ),
]
