"""The named ways in which published code scores segmentations; figures of different ones don't compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Rules of one protocol.

    Attributes:
        source: whose evaluation code scores so.
        last_end: frames added to the end of a sequence's last segment; -1: it is one frame short, and a last
            segment of one frame is empty: it overlaps nothing but still counts.
        f1: counts pooled over sequences, or F1 of each sequence averaged.
        mof: frames pooled over sequences, or the share of each sequence averaged, however long it is.
        ignored: frames without a label split segments and are dropped, or are deleted before segmenting, which
            joins the segments around them.
        background: segments of background classes are dropped, or counted like others. MoF counts their frames
            either way.
        truth: of the prediction's length, or cut to it. Nothing is made up for a truth that is the shorter one:
            then the prediction is cut.
    """

    source: str
    last_end: Literal[0, -1] = 0
    f1: Literal["pooled", "mean"] = "pooled"
    mof: Literal["pooled", "mean"] = "pooled"
    ignored: Literal["split", "deleted"] = "split"
    background: Literal["dropped", "counted"] = "dropped"
    truth: Literal["whole", "cut"] = "whole"


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "canonical": Protocol(source="MS-TCN (Farha and Gall, CVPR 2019), eval.py"),
        # Their loop ends a sequence's last segment at the index of the last frame, not behind it.
        "last_segment_short": Protocol(
            source="MS-TCN++ (Li et al., TPAMI 2020), ASFormer (Yi et al., BMVC 2021), DiffAct (Liu et al., ICCV 2023)",
            last_end=-1,
        ),
        "mean_f1": Protocol(source="ED-TCN (Lea et al., CVPR 2017), metrics.py", f1="mean"),
        # That code has one list for unlabelled and background classes. To repeat it with background, label the
        # background frames of the truth -100 and name the classes as background too.
        "ignored_deleted": Protocol(source="LTContext (Bahrami et al., ICCV 2023), a whole split", ignored="deleted"),
        # Its test_net.py scores each video by these metrics, and averages all five over the videos.
        "per_video": Protocol(
            source="LTContext (Bahrami et al., ICCV 2023), test_net.py", f1="mean", mof="mean", ignored="deleted"
        ),
        # MS-TCN's code names one class "background"; data sets that call it otherwise (Breakfast: SIL) keep it.
        "background_counted": Protocol(
            source="MS-TCN's eval.py on Breakfast, whose background class SIL it doesn't know",
            background="counted",
        ),
        # Inherited from the segmentation code of Assembly101 (Sener et al., CVPR 2022).
        "cut_to_prediction": Protocol(source="released code of the view-invariance report", truth="cut"),
    }
)
