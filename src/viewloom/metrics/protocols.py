"""The named ways in which published code scores segmentations; figures of different ones don't compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Rules of one protocol.

    Attributes:
        source: who scores so.
        last_end: frames added to the end of a sequence's last segment; -1: it is one frame short.
        f1: counts pooled over sequences, or F1 of each sequence averaged.
        ignored: frames without a label split segments and are dropped, or are deleted before segmenting, which
            joins the segments around them.
        background: segments of background classes are dropped, or counted like others.
        truth: of the prediction's length, or cut to it.
    """

    source: str
    last_end: Literal[0, -1] = 0
    f1: Literal["pooled", "mean"] = "pooled"
    ignored: Literal["split", "deleted"] = "split"
    background: Literal["dropped", "counted"] = "dropped"
    truth: Literal["whole", "cut"] = "whole"


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "canonical": Protocol(source="MS-TCN (Farha and Gall, CVPR 2019)"),
        "last_segment_short": Protocol(source="MS-TCN++, ASFormer, DiffAct: last segment ends early", last_end=-1),
        "mean_f1": Protocol(source="ED-TCN (Lea et al., CVPR 2017): mean of per-video F1", f1="mean"),
        "ignored_deleted": Protocol(source="LTContext: frames without a label deleted", ignored="deleted"),
        "background_counted": Protocol(source="scores on Breakfast that count background", background="counted"),
        "cut_to_prediction": Protocol(source="released code of the view-invariance report", truth="cut"),
    }
)
