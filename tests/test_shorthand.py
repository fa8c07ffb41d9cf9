"""`--causal`: one word for the settings of head and method."""

import pytest

from viewloom.cli import parse
from viewloom.errors import ConfigError

TRAIN = ["--data", "d", "--views", "v3", "--run", "r"]
PRETRAIN = ["--data", "d", "--views", "v3,e4", "--run", "r"]
TRANSFER = ["--data", "d", "--from", "v3", "--to", "e4", "--run", "r"]


@pytest.mark.parametrize("words", [["--causal", "true"], ["--causal=true"], ["--causal"]])
def test_it_is_the_head_s_setting(words):
    long = parse("train", [*TRAIN, "--head", "tcn", "--head_options.causal", "true"])
    assert parse("train", [*TRAIN, *words, "--head", "tcn"]) == long
    assert long.head_options.causal and not parse("train", [*TRAIN, "--head", "tcn"]).head_options.causal


def test_false_is_false():
    assert not parse("train", [*TRAIN, "--head", "tcn", "--causal", "false"]).head_options.causal


def test_it_is_the_method_s_setting():
    assert parse("pretrain", [*PRETRAIN, "--method", "contrast", "--causal"]).method_options.causal
    with pytest.raises(ConfigError, match="This method has no setting --method_options.causal"):
        parse("pretrain", [*PRETRAIN, "--method", "two_stream", "--causal"])


def test_a_transfer_has_it_of_both_and_of_the_head_alone_behind_a_method_that_looks_at_single_steps():
    both = parse("transfer", [*TRANSFER, "--head", "tcn", "--causal"])
    assert both.head_options.causal and both.method_options.causal  # auto: every candidate
    plain = parse("transfer", [*TRANSFER, "--head", "tcn", "--method", "cca", "--causal"])
    assert plain.head_options.causal and not hasattr(plain.method_options, "causal")


def test_a_head_that_looks_at_everything_has_no_such_setting():
    with pytest.raises(ConfigError, match=r"This head has no setting --head_options.causal: docs/online.md"):
        parse("train", [*TRAIN, "--causal", "true"])


def test_in_a_file_it_stands_where_it_belongs(tmp_path):
    (tmp_path / "run.yaml").write_text("data: d\nviews: v3\nrun: r\nhead: tcn\ncausal: true\n")
    with pytest.raises(ConfigError, match="stands under head_options or method_options"):
        parse("train", ["--config", str(tmp_path / "run.yaml")])
