"""Pictures of a MuJoCo scene without a display."""

import importlib.util
import os
import subprocess
import sys
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError

Backend = Literal["auto", "egl", "osmesa"]

PROBE = "import mujoco; context = mujoco.GLContext(16, 16); context.make_current(); context.free()"
MISSING = (
    "No picture can be rendered here: neither EGL nor OSMesa gives an OpenGL context. Install a GPU driver with EGL, "
    "or software rendering (Debian, Ubuntu: apt-get install libosmesa6, or libegl1 with libegl-mesa0)."
)


def require_packages() -> None:
    """`ConfigError` where the optional packages are missing."""
    missing = [name for name in ("metaworld", "mujoco", "av") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"This needs {', '.join(missing)}: pip install 'viewloom[render]'.")


def backend_environment(backend: Backend) -> dict[str, str]:
    """Environment variables of the first way to render that works here; each is tried in a process of its own.

    Args:
        backend: the way, or auto: what MUJOCO_GL says, else egl, then osmesa.
    """
    said = os.environ.get("MUJOCO_GL", "")
    asked = said if backend == "auto" else backend
    candidates = [asked] if asked else ["egl", "osmesa"]
    for name in candidates:
        variables = {"MUJOCO_GL": name} | ({"PYOPENGL_PLATFORM": name} if name in ("egl", "osmesa") else {})
        environment = {**os.environ, **variables}
        done = subprocess.run([sys.executable, "-c", PROBE], check=False, env=environment, capture_output=True)
        if done.returncode == 0:
            return variables
    tried = f" Tried: {', '.join(candidates)}." if candidates != ["egl", "osmesa"] else ""
    raise ConfigError(MISSING + tried)


class Cameraman:
    """Takes pictures of one model; quick at the price of shadows, reflections, haze and smooth edges."""

    def __init__(self, model: Any, size: int) -> None:
        import mujoco

        # All of it counts only before the renderer is made: software rendering is some ten times quicker so.
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        self.renderer = mujoco.Renderer(model, size, size)
        for flag in ("SHADOW", "REFLECTION", "SKYBOX", "HAZE"):
            self.renderer.scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = 0
        self.options = mujoco.MjvOption()
        self.options.sitegroup[:] = 0  # marks of goals, which no real camera sees

    def picture(self, data: Any, camera: str) -> NDArray[np.uint8]:
        """What a camera sees, (size, size, 3)."""
        self.renderer.update_scene(data, camera, self.options)
        image: NDArray[np.uint8] = self.renderer.render()
        return image

    def close(self) -> None:
        """Free the OpenGL context."""
        self.renderer.close()
