"""The report's ablation "Simple Arch": two streams, the joint one with ten equal layers and one linear map."""

from viewloom.methods.two_stream import TwoStream
from viewloom.nn.sizes import simple_stages
from viewloom.registry import METHODS


@METHODS.register("two_stream_simple")
class TwoStreamSimple(TwoStream):
    """As `TwoStream`, with the simple joint stream."""

    stages = staticmethod(simple_stages)
