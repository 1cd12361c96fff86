"""The figure: which lines of the files are drawn, and as what."""

import json
import sys

import pytest

from benchmarks import plot

ENGINES = {
    "summary": True,
    "audio_seconds": 932.0,
    "cores": 2,
    "contenders": {
        "parascribe": {"realtime_factor": 60.0, "wer": 0.0625},
        "whisper-cpp": {"realtime_factor": 15.0, "wer": 0.08},
    },
    "ratios": {"parascribe": {"whisper_cpp": 4.0}},
}
CURVE = {
    "summary": True,
    "audio_seconds": 932.0,
    "cores": 2,
    "points": [
        {"beam": 2, "fallback": True, "realtime_factor": 60.0, "wer": 0.0625},
        {"beam": 1, "fallback": True, "realtime_factor": 70.0, "wer": 0.07},
        {"beam": 1, "fallback": False, "realtime_factor": 72.0, "wer": 0.075},
    ],
}
SCALING = {
    "summary": True,
    "audio_seconds": 932.0,
    "cores": 2,
    "slots": {"4": {"realtime_factor": 61.0}, "1": {"realtime_factor": 32.0}, "2": {"realtime_factor": 60.0}},
}


def test_the_last_summary_counts():
    """Runs, warnings, earlier summaries and other JSON are passed over."""
    earlier = ENGINES | {"cores": 1}
    lines = [json.dumps(each) for each in (earlier, {"contender": "parascribe"}, ENGINES, [1])]
    assert plot.summary_in("\n".join([*lines, "a warning", ""]), "engines", "contenders") == ENGINES


@pytest.mark.parametrize("text", ["", "  60.0 x real time", json.dumps(CURVE)], ids=["empty", "no JSON", "another's"])
def test_a_file_without_its_summary_is_named(text):
    """With the command whose output it should hold."""
    with pytest.raises(SystemExit, match=r"`python -m benchmarks\.engines`"):
        plot.summary_in(text, "engines", "contenders")


def test_contenders_are_ours_where_they_have_ratios():
    """Wrong words in per cent."""
    assert plot.places(ENGINES) == {"parascribe": (60.0, 6.25, True), "whisper-cpp": (15.0, 8.0, False)}


def test_beams_are_drawn_from_the_narrowest_on():
    """With and without the fallback apart."""
    assert list(plot.beams(CURVE, fallback=True).items()) == [(1, (70.0, pytest.approx(7.0))), (2, (60.0, 6.25))]
    assert list(plot.beams(CURVE, fallback=False)) == [1]


@pytest.mark.parametrize("change", [{"audio_seconds": 240.0}, {"cores": 4}])
def test_what_was_measured_otherwise_is_not_drawn_together(change):
    """Another length or another number of cores."""
    plot.check_alike(ENGINES, CURVE)
    with pytest.raises(SystemExit, match="do not compare"):
        plot.check_alike(ENGINES, CURVE | change)


@pytest.mark.parametrize(
    ("measured", "cores", "line"),
    [
        ([(1, 30.0), (2, 50.0), (4, 52.0)], 2, [(1, 30.0), (2, 60.0), (4, 60.0)]),
        ([(1, 30.0), (4, 100.0)], 2, [(1, 30.0), (2, 60.0), (4, 60.0)]),
        ([(1, 30.0), (4, 100.0)], 8, [(1, 30.0), (4, 120.0)]),
        ([(4, 60.0), (8, 60.0)], 2, [(4, 60.0), (8, 60.0)]),
        ([(1, 30.0)], 2, [(1, 30.0)]),
    ],
    ids=["bend measured", "bend not measured", "no bend", "all beyond the cores", "one"],
)
def test_the_ideal_line_bends_at_the_cores(measured, cores, line):
    """It starts where the fewest slots stand."""
    assert plot.ideal(measured, cores) == line


def test_slots_are_numbers():
    """JSON has them as text, in which 16 comes before 2."""
    assert plot.speeds(SCALING) == [(1, 32.0), (2, 60.0), (4, 61.0)]


def test_what_is_missing_is_told_with_the_command_that_installs_it(monkeypatch, tmp_path):
    """Before any file is read."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    gone = str(tmp_path / "gone")
    monkeypatch.setattr(sys, "argv", ["plot", "--engines", gone, "--curve", gone, "--scaling", gone, "-o", gone])
    with pytest.raises(SystemExit, match=r"pip install -e '\.\[plot\]'"):
        plot.main()


def test_the_figure_is_small(tmp_path):
    """A PNG under 100 kB."""
    path = tmp_path / "figure.png"
    plot.draw(ENGINES, CURVE, SCALING, path)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 100_000
