"""The report's figures, as printed: Edit, F1@10, F1@25, F1@50, frame accuracy (MoF), all in percent.

Source: Zhang, Li, Borde, "Learning View-Invariant Representation for Improved Multi-View Understanding in
Hand-Centric Videos", Tables 1 to 5, measured on Assembly101. They belong to real features alone.
"""

from collections.abc import Mapping

SCORES = ("edit", "f1_10", "f1_25", "f1_50", "mof")
"""Order of the figures."""

Figures = tuple[float, float, float, float, float]

_NAIVE: dict[str, Figures] = {
    "ego": (22.61, 22.62, 19.13, 12.53, 28.62),
    "exo": (24.52, 25.24, 21.70, 15.16, 31.29),
}
_SYNC_KD: dict[str, Figures] = {
    "ego": (25.19, 25.19, 21.32, 14.24, 31.45),
    "exo": (27.32, 27.74, 23.35, 16.10, 33.42),
}
_TWO_STREAMS: dict[str, Figures] = {
    "ego": (24.74, 26.62, 22.50, 15.40, 32.05),
    "exo": (27.55, 28.57, 25.15, 17.97, 35.14),
}
_SIMPLE: dict[str, Figures] = {
    "ego": (25.36, 26.05, 22.50, 15.33, 31.97),
    "exo": (25.04, 27.78, 23.56, 16.41, 32.67),
}
_BOTH = {"naive": _NAIVE, "sync_kd": _SYNC_KD, "two_stream": _TWO_STREAMS}

PUBLISHED: Mapping[str, Mapping[str, Mapping[str, Figures]]] = {
    "table1": _BOTH,
    "table2": _BOTH,
    "table3": {"two_stream": _TWO_STREAMS, "two_stream_simple": _SIMPLE},
    "table4": {
        "front_sync_kd": {"ego": (23.47, 23.86, 19.63, 12.94, 28.98)},
        "front_two_stream": {"ego": (18.14, 18.31, 16.05, 10.81, 25.14)},
    },
    # One set of figures for all views: it stands beside our mean over the views.
    "table5": {
        "naive3": {"mean": (31.13, 33.06, 28.43, 19.82, 37.97)},
        "two_stream3": {"mean": (31.35, 34.09, 30.09, 21.24, 38.35)},
    },
}
"""Table, row, kind of view: figures."""
