"""Any frame to 16 kHz mono, through a libav filter graph without threads (the sandbox forbids starting one).

Runs in the decoder's child. PyAV's own ``AudioResampler`` is such a graph too, but one that starts a thread per core.
"""

from collections.abc import Iterator
from typing import Any

import av
from av.filter import Graph

_OUT_SAMPLES = 8_192  # per frame handed out: fewer, larger ones cost less in Python


class Resampler:
    """Streams frames of one or several shapes into signed 16 bit mono. Holds one graph, however long the audio.

    The graph is asked for sound only when it should have some: to be told that it has none is what costs. Frames that
    are what we want already do not pass through it.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._graph: Graph | None = None
        self._shape: tuple[str, str, int] | None = None
        self._pushed = 0.0  # samples of the graph's output that it has not been asked for

    def feed(self, frame: av.AudioFrame) -> Iterator[bytes]:
        """Native-endian int16 for one more frame; a change of rate, layout or format starts a new graph."""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            yield from self.flush()
            self._shape = shape
            self._graph = None if _is_wanted(frame, self._rate) else _graph(frame, self._rate)
        if self._graph is None:
            yield _samples(frame)
            return
        frame.pts = None  # time is counted in samples; broken time stamps must not reach a filter
        self._graph.push(frame)
        self._pushed += frame.samples * self._rate / frame.sample_rate
        if self._pushed >= _OUT_SAMPLES:
            self._pushed = 0.0
            yield from _pull(self._graph)

    def flush(self) -> Iterator[bytes]:
        """What the filters still hold."""
        if self._graph is not None:
            self._graph.push(None)
            yield from _pull(self._graph)
        self._graph, self._shape, self._pushed = None, None, 0.0


def _is_wanted(frame: av.AudioFrame, rate: int) -> bool:
    one = frame.layout.nb_channels == 1
    return one and frame.format.name in {"s16", "s16p"} and frame.sample_rate == rate


def _graph(frame: av.AudioFrame, rate: int) -> Graph:
    graph = Graph()
    graph.threads = 1
    layout = frame.layout
    source = graph.add(
        "abuffer",
        sample_rate=str(frame.sample_rate),
        sample_fmt=frame.format.name,
        channel_layout=layout.name,
        time_base=f"1/{frame.sample_rate}",
    )
    nodes = [source]
    if layout.nb_channels > 2:
        nodes.append(graph.add("pan", _mean(layout.nb_channels)))
    nodes.append(graph.add("aformat", sample_rates=str(rate), sample_fmts="s16", channel_layouts="mono"))
    nodes.append(graph.add("abuffersink"))
    graph.link_nodes(*nodes).configure()
    graph.set_audio_frame_size(_OUT_SAMPLES)
    return graph


def _mean(channels: int) -> str:
    """Every channel alike: a film's mix would drop the fourth microphone of a recording as if it were a subwoofer."""
    return "mono|c0=" + "+".join(f"{1 / channels:.6f}*c{index}" for index in range(channels))


def _pull(graph: Graph) -> Iterator[bytes]:
    while True:
        try:
            frame: Any = graph.pull()
        except (BlockingIOError, EOFError):  # wants more input; has ended
            return
        yield _samples(frame)


def _samples(frame: Any) -> bytes:
    """Of one plane; it may be longer than what it holds."""
    return bytes(memoryview(frame.planes[0])[: frame.samples * 2])
