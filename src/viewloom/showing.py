"""What a verb shows on standard output."""

from typing import Any

from viewloom.failures import STDOUT, writing


def show(*results: Any) -> int:
    """Show what a verb gives back, tables or lines; returns its exit code: 0, unless it has one of its own."""
    from rich.table import Table

    from viewloom.console import out

    with writing(STDOUT):
        for result in (result for result in results if result is not None):
            out.print(result if isinstance(result, Table) else str(result), markup=False)
    return max(int(getattr(result, "exit_code", 0)) for result in results)


def say_text(text: str, stream: Any, code: int) -> int:
    """Write a text as it is; returns the code."""
    with writing(STDOUT):
        stream.write(text)
    return code
