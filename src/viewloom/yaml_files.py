"""YAML as people write it: a key that is there twice is a fault, and a small file stays small.

Plain values alone, as `yaml.safe_load` gives them. A few lines of aliases can stand for more than a machine holds,
so what they stand for is counted before it is made.
"""

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

LONGEST = 16 * 1024 * 1024
"""Characters of a text."""
MOST = 1_000_000
"""Values that a text may stand for, aliases written out."""
DEEPEST = 100
"""Tables inside tables."""
MERGE = "tag:yaml.org,2002:merge"


def load_yaml(text: str) -> Any:
    """The values in a text.

    Raises:
        yaml.YAMLError: no YAML, a key twice, or more values, or deeper ones, than a file of settings has. Its first
            line says what and where.
    """
    if len(text) > LONGEST:
        raise yaml.YAMLError(f"{len(text):,} characters, and {LONGEST:,} is the most that is read")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, 0)
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError(f"tables inside tables more than {DEEPEST} deep") from None
    except ValueError as error:  # such as a date that there isn't
        raise yaml.YAMLError(str(error)) from None
    finally:
        loader.dispose()


def _count(node: Node, counted: dict[int, int], depth: int) -> int:
    """How many values a node stands for; 0 marks one that is being counted."""
    if depth > DEEPEST:
        raise yaml.YAMLError(f"{_line(node)}: tables inside tables more than {DEEPEST} deep")
    if id(node) not in counted:
        counted[id(node)] = 0
        parts = [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value
        found = sum(_count(part, counted, depth + 1) for part in parts) if not isinstance(node, ScalarNode) else 0
        counted[id(node)] = 1 + found
    if counted[id(node)] == 0:
        raise yaml.YAMLError(f"{_line(node)}: an alias of what it stands in")
    if counted[id(node)] > MOST:
        raise yaml.YAMLError(f"{_line(node)}: aliases that stand for more than {MOST:,} values")
    return counted[id(node)]


def _line(node: Node) -> str:
    return f"line {node.start_mark.line + 1}"


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice; the last would win unseen."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[tuple[str, str], Node] = {}
        for key, _ in node.value:
            if not isinstance(key, ScalarNode) or key.tag == MERGE:
                continue
            before = seen.setdefault((key.tag, key.value), key)
            if before is not key:
                raise yaml.YAMLError(f"{_line(key)}: {key.value!r} is there twice, before in {_line(before)}")
        return super().construct_mapping(node, deep)
