"""Figures that papers print for 50Salads, Breakfast and GTEA: Edit, F1@10, F1@25, F1@50, frame accuracy, percent.

Means over the folds, on the I3D features of Farha and Gall (CVPR 2019). The papers themselves could not be opened where
this was written; what was compared with a second listing of the same figures says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from viewloom.recipes.published import Figures


@dataclass(frozen=True)
class Published:
    """One row's printed figures.

    Attributes:
        figures: in the order of `viewloom.recipes.published.SCORES`.
        source: paper and table.
        compared: whether they were compared with a second listing.
    """

    figures: Figures
    source: str
    compared: bool = True


_MS_TCN2 = "Li, Abu Farha, Liu, Cheng, Gall: MS-TCN++ (TPAMI 2020), Table 16"
_ASFORMER = "Yi, Wen, Jiang: ASFormer (BMVC 2021), Table 7"
_LTCONTEXT = "Bahrami, Francesca, Gall: LTContext (ICCV 2023), comparison with the state of the art"
_C2F_TCN = "Singhania, Rahaman, Yao: C2F-TCN (TPAMI 2023), comparison with the state of the art"

PUBLISHED: Mapping[str, Mapping[str, Published]] = {
    "50salads": {
        "ms_tcn2": Published((74.3, 80.7, 78.5, 70.1, 83.7), _MS_TCN2),
        "asformer": Published((79.6, 85.1, 83.4, 76.0, 85.6), _ASFORMER),
        "ltcontext": Published((83.2, 89.4, 87.7, 82.0, 87.7), _LTCONTEXT),
        "c2f_tcn": Published((76.4, 84.3, 81.8, 72.6, 84.9), _C2F_TCN, compared=False),
    },
    "breakfast": {
        "ms_tcn2": Published((65.6, 64.1, 58.6, 45.9, 67.6), _MS_TCN2),
        "asformer": Published((75.0, 76.0, 70.6, 57.4, 73.5), _ASFORMER),
        "ltcontext": Published((77.0, 77.6, 72.6, 60.1, 74.2), _LTCONTEXT),
        "c2f_tcn": Published((69.6, 72.2, 68.7, 57.6, 76.0), _C2F_TCN, compared=False),
    },
    "gtea": {
        "ms_tcn2": Published((83.5, 88.8, 85.7, 76.0, 80.1), _MS_TCN2),
        "asformer": Published((84.6, 90.1, 88.8, 79.2, 79.7), _ASFORMER),
        "c2f_tcn": Published((86.4, 90.3, 88.8, 77.7, 80.8), _C2F_TCN, compared=False),
    },
}
"""Table and row."""
