"""Faults in what reads features: pooling, missing frames, the clock of views, stores and their cache."""

from tests.mutants.mutant import Mutant

POOLING, POOL_TESTS = "features/pooling.py", ("tests/windows/test_plan.py", "tests/features/test_pooling.py")
MISSING, MISSING_TESTS = "features/missing.py", ("tests/windows/test_plan.py", "tests/features/test_pooling.py")
CLOCK, CLOCK_TESTS = "features/clock.py", ("tests/features/test_clock.py",)
CATALOG, STORE, CACHE = "features/catalog.py", "features/store.py", "features/cache.py"
CACHE_TESTS = ("tests/features/test_cache.py",)
ARRAYS, ARRAY_TESTS = "features/arrays.py", ("tests/windows/test_plan.py", "tests/windows/test_segments.py")
ARRAY_SIZES = ("tests/features/test_arrays.py",)
POOLED = ("tests/features/test_pooling.py",)
VIEW_SIZES = ARRAY_SIZES
RATES = ("tests/features/test_rates.py", "tests/dataset/test_views_file.py")
STOPPED = ("tests/windows/test_segments.py::test_windows_obey_the_policy_for_missing_frames",)

MUTANTS = [
    Mutant(
        "later_neighbour_on_a_tie",
        MISSING,
        "np.abs(wanted - before) <= np.abs(after - wanted)",
        "np.abs(wanted - before) < np.abs(after - wanted)",
        MISSING_TESTS,
    ),
    Mutant(
        "neighbours_of_the_window_alone", MISSING, 'within_frames if policy == "nearest" else 0', "0", MISSING_TESTS
    ),
    Mutant(
        "far_neighbours_copied",
        MISSING,
        "np.abs(nearest - wanted) > within",
        "np.abs(nearest - wanted) > within + 100",
        MISSING_TESTS,
    ),
    Mutant("missing_frames_never_stop", MISSING, 'if len(inside) and policy == "error":', "if False:", MISSING_TESTS),
    Mutant("pooled_windows_never_stop", MISSING, 'if self.policy == "error":', "if False:", STOPPED),
    Mutant(
        "filled_chunk_reaches_past_the_window",
        MISSING,
        "min(first + chunk_frames, end)",
        "first + chunk_frames",
        POOLED,
    ),
    Mutant("filled_chunk_stays_masked", MISSING, "np.ones_like(pooled.mask_S)", "pooled.mask_S", POOLED),
    Mutant(
        "filled_chunk_of_the_first_frame",
        MISSING,
        "np.unique((pooled.missing - start) // chunk_frames)",
        "np.unique(pooled.missing // chunk_frames)",
        POOLED,
    ),
    Mutant(
        "missing_frames_of_the_margin_count",
        MISSING,
        "holes[(holes >= margin) & (holes < margin + end - start)]",
        "holes",
        POOLED,
    ),
    Mutant(
        "chunk_with_a_hole_is_masked",
        POOLING,
        "_amax(there_T[:, None].byte(), chunk_frames)[:, 0] > 0",
        "_amax((~there_T)[:, None].byte(), chunk_frames)[:, 0] == 0",
        POOL_TESTS,
    ),
    Mutant("last_chunk_left_out", POOLING, "if len(rest_RD) else whole_SD", "if False else whole_SD", POOL_TESTS),
    Mutant(
        "zeros_may_be_negative",
        POOLING,
        '"cpu":\n        return _amax(x_TD, chunk_frames).float() + 0.0',
        '"cpu":\n        return _amax(x_TD, chunk_frames).float()',
        POOL_TESTS,
    ),
    Mutant(
        "zeros_of_halves_may_be_negative",
        POOLING,
        "top_SD.min() < 0:\n        return _amax(x_TD, chunk_frames).float() + 0.0",
        "top_SD.min() < 0:\n        return _amax(x_TD, chunk_frames).float()",
        POOL_TESTS,
    ),
    Mutant("holes_count_as_zero", POOLING, "~there_T[:, None], -torch.inf)", "~there_T[:, None], 0.0)", POOL_TESTS),
    Mutant(
        "missing_frames_count_in_a_mean",
        POOLING,
        "1 if there_T is None else there_T[place::chunk_frames]",
        "1",
        POOL_TESTS,
    ),
    Mutant(
        "missing_frames_add_to_a_mean",
        POOLING,
        "x_TD = x_TD.masked_fill(~there_T[:, None], 0.0)",
        "x_TD = x_TD.masked_fill(~there_T[:, None], 1.0)",
        POOL_TESTS,
    ),
    Mutant(
        "mean_divided_by_the_chunk_s_size",
        POOLING,
        "total_SD /= count_S.clamp(min=1)[:, None]",
        "total_SD /= chunk_frames",
        POOL_TESTS,
    ),
    Mutant(
        "mean_of_the_last_chunk_as_a_full_one",
        POOLING,
        "steps if place < len(x_TD) - full * chunk_frames else full",
        "full",
        POOL_TESTS,
    ),
    Mutant("negative_halves_turned_round", POOLING, "if top_SD.numel() and top_SD.min() < 0:", "if False:", POOL_TESTS),
    Mutant("minus_infinity_not_noticed", POOLING, "bool(rows_TD.min() > -torch.inf)", "True", POOL_TESTS),
    Mutant(
        "infinity_not_noticed",
        POOLING,
        "if seen and bool(x_SZ.isfinite().all()):",
        "if seen and not bool(x_SZ.isnan().any()):",
        POOL_TESTS,
    ),
    Mutant(
        "halves_of_both_the_other_way_round",
        POOLING,
        "torch.cat(halves, dim=1)",
        "torch.cat(halves[::-1], dim=1)",
        POOL_TESTS,
    ),
    Mutant("broken_rows_pass", POOLING, "    if len(corrupt):", "    if False:", POOL_TESTS),
    Mutant("missing_numbers_from_zero", POOLING, "there_T), missing + first_frame", "there_T), missing", POOL_TESTS),
    Mutant("broken_frame_numbered_in_the_block", POOLING, "{first_frame + corrupt[0]}", "{corrupt[0]}", POOL_TESTS),
    Mutant(
        "blocks_cut_chunks",
        CATALOG,
        "first + chunks * chunk_frames, end)",
        "first + chunks * chunk_frames - 1, end)",
        POOLED,
    ),
    Mutant(
        "broken_frames_counted_in_a_block",
        CATALOG,
        "missing_rows(self.read(recording, view, start, end), where, start)",
        "pass",
        POOLED,
    ),
    Mutant(
        "frames_before_the_span_are_zero",
        CATALOG,
        "x_TD[: first - start] = np.nan",
        "x_TD[: first - start] = 0",
        POOLED,
    ),
    Mutant(
        "packed_rows_past_the_end",
        STORE,
        " or start < entry.first or end > entry.end",
        " or start < entry.first",
        POOLED,
    ),
    Mutant(
        "tie_to_the_later_frame",
        CLOCK,
        "-((bottom - 2 * (step * numbers + start)) // (2 * bottom))",
        "(bottom + 2 * (step * numbers + start)) // (2 * bottom)",
        CLOCK_TESTS,
    ),
    Mutant("start_of_a_view_ignored", CLOCK, "-_exact(start_s) * own", "Fraction(0)", CLOCK_TESTS),
    Mutant("start_of_a_view_the_wrong_way", CLOCK, "-_exact(start_s) * own", "_exact(start_s) * own", CLOCK_TESTS),
    Mutant(
        "start_counted_in_the_data_set_s_frames",
        CLOCK,
        "-_exact(start_s) * own",
        "-_exact(start_s) * _exact(fps)",
        CLOCK_TESTS,
    ),
    Mutant("span_one_frame_early", CLOCK, ".__floor__()) + 1", ".__floor__())", CLOCK_TESTS),
    Mutant("span_to_the_stored_frame_itself", CLOCK, "Fraction(2 * stored - 1, 2)", "Fraction(stored)", CLOCK_TESTS),
    Mutant(
        "span_takes_a_tie_to_the_later_frame",
        CLOCK,
        "(((Fraction(2 * stored - 1, 2) - self.start) / self.steps).__floor__()) + 1",
        "((Fraction(2 * stored - 1, 2) - self.start) / self.steps).__ceil__()",
        CLOCK_TESTS,
    ),
    Mutant("rates_the_wrong_way_round", CLOCK, "own / _exact(fps)", "_exact(fps) / own", CLOCK_TESTS),
    Mutant("rate_as_rounded_on_paper", CLOCK, "written.limit_denominator(MOST) or written", "written", CLOCK_TESTS),
    Mutant(
        "rate_of_a_view_ignored_in_reading",
        CATALOG,
        "        clock = self._clocks.get(view)\n        if clock is None or end <= start:",
        "        clock = None\n        if clock is None or end <= start:",
        RATES,
    ),
    Mutant(
        "rate_of_a_view_ignored_in_its_span",
        CATALOG,
        "on_clock(self.stored_span(recording, view), self._clocks.get(view))",
        "self.stored_span(recording, view)",
        RATES,
    ),
    Mutant(
        "stored_frames_from_the_first_alone",
        CATALOG,
        "np.take(x_TD, places - places[0], axis=0)",
        "np.take(x_TD, np.minimum(np.arange(end - start), len(x_TD) - 1), axis=0)",
        RATES,
    ),
    Mutant(
        "clock_of_the_slowest_view",
        CATALOG,
        "max(rate for rate in rates if rate is not None)",
        "min(rate for rate in rates if rate is not None)",
        RATES,
    ),
    Mutant(
        "rate_of_the_data_set_is_the_view_s",
        CATALOG,
        "return (entry.fps or self.fps, entry.start_s) if view",
        "return (self.fps, entry.start_s) if view",
        RATES,
    ),
    Mutant(
        "size_of_a_view_not_checked",
        CATALOG,
        "if len(set(found.values())) > 1 or (view.dim and set(found.values()) - {view.dim}):",
        "if False:",
        VIEW_SIZES,
    ),
    Mutant("times_not_in_the_fingerprint", CATALOG, "what + ([timings] if timings else [])", "what", RATES),
    Mutant("packed_rows_ignore_the_rate", STORE, "if view in self._clocks or start", "if start", RATES),
    Mutant(
        "renamed_views_lose_their_rate",
        STORE,
        "named.append(view if stated else replace(view, fps=own.fps, start_s=own.start_s))",
        "named.append(view)",
        RATES,
    ),
    Mutant(
        "packed_views_of_one_size",
        STORE,
        "dims = {camera: own.get(camera, self.manifest.dim) for",
        "dims = {camera: self.manifest.dim for",
        RATES,
    ),
    Mutant(
        "times_not_in_the_identity",
        "features/content.py",
        '({"timings": timings} if timings else {})',
        "{}",
        ("tests/features/test_rates.py", "tests/dataset/test_views_file.py", "tests/training/test_identity.py"),
    ),
    Mutant(
        "kept_windows_whatever_the_rate",
        CACHE,
        "[] if timing is None else [[*timing, self.source.fps]]",
        "[]",
        RATES,
    ),
    Mutant("kept_windows_whatever_the_pooling", CACHE, '[] if pooling == "max" else [pooling]', "[]", CACHE_TESTS),
    Mutant(
        "kept_windows_whatever_the_features", CACHE, "[FORMAT, content, recording,", "[FORMAT, recording,", CACHE_TESTS
    ),
    Mutant(
        "kept_windows_whatever_the_chunk",
        CACHE,
        "camera, start, end, chunk_frames, *other]",
        "camera, start, end, *other]",
        CACHE_TESTS,
    ),
    Mutant("kept_windows_all_valid", CACHE, "minlength=steps) < sizes", "minlength=steps) <= sizes", CACHE_TESTS),
    Mutant("kept_windows_of_another_key", CACHE, 'if file.metadata["key"] != key:', "if False:", CACHE_TESTS),
    Mutant("cache_without_end", CACHE, "if self._used_bytes > self.limit_gib * GIB:", "if False:", CACHE_TESTS),
    Mutant(
        "arrays_from_frame_zero", ARRAYS, "Span(int(first), int(first) + len(x_TD))", "Span(0, len(x_TD))", ARRAY_TESTS
    ),
    Mutant(
        "arrays_read_from_their_first_frame",
        ARRAYS,
        "[start - first : start - first + len(x_TD)]",
        "[: len(x_TD)]",
        ARRAY_TESTS,
    ),
    Mutant(
        "arrays_of_several_sizes_in_a_view",
        ARRAYS,
        "if dims.setdefault(view, x_TD.shape[1]) != x_TD.shape[1]:",
        "if dims.setdefault(view, x_TD.shape[1]) == 0:",
        ARRAY_SIZES,
    ),
    Mutant("flat_arrays_pass", ARRAYS, "if x_TD.ndim != 2 or 0 in x_TD.shape:", "if x_TD.ndim != 2:", ARRAY_SIZES),
    Mutant(
        "arrays_known_by_their_name",
        ARRAYS,
        "return (self._digests[recording, camera],)",
        'return ("memory",)',
        ARRAY_SIZES,
    ),
    Mutant(
        "frames_before_the_data_set_s_first", CLOCK, "Span(max(0, first), max(0, end))", "Span(first, end)", CLOCK_TESTS
    ),
    Mutant(
        "large_numbers_of_frames_run_over",
        CLOCK,
        "frames if largest < 2**63 else frames.astype(object)",
        "frames",
        CLOCK_TESTS,
    ),
    Mutant(
        "slow_rates_are_zero",
        CLOCK,
        "written.limit_denominator(MOST) or written",
        "written.limit_denominator(MOST)",
        CLOCK_TESTS,
    ),
]
