"""YAML as people write it: a key that is there twice is a fault, and a small file stays small.

Plain values alone, as `yaml.safe_load` gives them. A few lines of aliases can stand for more than a machine holds,
so what they stand for is counted before it is made.
"""

from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from viewloom.errors import DataError, UserError
from viewloom.reading import SURROGATE, read_text

LONGEST = 16 * 1024 * 1024
"""Characters of a text."""
MOST = 1_000_000
"""Values that a text may stand for, aliases written out."""
DEEPEST = 100
"""Tables inside tables."""
MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: Path, remedy: str = "Correct it.", kind: type[UserError] = DataError, what: str = "") -> Any:
    """The values in a file; an error of ``kind`` in one line where there are none, see `load_yaml`; ``what`` it is
    stands before its name."""
    try:
        return load_yaml(read_text(path, remedy, kind))
    except yaml.YAMLError as error:
        raise kind(f"{what}{path} is not YAML ({in_a_line(error)}). {remedy}") from None


def in_a_line(error: yaml.YAMLError) -> str:
    """What the reader says, and where."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return str(error).splitlines()[0]


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
        _refuse_doubled(node, set())
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError(f"tables inside tables more than {DEEPEST} deep") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # What its constructors say of a date that there isn't, or of a tag on something else.
        raise yaml.YAMLError(f"a value can't be what it is said to be ({error})") from None
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Stops at the first table that is too deep, before Python does, which takes a second to notice."""

    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """The next node, with all in it."""
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"line {self.line + 1}: tables inside tables more than {DEEPEST} deep")
        self.depth += 1
        found: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return found


def _count(node: Node, counted: dict[int, int], depth: int) -> int:
    """How many values a node stands for; 0 marks one that is being counted."""
    if depth > DEEPEST:
        raise yaml.YAMLError(f"{_line(node)}: tables inside tables more than {DEEPEST} deep")
    if isinstance(node, ScalarNode) and ("\0" in node.value or SURROGATE.search(node.value)):
        raise yaml.YAMLError(f"{_line(node)}: a text with NUL or half of a character")
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


def _refuse_doubled(node: Node, seen: set[int]) -> None:
    """`yaml.YAMLError` for a key that is there twice, where the last would win unseen; before tables are merged."""
    if id(node) in seen or isinstance(node, ScalarNode):
        return
    seen.add(id(node))
    pairs = node.value if isinstance(node, MappingNode) else ()
    keys: dict[tuple[str, str], Node] = {}
    for key, _ in pairs:
        if isinstance(key, ScalarNode) and key.tag != MERGE:
            before = keys.setdefault((key.tag, key.value), key)
            if before is not key:
                raise yaml.YAMLError(f"{_line(key)}: {key.value!r} is there twice, before in {_line(before)}")
    for inside in (value for _, value in pairs) if pairs else node.value:
        if isinstance(inside, Node):
            _refuse_doubled(inside, seen)
