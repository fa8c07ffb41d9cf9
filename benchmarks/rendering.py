"""Rendering Meta-World: pictures as `viewloom simulate metaworld` takes them against Meta-World's own settings.

Both sides render the same states of one task from the same camera with the same OpenGL backend. They don't look the
same (shadows, reflections, smooth edges), which is the point; that both show the same scene is checked by their
correlation. JSON on standard output. The first side is what a plain `mujoco.Renderer` does.

    python benchmarks/rendering.py --states 6 --size 128
"""

import argparse
import os
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timing import ratio, show

Pictures = NDArray[np.uint8]


def states(task: str, count: int) -> tuple[Any, list[Any]]:
    """An environment and the positions of all joints at some moments of a policy's way."""
    from viewloom.simulate.metaworld.acting import make_env
    from viewloom.simulate.metaworld.phases import WatchedPolicy

    env, policy = make_env(task, 0), WatchedPolicy(task)
    observation, _ = env.reset()
    found = []
    for _ in range(count):
        for _ in range(10):
            observation, *_ = env.step(policy.action(observation).astype(np.float32))
        found.append((env.data.qpos.copy(), env.data.qvel.copy()))
    return env, found


def round_(env: Any, found: list[Any], take: Callable[[], Pictures]) -> tuple[float, Pictures]:
    """Seconds to render all states, and the pictures; the physics is not counted."""
    seconds, pictures = 0.0, []
    for qpos, qvel in found:
        env.set_state(qpos, qvel)
        start = time.perf_counter()
        pictures.append(take())
        seconds += time.perf_counter() - start
    return seconds, np.stack(pictures)


def alike(one: Pictures, two: Pictures) -> float:
    """Smallest correlation of the brightness of two pictures of one state."""
    pairs = zip(one.mean(axis=-1), two.mean(axis=-1), strict=True)
    return min(float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in pairs)


def main() -> None:
    """Render, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="drawer-open-v3")
    parser.add_argument("--camera", default="corner3")
    parser.add_argument("--states", type=int, default=6)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    try:
        from viewloom.errors import ConfigError
        from viewloom.simulate.metaworld.rendering import backend_environment, require_packages

        require_packages()
        os.environ.update(backend_environment("auto") | {"LP_NUM_THREADS": "1"})
    except ConfigError as error:
        show({"settings": vars(args), "not_measured": [{"path": "rendering Meta-World", "reason": str(error)}]})
        return
    import mujoco

    from viewloom.simulate.metaworld.rendering import Cameraman

    env, found = states(args.task, args.states)
    plain = mujoco.Renderer(env.model, args.size, args.size)

    def own() -> Pictures:
        plain.update_scene(env.data, args.camera)
        return plain.render()

    with closing(Cameraman(env.model, args.size)) as fast:
        ways: dict[str, Callable[[], Pictures]] = {
            "as shipped": own,
            "viewloom": lambda: fast.picture(env.data, args.camera),
        }
        shown = {name: round_(env, found[:1], take)[1] for name, take in ways.items()}  # warm-up
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(args.repeats):
            for name, take in ways.items():
                elapsed, shown[name] = round_(env, found, take)
                seconds[name].append(elapsed / args.states)
    likeness = alike(shown["as shipped"], shown["viewloom"])
    assert likeness > 0.7, f"the two sides don't show the same scene: correlation {likeness:.2f}"
    show(
        {
            "settings": {**vars(args), "backend": os.environ["MUJOCO_GL"], "correlation": likeness},
            "ratios": [ratio("rendering Meta-World, a picture", seconds, "as shipped", "viewloom")],
        }
    )


if __name__ == "__main__":
    main()
