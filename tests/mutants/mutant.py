"""One fault: which text of which file it replaces, and the tests that have to notice."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "viewloom"


@dataclass(frozen=True)
class Mutant:
    """A fault to put in.

    Attributes:
        name: short and unique.
        file: path below src/viewloom.
        old: text that stands there exactly once; as short as that allows, so that it outlives other changes.
        new: what replaces it.
        tests: test files or test ids that concern it, quick ones first.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def mutated(self) -> str:
        """The file's text with the fault in it.

        Raises:
            Stale: the list doesn't fit the sources any more.
        """
        path = SOURCE / self.file
        if not path.is_file():
            raise Stale(f"{self.file} is not there")
        text = path.read_text(encoding="utf-8")
        if (times := text.count(self.old)) != 1:
            raise Stale(f"{self.old!r} stands {times} times in {self.file}; correct it in tests/mutants/")
        text = text.replace(self.old, self.new)
        try:
            compile(text, self.file, "exec")
        except SyntaxError as error:
            raise Stale(f"the new text is no Python: {error}") from None
        for test in self.tests:
            if not (ROOT / test.partition("::")[0]).is_file():
                raise Stale(f"{test} is not there")
        return text


class Stale(Exception):
    """A mutant that can't be put in; says why."""


def all_mutants() -> list[Mutant]:
    """Every list ``MUTANTS`` in the files beside this one."""
    names = [module.name for module in iter_modules([str(Path(__file__).parent)])]
    modules = [import_module(f"tests.mutants.{name}") for name in names if name.startswith("in_")]
    mutants = [mutant for module in modules for mutant in module.MUTANTS]
    assert len({mutant.name for mutant in mutants}) == len(mutants), "two mutants have one name"
    return mutants
