"""Every method's settings by its name, for `viewloom pretrain --help`: nothing here imports torch."""

from collections.abc import Mapping

from viewloom.methods.aligned_settings import MaskedConfig, SoftDTWConfig, TCCConfig, UnseenViewsConfig
from viewloom.methods.closed_settings import CoralConfig, DelayCCAConfig, ProcrustesConfig, RFFCCAConfig
from viewloom.methods.settings import SETTINGS as OF_STEPS
from viewloom.methods.settings import MethodConfig

SETTINGS: Mapping[str, type[MethodConfig]] = {
    **OF_STEPS,
    "coral": CoralConfig,
    "delay_cca": DelayCCAConfig,
    "procrustes": ProcrustesConfig,
    "rff_cca": RFFCCAConfig,
    "masked_crossview": MaskedConfig,
    "soft_dtw": SoftDTWConfig,
    "tcc": TCCConfig,
    "unseen_views": UnseenViewsConfig,
}
"""Registered names, and their settings."""
