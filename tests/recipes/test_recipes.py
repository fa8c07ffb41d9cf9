"""Recipes: what they fix, that they build, and that the page about them tells the truth."""

from pathlib import Path

import pytest

from viewloom.errors import ConfigError
from viewloom.recipes.published import PUBLISHED, SCORES
from viewloom.recipes.tables import TABLES, table_rows
from viewloom.recipes.values import SETTINGS, apply, head_values, pretrain_values, scaled_values
from viewloom.registry import HEADS, METHODS
from viewloom.training.settings import PretrainConfig, TrainConfig

RECIPES = sorted({row.recipe for rows in TABLES.values() for row in rows if row.recipe})
DOCS = Path(__file__).parents[2] / "docs" / "recipes.md"


def plain(values):
    return {name: given.value for name, given in values.items()}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_builds_its_method(recipe, setting):
    values = plain(pretrain_values(recipe, setting))
    start = PretrainConfig(data="d", run="r", views="a,b", method_options=METHODS.get(values["method"]).Config())
    config = apply(start, values)
    for name, value in values.items():
        found = config
        for key in name.split("."):
            found = getattr(found, key)
        assert found == value, name
    METHODS.get(config.method)(8, ("a", "b"), config.method_options)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_head_has_the_published_form(setting):
    start = TrainConfig(data="d", run="r", views="v3", head_options=HEADS.get("c2f_tcn").Config())
    config = apply(start, plain(head_values(2, setting)))
    assert (config.optim.lr, config.optim.lr_step_epochs, config.batch_size, config.epochs) == (1e-2, 60, 64, 500)
    assert plain(head_values(3, setting))["optim.lr"] == 1e-3
    assert (config.head_options.canvas == "window") == (setting == "released_code")


def test_values_are_those_of_the_method_notes():
    report, released = (plain(pretrain_values("two_stream", setting)) for setting in SETTINGS)
    assert (report["optim.name"], report["optim.lr"], report["epochs"]) == ("sgd", 1e-3, 250)
    assert (released["optim.lr"], released["epochs"], released["batch_size"]) == (1e-4, 250, 8)
    assert (report["method_options.context"], released["method_options.context"]) == ("frame", "batch")
    assert released["method_options.view_mark"] == "fixed" and report["method_options.view_mark"] == "none"
    kd = plain(pretrain_values("sync_kd", "released_code"))
    assert (kd["optim.lr"], kd["epochs"]) == (1e-2, 200)
    assert plain(pretrain_values("two_stream_simple", "report"))["epochs"] == 80
    assert plain(pretrain_values("two_stream3", "report"))["epochs"] == 460


def test_what_the_report_leaves_open_is_marked():
    values = pretrain_values("two_stream", "report")
    assert {values[name].source for name in ("optim.lr", "epochs")} == {"report"}
    assert {values[name].source for name in ("batch_size", "optim.lr_step_epochs")} == {"released"}
    assert values["held_out"].source == "ours"


def test_scale_shrinks_epochs_and_layers_and_nothing_else():
    full = pretrain_values("two_stream", "report")
    small = scaled_values(full, 0.1)
    changed = {name: small[name].value for name in full if small[name] != full[name]}
    assert changed == {
        "epochs": 25,
        "optim.lr_step_epochs": 10,
        "method_options.layers": 1,
        "method_options.joint_depth": pytest.approx(0.1),
    }
    assert scaled_values(full, 1) == full
    assert scaled_values(full, 1e-6)["epochs"].value == 1


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match="no setting 'speed'"):
        apply(PretrainConfig(data="d", run="r", views="a,b"), {"speed": 3})
    with pytest.raises(ConfigError, match="OptimConfig has no setting 'speed'"):
        apply(PretrainConfig(data="d", run="r", views="a,b"), {"optim.speed": 3})


def test_every_published_figure_has_a_row_and_is_a_percentage():
    for table, rows in PUBLISHED.items():
        assert set(rows) <= {row.name for row in TABLES[table]}
        for views in rows.values():
            for figures in views.values():
                assert len(figures) == len(SCORES) and all(0 < value < 100 for value in figures)
                edit, f1_10, f1_25, f1_50, mof = figures
                assert f1_10 > f1_25 > f1_50


def test_honest_rows_stand_in_every_table():
    for table, rows in TABLES.items():
        recipes = {row.recipe for row in rows}
        assert {"ridge", "cca", None} <= recipes, table
        if table != "table5":
            assert {"ego", "exo"} <= {row.labels for row in rows}


def test_rows_are_picked_by_name():
    assert [row.name for row in table_rows("table1", "cca, naive")] == ["naive", "cca"]
    with pytest.raises(ConfigError, match="'?best'?.*naive, sync_kd"):
        table_rows("table1", "best")
    with pytest.raises(ConfigError, match="table1, table2"):
        table_rows("table9", None)


def test_the_page_lists_every_value_with_its_source():
    text = DOCS.read_text()
    for recipe in RECIPES:
        for name in pretrain_values(recipe, "report") | pretrain_values(recipe, "released_code"):
            cells = [pretrain_values(recipe, setting).get(name) for setting in SETTINGS]
            told = " | ".join("-" if g is None else f"{g.value} ({g.source})" for g in cells)
            assert f"| `{recipe}` | {name} | {told} |" in text
    for views in (2, 3):
        for name in head_values(views, "report") | head_values(views, "released_code"):
            cells = [head_values(views, setting).get(name) for setting in SETTINGS]
            told = " | ".join("-" if g is None else f"{g.value} ({g.source})" for g in cells)
            assert f"| head, {views} views | {name} | {told} |" in text
