"""What a user is told of a file that was read, though not without trouble."""

from dataclasses import replace

from core.audio.decode import DecodeReport
from worker.prepare import warnings_of

FINE = DecodeReport(samples=16_000, packet_bytes=100, damaged_packets=0, filled_samples=0, truncated=False)


def test_a_sound_file_has_no_warning():
    """Nor has one whose decoder did not report."""
    assert warnings_of(FINE) == warnings_of(None) == []


def test_each_trouble_is_told_with_its_size():
    """A file that breaks off, damaged pieces, and a clock with gaps."""
    told = warnings_of(replace(FINE, truncated=True, damaged_packets=3, filled_samples=40_000))
    assert len(told) == 3
    assert "breaks off" in told[0]
    assert told[1].startswith("3 damaged pieces")
    assert "2.5 s" in told[2]
