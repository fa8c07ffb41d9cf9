"""The plan of the house: who may import whom, and what no source file may hold."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "viewloom"
MODULES = sorted(SOURCE.rglob("*.py"))

# A room may import the rooms of a higher number, and itself. `report` stands beside, on `metrics` and `videos`.
LEVELS = {
    "cli": 0,
    "api": 1,
    "recipes": 2,
    "online": 1,  # beside api: it takes what that takes
    "graphs": 0.5,  # above online: what it writes is compared with that
    "hub": 2,
    "remote": 9,
    "verbs": 12,
    "arguments": 2,
    "keywords": 3,
    "listing": 3,
    "training": 3,
    "simulate": 3,
    "extract": 3,
    "check": 3,
    "download": 3,
    "methods": 4,
    "heads": 5,  # distilling a head is a method over heads
    "windows": 6,
    "videos": 6,  # what extract and report have in common
    "dataset": 7,
    "features": 8,
    "nn": 9,
    "losses": 9,
    "metrics": 9,
    "saved": 9,
    "identity": 10,
    "registry": 10,
    "plugins": 11,
    "requirements": 12,
    "files": 12,
    "file_sets": 11,
    "failures": 12.5,  # below files: it says what of them failed
    "guard": 12,
    "showing": 11,
    "machine": 13,
    "durable": 13,
    "sums": 13,
    "zipped": 12,
    "locks": 12,
    "owned": 13,
    "regular": 12,
    "limits": 13,
    "network_limits": 12,
    "pickles": 12,
    "torch_archive": 11,
    "config_files": 11,
    "yaml_files": 11.5,
    "reading": 12,
    "logged": 11.5,
    "names": 12,
    "console": 12,
    "ranges": 11,
    "option_help": 10,
    "outputs": 11.5,
    "errors": 13,
    "amounts": 13,
    "version": 13,
    "parent": 13,
    "overview": 13,
    "shorthand": 9,
    "__init__": 13,
}
HEAVY = ("torch", "lightning", "scipy", "sklearn", "matplotlib")
"""What takes seconds to import."""
REPORT_MAY = {
    "yaml_files",
    "ranges",
    "outputs",
    "regular",
    "limits",
    "reading",
    "logged",
    "report",
    "metrics",
    "videos",
    "requirements",
    "errors",
    "files",
    "console",
    "names",
    "version",
    "__init__",
}
REPORT_MAY_NAMES = {"viewloom.features.views.ViewTable"}
"""The names of views and cameras, which need nothing heavy."""


def room(dotted: str) -> str:
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports(path: Path):
    """(dotted name, line, at top level) of every viewloom import in a file."""
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("viewloom"):
            # What is imported may be a module itself: `from viewloom.features import store`.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name, node.lineno) for name in names)
        if isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names if a.name.startswith("viewloom"))


def allowed(here: str, there: str) -> bool:
    if here == there or here == "__init__":
        return True
    if here == "report":
        return there in REPORT_MAY
    if here == "cli":
        return True
    if there == "report":
        return here in {"training", "recipes", "api", "hub"}
    return LEVELS[here] < LEVELS[there]


def circles(graph):
    """Strongly connected sets of two modules or more: files that import each other, directly or round a corner."""
    found, reach = [], {}
    for start in graph:
        seen, todo = set(), [start]
        while todo:
            for there in graph.get(todo.pop(), ()):
                if there not in seen:
                    seen.add(there)
                    todo.append(there)
        reach[start] = seen
    for start in graph:
        circle = {start} | {there for there in reach[start] if start in reach.get(there, ())}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def test_no_modules_import_each_other():
    names = {".".join(("viewloom", *p.relative_to(SOURCE).with_suffix("").parts)): p for p in MODULES}
    graph = {}
    for name, path in names.items():
        there = {dotted if dotted in names else dotted.rpartition(".")[0] for dotted, _ in imports(path)}
        there = {dotted if dotted in names else f"{dotted}.__init__" for dotted in there}
        graph[name] = {target for target in there if target in names and target != name}
    assert graph["viewloom.api"] >= {"viewloom.arguments", "viewloom.dataset.memory"}
    assert "viewloom.report.curves" in graph["viewloom.report.page"], "as `from viewloom.report import curves`"
    assert not circles(graph)
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]


def test_imports_go_downwards():
    wrong = []
    for path in MODULES:
        here = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        may = REPORT_MAY_NAMES if here == "report" else set()
        wrong += [
            f"{here} may not import {name} ({path}, line {line})"
            for name, line in imports(path)
            if name not in may and not allowed(here, room(name))
        ]
    assert not wrong


def test_no_star_imports_prints_or_paths_of_a_machine():
    wrong = []
    for path in MODULES:
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                wrong.append(f"{path}, line {node.lineno}: import *")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == "print":
                    wrong.append(f"{path}, line {node.lineno}: print; use viewloom.console")
                if node.func.id in {"eval", "exec"}:
                    wrong.append(f"{path}, line {node.lineno}: {node.func.id}")
        text = path.read_text()
        for place in ("/home/", "/root/", "/work/", "/mnt/", "C:\\\\"):
            if place in text:
                wrong.append(f"{path}: a path of a machine, {place}")
    assert not wrong


def test_files_and_functions_stay_short():
    wrong = []
    for path in MODULES:
        if (lines := len(path.read_text().splitlines())) > 400:
            wrong.append(f"{path} has {lines} lines")
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.end_lineno - (ast.get_docstring(node) or "").count("\n") - node.lineno
                if body > 50:
                    wrong.append(f"{path}: {node.name} has {body} lines")
    assert not wrong


def test_help_imports_nothing_heavy():
    code = (
        "import sys, viewloom.cli as c; c.main(['--help']);"
        "print([m for m in ('torch', 'lightning', 'numpy', 'jsonargparse', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_no_source_names_a_pickle_loader():
    """Foreign files are never unpickled, but for the restricted reader of old statistics files."""
    for path in MODULES:
        if path.name == "statistics_file.py":
            continue
        text = path.read_text()
        assert "pickle.load" not in text, path
        assert "allow_pickle=True" not in text, path
        assert "weights_only=False" not in text, path


def test_settings_import_nothing_heavy():
    """Help, planning and the identity of a run need settings alone."""
    names = [
        ".".join(("viewloom", *p.relative_to(SOURCE).with_suffix("").parts))
        for p in MODULES
        if p.name.endswith("settings.py")
    ]
    assert {"viewloom.training.settings", "viewloom.methods.settings", "viewloom.recipes.settings"} <= set(names)
    code = (
        f"import sys, importlib; [importlib.import_module(name) for name in {names}];"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
