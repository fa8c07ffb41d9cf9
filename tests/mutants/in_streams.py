"""Faults in streams: what layers keep, what is decided when, what goes in and out."""

from tests.mutants.mutant import Mutant

STREAM, STREAMED, WINDOWS, DELAY = (
    "nn/stream.py",
    "training/streamed.py",
    "nn/window_attention.py",
    "methods/delay_cca.py",
)
AHEAD, WAITING = "heads/lookahead.py", "training/waiting.py"
LAYERS, LATER = ("tests/nn/test_stream.py",), ("tests/heads/test_lookahead.py",)
EQUAL, CALLED = ("tests/online/test_segmenter.py",), ("tests/online/test_run.py",)
SECONDS = ("tests/training/test_waiting.py",)

MUTANTS = [
    Mutant("past_is_forgotten", STREAM, "if past is None else past\n", "\n", (*LAYERS, *EQUAL)),
    Mutant("one_step_less_is_kept", STREAM, "joined_T.shape[-1] - steps :", "joined_T.shape[-1] - steps + 1 :", LAYERS),
    Mutant("blocks_have_no_number", STREAM, "self.start += BLOCK", "pass", (*LAYERS, *EQUAL)),
    Mutant("layers_stay_in_it", STREAM, 'del layer.__dict__["stream"], layer.__dict__["place"]', "pass", LAYERS),
    Mutant("layers_share_a_name", STREAM, 'f"{place}.{name}": layer', 'f"{place}": layer', (*LAYERS, *EQUAL)),
    Mutant("attention_sees_too_far_back", WINDOWS, "% width - width)", "% width - 2 * width)", LAYERS),
    Mutant("attention_behind_looks_ahead", WINDOWS, "& (place_N <= own_S1)", "", LAYERS),
    Mutant("too_little_behind", WINDOWS, "return width + max(0, width - steps)", "return width", LAYERS),
    Mutant("nothing_stands_in", DELAY, "torch.where(seen_BJ, now_J, first_B1)", "now_J.expand_as(seen_BJ)", EQUAL),
    Mutant("delays_forget_what_was_valid", DELAY, 'self.keep(x_BKJ, behind, "x")', "pass", EQUAL),
    Mutant("what_is_added_to_does_not_wait", "nn/dilated.py", "self.waiting(x_BCT) +", "x_BCT +", LATER),
    Mutant("waits_without_end", AHEAD, "valid_lengths(mask_BT) + steps", "valid_lengths(mask_BT)", LATER),
    Mutant("waits_one_step_more", AHEAD, "level_BTK[:, steps:]", "level_BTK[:, 1 : 1 - steps or None]", LATER),
    Mutant("missing_steps_keep_their_garbage", AHEAD, "x_BTD.masked_fill(~mask_BT[..., None], 0.0)", "x_BTD", LATER),
    Mutant("seconds_are_rounded_up", WAITING, "+ 1e-9)", "+ 0.5)", SECONDS),
    Mutant("at_the_shortest_chunk", WAITING, "max(sampling.test_chunks)", "min(sampling.test_chunks)", SECONDS),
    Mutant("first_steps_decided_twice", STREAMED, "[early:]", "", EQUAL),
    Mutant("end_has_features", STREAMED, "np.zeros(lookahead, np.bool_))", "np.ones(lookahead, np.bool_))", EQUAL),
    Mutant("blocks_are_not_emptied", STREAMED, "self.stream.advance()", "pass", EQUAL),
    Mutant("looking_ahead_is_let_be", STREAMED, "if not head.causal:", "if not head.streams:", EQUAL),
    Mutant("chunks_begin_late", "online/chunks.py", "self.frames - waiting)", "self.frames)", EQUAL),
    Mutant("last_chunk_is_lost", "online/chunks.py", "        if rows:", "        if not rows:", EQUAL),
    Mutant("equal_neighbours_stay_apart", "online/closing.py", "label == self.label", "False", EQUAL),
    Mutant("chunk_sizes_add_up", "online/running.py", "        total_TK /= len(self.ahead)\n", "", EQUAL),
    Mutant("last_segment_is_lost", "online/running.py", "return [*closed, last]", "return closed", EQUAL),
    Mutant("frames_of_the_clock_slip", "online/clock.py", "Span(held, self.come)", "Span(0, self.come)", EQUAL),
    Mutant("another_head_goes_on", "online/state.py", '"head": _content(chain.head)', '"head": ""', EQUAL),
    Mutant("state_without_what_waits", "online/state.py", "*one.pending]", "]", EQUAL),
    Mutant("restarts_read_from_the_start", "online/rows.py", "x_TD[left_out:]", "x_TD", CALLED),
    Mutant("killed_lines_come_twice", "online/run.py", '"".join(found[:written])', '"".join(found)', CALLED),
    Mutant("video_is_not_rounded", "online/inputs.py", ".astype(np.dtype(settings.dtype))", "", CALLED),
    Mutant("video_from_the_start", "online/inputs.py", "backbone, online.frames)", "backbone, 0)", CALLED),
]
