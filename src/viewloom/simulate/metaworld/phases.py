"""Which phase a scripted policy is in: a copy of its module that also tells where it chose its target."""

import ast
import importlib.util
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHOOSES = "_desired_pos"
"""Method in which almost every policy chooses its target; each return is a phase."""

ACTS = "get_action"
"""Method in which the others set their target; each setting of `TARGET` is a phase."""

TARGET = "delta_pos"
RECORDER = "viewloom_enters_phase"


class WatchedPolicy:
    """A scripted policy that tells which phase it is in.

    Attributes:
        phases: number of places where it chooses its target.
        phase: the place it came through last, by its order in the source; -1 before the first action.
    """

    def __init__(self, task: str) -> None:
        from metaworld.policies import ENV_POLICY_MAP

        policy_class: Any = ENV_POLICY_MAP[task]
        module, self.phases = _watched_copy(policy_class.__module__)
        setattr(module, RECORDER, self._enter)
        self.phase = -1
        self._policy = getattr(module, policy_class.__name__)()

    def action(self, observation: NDArray[np.float64]) -> NDArray[np.float64]:
        """The policy's action (4,): hand movement in x, y, z and gripper effort; updates `phase`."""
        action: NDArray[np.float64] = np.asarray(self._policy.get_action(observation), np.float64)
        return action

    def _enter(self, phase: int) -> None:
        self.phase = phase


def _watched_copy(name: str) -> tuple[ModuleType, int]:
    """A fresh copy of a policy's module that calls `RECORDER` wherever it chooses, and the number of places."""
    original = importlib.util.find_spec(name)
    assert original is not None and original.origin is not None, name
    loader = _WatchingLoader(name, original.origin)
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)  # not entered into sys.modules: the package's own stays as it is
    return module, loader.phases


class _WatchingLoader(SourceFileLoader):
    """Loads a policy's source with a call of `RECORDER` before each choice of a target."""

    phases = 0

    def get_code(self, fullname: str) -> CodeType:
        """Compiled from the source each time; neither reads nor writes the package's cached bytecode."""
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        methods = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        self.phases = len(mark_choices(methods.get(CHOOSES, methods[ACTS])))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


def mark_choices(method: ast.FunctionDef) -> list[int]:
    """Put a call of `RECORDER` before each choice in a method; returns the lines of the choices in the source."""
    lines: list[int] = []

    def mark(body: list[ast.stmt]) -> list[ast.stmt]:
        marked: list[ast.stmt] = []
        for statement in body:
            if _chooses(statement, method.name):
                call = ast.Call(ast.Name(RECORDER, ast.Load()), [ast.Constant(len(lines))], [])
                marked.append(ast.copy_location(ast.Expr(call), statement))
                lines.append(statement.lineno)
            for field in ("body", "orelse"):
                if getattr(statement, field, None):
                    setattr(statement, field, mark(getattr(statement, field)))
            marked.append(statement)
        return marked

    method.body = mark(method.body)
    return lines


def _chooses(statement: ast.stmt, method: str) -> bool:
    """Whether a statement chooses the target: a return, or ``action["delta_pos"] = ...`` where actions are made."""
    if method == CHOOSES:
        return isinstance(statement, ast.Return)
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Subscript):
        return False
    key = statement.targets[0].slice
    return isinstance(key, ast.Constant) and key.value == TARGET
