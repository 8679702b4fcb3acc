"""Filters over single frames."""

from fractions import Fraction

from av.filter import Graph
from av.video.frame import VideoFrame


def graph_for(frame: VideoFrame, *filters: tuple[str, str]) -> Graph:
    """Return filters, by name and arguments, that stand ready for frames like this one."""
    graph = Graph()
    graph.threads = 1
    tick = frame.time_base or Fraction(1, 1000)
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=tick)
    graph.link_nodes(source, *(graph.add(name, arguments) for name, arguments in filters), graph.add("buffersink"))
    graph.configure()
    return graph


def filtered(frame: VideoFrame, *filters: tuple[str, str]) -> VideoFrame:
    """Return what filters make of a frame that look at nothing beside it."""
    graph = graph_for(frame, *filters)
    graph.vpush(frame)
    return graph.vpull()
