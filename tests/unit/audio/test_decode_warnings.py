"""What a user is told of a file that was read, though not without trouble."""

from dataclasses import replace

from core.audio.decode import DecodeReport

FINE = DecodeReport(samples=16_000, packet_bytes=100, damaged_packets=0, filled_samples=0, truncated=False)


def test_a_sound_file_has_no_warning():
    """Nothing to tell."""
    assert FINE.warnings == []


def test_each_trouble_is_told_with_its_size():
    """A file that breaks off, damaged pieces, and a clock with gaps."""
    told = replace(FINE, truncated=True, damaged_packets=3, filled_samples=40_000).warnings
    assert len(told) == 3
    assert "breaks off" in told[0]
    assert told[1].startswith("3 damaged pieces")
    assert "2.5 s" in told[2]
