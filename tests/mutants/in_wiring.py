"""Faults in how things are put together: training, what is measured while it goes, checkpoints, run folders."""

from tests.mutants.mutant import Mutant

SEGMENT, PRETRAIN, TRAINER = "training/segment.py", "training/pretrain.py", "training/trainer.py"
TRAIN = ("tests/wiring/test_train.py",)
LEARN = ("tests/wiring/test_pretrain.py",)
RUNS, DRAWS = "tests/training/test_segment.py", ("tests/wiring/test_draws.py",)
PRE = "tests/training/test_pretrain.py"
RARE = f"{PRE}::test_a_run_with_rare_checkpoints_resumes_to_the_same_weights"
FROZEN = (f"{PRE}::test_frozen_is_frozen_while_the_head_trains",)
KEPT_APART = (f"{RUNS}::test_a_run_is_not_overwritten_nor_mixed",)
OTHER_DATA = ("tests/training/test_identity.py::test_other_data_is_refused_and_named",)
REFINED = ("tests/training/test_refined.py",)
MEASURED = ("tests/training/test_invariance.py",)
PLUGINS, REGISTRY, PLUGGED = "plugins.py", "registry.py", ("tests/test_plugins.py",)
ORDERED = ("tests/features/test_store.py",)
SCHEDULES, OF_RATES = "training/schedules.py", ("tests/training/test_schedules.py",)

MUTANTS = [
    Mutant("head_adamw_for_adam", SEGMENT, "torch.optim.Adam(", "torch.optim.AdamW(", TRAIN),
    Mutant("head_weight_decay_ignored", SEGMENT, "weight_decay=optim.weight_decay", "weight_decay=0.0", TRAIN),
    Mutant("head_rate_falls_by_batches", SCHEDULES, '"interval": "epoch"', '"interval": "step"', TRAIN),
    Mutant(
        "head_rate_factor_ignored",
        SCHEDULES,
        "optim.lr_step_epochs, optim.lr_factor)",
        "optim.lr_step_epochs, 0.5)",
        TRAIN,
    ),
    Mutant(
        "head_rate_step_ignored",
        SCHEDULES,
        "optim.lr_step_epochs, optim.lr_factor)",
        "40, optim.lr_factor)",
        TRAIN,
    ),
    Mutant("plateau_forgotten_on_resuming", SCHEDULES, "self.kept = dict(state_dict)", "self.kept = {}", OF_RATES),
    Mutant("cosine_never_held", SCHEDULES, "(epoch - optim.lr_hold_epochs)", "epoch", OF_RATES),
    Mutant("head_never_augmented", SEGMENT, "self.windows(self.config.seed)", "self.windows()", TRAIN),
    Mutant("head_starts_from_one_seed", SEGMENT, "torch.manual_seed(config.seed)", "torch.manual_seed(0)", TRAIN),
    Mutant("refiner_not_frozen", SEGMENT, ").freeze()", ")", FROZEN),
    Mutant("refiner_left_out", SEGMENT, "batch = self.frozen.refine(batch)", "pass", TRAIN),
    Mutant("validated_in_train_mode", SEGMENT, "        self.head.eval()\n", "", TRAIN),
    Mutant("trained_on_in_evaluation_mode", SEGMENT, "        self.head.train()\n", "", TRAIN),
    Mutant("worst_epoch_kept", SEGMENT, 'monitor, "max")', 'monitor, "min")', TRAIN),
    Mutant("last_epoch_kept_for_best", SEGMENT, 'name = "best" if best else "last"', 'name = "last"', TRAIN),
    Mutant("best_kept_for_last", SEGMENT, 'bool(monitor) and config.keep == "best"', "bool(monitor)", TRAIN),
    Mutant(
        "resumed_with_another_refiner",
        SEGMENT,
        "own if config.resume and own.exists() else config.refiner",
        "config.refiner",
        REFINED,
    ),
    Mutant(
        "resumed_on_other_features",
        "training/run_identity.py",
        '"features": features_facts(',
        '"features": (lambda *_: {})(',
        OTHER_DATA,
    ),
    Mutant(
        "views_of_validation_ignored",
        SEGMENT,
        "val_views = select_views(config.val_views or",
        "val_views = select_views(",
        TRAIN,
    ),
    Mutant(
        "views_of_validation_of_any_size",
        SEGMENT,
        "(*views, *select_views(config.val_views or config.views, dataset))",
        "views",
        ("tests/training/test_own_sizes.py::test_a_head_says_what_to_do_about_two_sizes",),
    ),
    Mutant(
        "views_a_head_has_no_size_for_are_scored",
        "training/evaluate.py",
        "return tuple(view for view in views if view not in unfit)",
        "return views",
        ("tests/training/test_own_sizes.py::test_a_head_without_a_refiner_leaves_views_of_other_sizes_out",),
    ),
    Mutant("adam_for_adamw", PRETRAIN, "torch.optim.AdamW(", "torch.optim.Adam(", LEARN),
    Mutant(
        "adamw_weight_decay_ignored",
        PRETRAIN,
        "parameters, optim.lr, weight_decay=optim.weight_decay",
        "parameters, optim.lr, weight_decay=0.0",
        LEARN,
    ),
    Mutant("momentum_ignored", PRETRAIN, "optim.momentum, weight_decay", "0.0, weight_decay", LEARN),
    Mutant(
        "sgd_weight_decay_ignored",
        PRETRAIN,
        "optim.momentum, weight_decay=optim.weight_decay",
        "optim.momentum, weight_decay=0.0",
        LEARN,
    ),
    Mutant("sgd_is_adamw", PRETRAIN, 'if optim.name == "sgd":', "if False:", LEARN),
    Mutant("rate_falls_by_batches", PRETRAIN, '"interval": "epoch"', '"interval": "step"', LEARN),
    Mutant(
        "rate_factor_ignored", PRETRAIN, "optim.lr_step_epochs, optim.lr_factor)", "optim.lr_step_epochs, 0.5)", LEARN
    ),
    Mutant(
        "schedules_stand_still",
        PRETRAIN,
        "self.method.set_epoch(self.current_epoch)",
        "self.method.set_epoch(0)",
        LEARN,
    ),
    Mutant("method_starts_from_one_seed", PRETRAIN, "torch.manual_seed(config.seed)", "torch.manual_seed(0)", LEARN),
    Mutant("pairs_never_augmented", "training/pairs.py", "config.seed, labels, 1 if", "None, labels, 1 if", LEARN),
    Mutant(
        "measured_on_what_was_learned",
        "training/pairs.py",
        "ViewWindows(dataset.source, held, views, still, labels=labels)",
        "ViewWindows(dataset.source, learn, views, still, labels=labels)",
        LEARN,
    ),
    Mutant(
        "measured_in_train_mode",
        "training/pairs.py",
        "    method.eval()\n",
        "",
        (f"{PRE}::test_the_kept_epoch_is_the_best_on_held_out_pairs",),
    ),
    Mutant(
        "learned_on_in_evaluation_mode", "training/pairs.py", "method.train(training)", "method.train(False)", LEARN
    ),
    Mutant(
        "worst_retrieval_kept",
        PRETRAIN,
        'config.select in ("loss", "last") else "max"',
        'config.select in ("loss", "last") else "min"',
        LEARN,
    ),
    Mutant("greatest_loss_kept", PRETRAIN, 'config.select in ("loss", "last")', 'config.select in ("last",)', LEARN),
    Mutant(
        "last_method_kept_for_best", PRETRAIN, 'name = "last" if monitor is None else "best"', 'name = "last"', LEARN
    ),
    Mutant(
        "collapse_not_said",
        "training/learned.py",
        "if held.collapse",
        "if False",
        (f"{PRE}::test_a_run_that_collapses_says_so_by_name",),
    ),
    Mutant(
        "accumulation_ignored", TRAINER, "accumulate_grad_batches=config.accumulate", "accumulate_grad_batches=1", LEARN
    ),
    Mutant("gradient_clip_ignored", TRAINER, "gradient_clip_val=config.gradient_clip", "gradient_clip_val=None", LEARN),
    Mutant(
        "gradient_clipped_by_value",
        TRAINER,
        "gradient_clip_val=config.gradient_clip",
        'gradient_clip_algorithm="value", gradient_clip_val=config.gradient_clip',
        LEARN,
    ),
    Mutant("one_dropout_seed_for_all_epochs", TRAINER, " + trainer.current_epoch * 1_009", "", LEARN),
    Mutant("one_dropout_seed_for_all_runs", TRAINER, "self.seed * 1_000_003 + ", "", LEARN),
    Mutant("one_dropout_seed_for_all_batches", TRAINER, "if batch_idx == 0:", "if True:", LEARN),
    Mutant(
        "infinite_loss_goes_on", TRAINER, "if norms and not", "if False and not", ("tests/training/test_trainer.py",)
    ),
    Mutant("no_checkpoint_of_the_last_epoch", TRAINER, " or done == trainer.max_epochs", "", (RARE,)),
    Mutant("every_epoch_a_checkpoint", TRAINER, "if done % self.every_epochs == 0 or", "if True or", (RARE,)),
    Mutant("metrics_twice_after_resuming", TRAINER, "< trainer.current_epoch]", "<= trainer.current_epoch]", (RARE,)),
    Mutant("metrics_lost_after_resuming", TRAINER, "if self.path.exists():", "if False:", (RARE,)),
    Mutant(
        "old_validation_repeated",
        TRAINER,
        'if not (stale and n.startswith("val/"))',
        "if True",
        ("tests/training/test_trainer.py",),
    ),
    Mutant(
        "checkpoint_not_atomic",
        TRAINER,
        'temporary.open("wb") as file',
        'Path(path).open("wb") as file',
        ("tests/training/test_trainer.py",),
    ),
    Mutant(
        "killed_writer_s_file_stays",
        "owned.py",
        "        remove_dead(folder / name)",
        "        pass",
        ("tests/test_owned.py",),
    ),
    Mutant(
        "what_is_written_counts_as_left_over",
        "owned.py",
        "        if not hold(handle):",
        "        if hold(handle) is None:",
        ("tests/test_owned.py",),
    ),
    Mutant(
        "locks_are_inherited",
        "owned.py",
        "        let_go(handle)\n\n\nif hasattr",
        "        pass\n\n\nif hasattr",
        ("tests/test_owned.py",),
    ),
    Mutant(
        "resumed_logger_forgets",
        "training/csv_logger.py",
        'int(row["epoch"]) < epoch',
        "False",
        ("tests/training/test_trainer.py",),
    ),
    Mutant(
        "moved_run_forgets_its_best",
        TRAINER,
        "super().load_state_dict(moved)",
        "super().load_state_dict(state_dict)",
        (f"{RUNS}::test_a_moved_run_still_knows_its_best_epoch",),
    ),
    Mutant(
        "held_out_item_by_item",
        "training/invariance.py",
        "if item.recording not in held)",
        "if item.recording not in held or item is not next(i for i in items if i.recording == item.recording))",
        DRAWS,
    ),
    Mutant(
        "held_out_ones_are_learned_from",
        "training/invariance.py",
        "learn = tuple(item for item in items if item.recording not in held)",
        "learn = tuple(items)",
        DRAWS,
    ),
    Mutant(
        "held_out_whatever_the_seed", "training/invariance.py", "default_rng([seed, 1])", "default_rng([0, 1])", DRAWS
    ),
    Mutant(
        "held_out_without_all_views",
        "training/invariance.py",
        "[name for name in recordings if name in complete]",
        "recordings",
        DRAWS,
    ),
    Mutant(
        "held_out_loss_by_batches",
        "training/invariance.py",
        "np.average(losses, weights=weights)",
        "np.mean(losses)",
        MEASURED,
    ),
    Mutant(
        "retrieval_of_exact_steps",
        "training/invariance.py",
        "RETRIEVAL_TOLERANCE_STEPS = 2",
        "RETRIEVAL_TOLERANCE_STEPS = 0",
        MEASURED,
    ),
    Mutant(
        "measured_where_a_view_is_absent",
        "training/invariance.py",
        "    shared_BT = batch.mask_BVT.all(dim=1)",
        "    shared_BT = batch.mask_BVT.any(dim=1)",
        MEASURED,
    ),
    Mutant(
        "input_rank_of_refined_features",
        "training/invariance.py",
        '"input_rank": plain.effective_rank',
        '"input_rank": refined.effective_rank',
        MEASURED,
    ),
    Mutant(
        "kept_under_another_view",
        "training/refined.py",
        "enumerate(zip(batch.windows, batch.views, strict=True))",
        "enumerate((w, batch.views[0]) for w in batch.windows)",
        REFINED,
    ),
    Mutant("memory_without_end", "training/refined.py", "self._room_bytes -= size", "pass", REFINED),
    Mutant(
        "mask_of_refined_rows_lost",
        "training/refined.py",
        "mask_BT[place, : len(mask_S)] = mask_S",
        "mask_BT[place, : len(mask_S)] = True",
        REFINED,
    ),
    Mutant(
        "resident_rounded_to_halves",
        "windows/resident.py",
        "half_ND if np.array_equal(half_ND, x_ND) else x_ND",
        "half_ND",
        ("tests/windows/test_resident.py",),
    ),
    Mutant(
        "settings_change_in_mid_run", "training/run_identity.py", "    if differing:\n", "    if False:\n", KEPT_APART
    ),
    Mutant(
        "a_run_is_written_over",
        "training/runs.py",
        "if not resume and (path / CONFIG).exists():",
        "if False:",
        KEPT_APART,
    ),
    Mutant(
        "plugin_not_loaded",
        PLUGINS,
        '        _try(f"{point.value} of {package}", f"Repair or uninstall {package}", point.load)',
        "        del package",
        PLUGGED,
    ),
    Mutant("plugins_of_the_line_not_loaded", PLUGINS, ", import_module, module)", ", str, module)", PLUGGED),
    Mutant(
        "plugin_s_fault_swallowed",
        PLUGINS,
        '        note(f"the plugin {plugin}',
        '        str(f"the plugin {plugin}',
        PLUGGED,
    ),
    Mutant(
        "plugin_s_fault_forgotten",
        PLUGINS,
        'FAULTS[plugin] = f"{type(error).__name__}: {error}".splitlines()[0]',
        "FAULTS.update({}); why = str(error)",
        PLUGGED,
    ),
    Mutant("plugin_s_fault_stops_all", PLUGINS, "except Exception as error:", "except ImportError as error:", PLUGGED),
    Mutant(
        "plugins_may_take_our_names", REGISTRY, "if not self._is_own(cls) and self._has(name):", "if False:", PLUGGED
    ),
    Mutant("plugins_never_asked_for", REGISTRY, "        import_group(self.group)\n", "        pass\n", PLUGGED),
    Mutant("stores_asked_by_name", REGISTRY, "(entry[1].precedence, entry[0])", "entry[0]", ORDERED),
]
