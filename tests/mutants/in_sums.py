"""Faults in checksums, and in what is flushed before it counts."""

from tests.mutants.mutant import Mutant

BLOCKS, BLOCK_TESTS = "features/block_sums.py", ("tests/features/test_block_sums.py",)
ROWS = "features/stored_rows.py"
SAVED, SUM_TESTS = "saved.py", ("tests/test_sums.py",)
STORE, CUT_TESTS = "features/store.py", ("tests/test_durable.py",)
AGAIN = ("tests/features/test_pack_again.py",)
NAMED = ("tests/training/test_provenance.py",)

MUTANTS = [
    Mutant("blocks_are_never_compared", ROWS, "if not self.seen[one:end_block].all():", "if False:", BLOCK_TESTS),
    Mutant(
        "first_block_of_a_window_alone",
        ROWS,
        "self.sums, self.seen, one, end_block)",
        "self.sums, self.seen, one, one + 1)",
        BLOCK_TESTS,
    ),
    Mutant("what_was_seen_is_forgotten", ROWS, "            seen[block] = 1\n", "", BLOCK_TESTS),
    Mutant(
        "headers_are_not_compared",
        STORE,
        "        if self.verify:\n            self._refuse_other_header(entry, rows)\n",
        "",
        BLOCK_TESTS,
    ),
    Mutant("a_manifest_is_believed", STORE, "        value = without_sum(value)\n", "", BLOCK_TESTS),
    Mutant(
        "old_sums_are_not_added",
        "features/pack_files.py",
        "return self._with_sums(earlier), False",
        "return earlier, False",
        BLOCK_TESTS,
    ),
    Mutant("weights_without_their_bytes", SAVED, "_bytes_of(tensor)]", 'b""]', SUM_TESTS),
    Mutant(
        "kept_windows_are_believed",
        "features/cache.py",
        'file.metadata.get("sum") if verify else None',
        "None",
        SUM_TESTS,
    ),
    Mutant("records_are_not_read", "zipped.py", "while inside.read(_READ_BYTES):", "while False:", SUM_TESTS),
    Mutant("names_are_not_flushed", "files.py", "        flush_names(path.parent)\n", "", CUT_TESTS),
    Mutant("content_is_not_flushed", "files.py", "        flush(temporary)\n", "", CUT_TESTS),
    Mutant(
        "new_folders_are_not_flushed", "durable.py", "        flush_names(path.parent)\n", "        pass\n", CUT_TESTS
    ),
    Mutant("a_simulated_folder_is_not_flushed", "simulate/run.py", "        flush_tree(folder)\n", "", CUT_TESTS),
    Mutant(
        "any_source_of_the_same_blocks",
        "features/pack_files.py",
        'if same and self.compare != "full":',
        'if self.compare != "full":',
        AGAIN,
    ),
    Mutant(
        "names_alone_tell_recordings",
        "training/provenance.py",
        "if name in same or any(m[2] in known for m in marks[name].values())",
        "if name in same",
        NAMED,
    ),
]
