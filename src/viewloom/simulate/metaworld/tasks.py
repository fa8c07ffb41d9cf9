"""Meta-World's tasks: the object each is about, and the verb of each phase of its scripted policy."""

from dataclasses import dataclass
from typing import Literal

Preset = Literal["tiny", "small", "large"]


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        noun: the object.
        verbs: verb of each place where the policy chooses its target, in the order of the policy's source.
    """

    noun: str
    verbs: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each phase: verb and object."""
        return tuple(f"{verb} {self.noun}" for verb in self.verbs)


def _task(noun: str, verbs: str) -> Task:
    return Task(noun, tuple(verbs.split()))


# Places between which a policy goes to and fro (of door-close, door-lock, handle-pull-side) share a verb.
# reach: above or beside the object; approach: down to it; grasp: down to it, and the gripper closes on it.
TASKS = {
    "assembly-v3": _task("ring", "reach place grasp lift carry"),
    "basketball-v3": _task("basketball", "reach grasp lift carry"),
    "bin-picking-v3": _task("cube", "reach grasp lift carry place"),
    "box-close-v3": _task("lid", "reach grasp lift place"),
    "button-press-topdown-v3": _task("button", "reach press"),
    "button-press-topdown-wall-v3": _task("button", "reach press"),
    "button-press-v3": _task("button", "reach press"),
    "button-press-wall-v3": _task("button", "reach reach approach press"),
    "coffee-button-v3": _task("coffee machine", "reach press"),
    "coffee-pull-v3": _task("mug", "reach grasp pull"),
    "coffee-push-v3": _task("mug", "reach grasp push"),
    "dial-turn-v3": _task("dial", "reach approach turn"),
    "disassemble-v3": _task("ring", "reach grasp lift"),
    "door-close-v3": _task("door", "reach reach close close"),
    "door-lock-v3": _task("door lock", "reach reach close close"),
    "door-open-v3": _task("door", "reach approach open"),
    "door-unlock-v3": _task("door lock", "reach approach open"),
    "drawer-close-v3": _task("drawer", "reach reach approach close"),
    "drawer-open-v3": _task("drawer", "reach approach open"),
    "faucet-close-v3": _task("faucet", "reach approach close"),
    "faucet-open-v3": _task("faucet", "reach approach open"),
    "hammer-v3": _task("hammer", "reach grasp carry hit"),
    "hand-insert-v3": _task("block", "reach grasp carry insert"),
    "handle-press-side-v3": _task("handle", "reach press"),
    "handle-press-v3": _task("handle", "reach press"),
    "handle-pull-side-v3": _task("handle", "reach pull pull"),
    "handle-pull-v3": _task("handle", "reach approach pull"),
    "lever-pull-v3": _task("lever", "reach approach pull"),
    "peg-insert-side-v3": _task("peg", "reach grasp carry insert"),
    "peg-unplug-side-v3": _task("plug", "reach grasp pull"),
    "pick-out-of-hole-v3": _task("puck", "reach grasp lift carry"),
    "pick-place-v3": _task("puck", "reach grasp grasp carry"),
    "pick-place-wall-v3": _task("puck", "reach grasp lift carry place place"),
    "plate-slide-back-side-v3": _task("plate", "reach approach pull"),
    "plate-slide-back-v3": _task("plate", "reach approach pull pull pull"),
    "plate-slide-side-v3": _task("plate", "reach approach push push"),
    "plate-slide-v3": _task("plate", "reach approach push"),
    "push-back-v3": _task("puck", "reach grasp pull"),
    "push-v3": _task("puck", "reach grasp push"),
    "push-wall-v3": _task("puck", "reach grasp push push push"),
    "reach-v3": _task("mark", "reach"),
    "reach-wall-v3": _task("mark", "reach reach"),
    "shelf-place-v3": _task("block", "reach grasp carry lift place"),
    "soccer-v3": _task("football", "reach push"),
    "stick-pull-v3": _task("stick", "reach grasp carry carry insert pull"),
    "stick-push-v3": _task("stick", "reach grasp carry carry push push"),
    "sweep-into-v3": _task("cube", "reach grasp sweep"),
    "sweep-v3": _task("cube", "reach grasp sweep"),
    "window-close-v3": _task("window", "reach approach close"),
    "window-open-v3": _task("window", "reach approach open"),
}

WITHOUT_PHASES = ("reach-v3", "reach-wall-v3", "soccer-v3")
"""Tasks that no preset has: two are about no object, and `soccer-v3` never enters its second phase."""

SMALL = (
    "assembly-v3",
    "disassemble-v3",
    "coffee-pull-v3",
    "coffee-push-v3",
    "door-close-v3",
    "door-open-v3",
    "drawer-close-v3",
    "drawer-open-v3",
    "faucet-close-v3",
    "faucet-open-v3",
    "pick-place-v3",
    "push-v3",
    "window-close-v3",
    "window-open-v3",
)
"""Tasks of the small preset: pairs that do two things with one object, so that the scene alone doesn't say which."""

TEST_ONLY: dict[Preset, tuple[str, ...]] = {
    "tiny": (),
    "small": ("lid", "lever"),
    "large": ("lid", "lever", "basketball", "plug"),
}
"""Objects that only the test recordings have; the verbs on them are learned with others."""


def preset_tasks(preset: Preset) -> tuple[str, ...]:
    """Names of a preset's tasks, those with test-only objects included."""
    if preset == "tiny":
        return ("drawer-close-v3", "drawer-open-v3")
    if preset == "small":
        return SMALL + tuple(name for name, task in TASKS.items() if task.noun in TEST_ONLY["small"])
    return tuple(name for name in TASKS if name not in WITHOUT_PHASES)
