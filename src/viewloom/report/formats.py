"""Figures and times as a reader wants them."""


def fixed(value: float | None, digits: int = 1) -> str:
    """A number with ``digits`` decimals and a true minus sign; a dash for None."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def numeral(value: object) -> str:
    """Floats with one decimal, None as a dash; anything else as it is."""
    return fixed(value) if value is None or isinstance(value, float) else str(value)


def clock(seconds: float) -> str:
    """Seconds as ``m:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
