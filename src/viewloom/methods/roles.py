"""Which view teaches, and which ones learn from it."""

from dataclasses import dataclass

from viewloom.errors import ConfigError, listed
from viewloom.names import names_in


@dataclass(frozen=True)
class Roles:
    """Teacher and student views, by name and by their place along axis V.

    Attributes:
        views: all views.
        teacher: the view that is followed.
        students: the views that follow, in the order of ``views``.
    """

    views: tuple[str, ...]
    teacher: str
    students: tuple[str, ...]

    @property
    def teacher_place(self) -> int:
        """Index of the teacher along axis V."""
        return self.views.index(self.teacher)

    @property
    def student_places(self) -> list[int]:
        """Indices of the students along axis V."""
        return [self.views.index(name) for name in self.students]


def assign_roles(views: tuple[str, ...], teacher: str, students: str, default: int) -> Roles:
    """Roles from settings.

    Args:
        views: all views.
        teacher: name of a view, or empty for the default.
        students: comma-separated names, or empty for all but the teacher.
        default: index of the view that teaches if none is named.

    Raises:
        ConfigError: an unknown view, or a teacher that is its own student.
    """
    teacher = teacher or views[default]
    named = names_in(students)
    chosen = tuple(name for name in views if name in named) if named else tuple(v for v in views if v != teacher)
    unknown = [name for name in (teacher, *named) if name not in views]
    if unknown:
        raise ConfigError(f"There is no view {listed(unknown)} to give a role; the views are {listed(views)}.")
    if teacher in chosen:
        raise ConfigError(f"The view {teacher!r} can't be teacher and student at once. Name other students.")
    return Roles(views, teacher, chosen)
