"""Several names in one setting."""


def names_in(text: str | None) -> tuple[str, ...]:
    """Comma-separated names, in order, without the spaces around them; none of None."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
