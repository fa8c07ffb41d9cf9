"""Whether the settings of a config class all have a docstring, which becomes their help text."""

import ast
import inspect
import textwrap


def undocumented(config: type) -> list[str]:
    """Names of settings, inherited ones too, without a docstring under them."""
    found = []
    for cls in config.__mro__[:-1]:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
        for node, after in zip(body, [*body[1:], None], strict=True):
            told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(node, ast.AnnAssign) and not told:
                found.append(f"{cls.__qualname__}.{node.target.id}")
    return found
