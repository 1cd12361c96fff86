"""Real files through the real child process: what is decoded, and what is refused for what it is."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from core.audio.decoders import open_decoder
from core.models import SAMPLE_RATE, Pcm
from tests.helpers_audio import clip, encode, noise, silence, tone, wav_header, write_wav
from tests.integration.audio.decoding import LIMITS, decode, refusal

FORMATS = {
    "wav": {"codec": "pcm_s16le"},
    "8 bit wav": {"name": "x.wav", "codec": "pcm_u8"},
    "24 bit wav": {"name": "x.wav", "codec": "pcm_s24le", "rate": 48_000, "layout": "stereo"},
    "float wav": {"name": "x.wav", "codec": "pcm_f32le", "rate": 44_100},
    "mu-law wav": {"name": "x.wav", "codec": "pcm_mulaw", "rate": 8_000},
    "a-law wav": {"name": "x.wav", "codec": "pcm_alaw", "rate": 8_000},
    "adpcm wav": {"name": "x.wav", "codec": "adpcm_ms", "rate": 22_050},
    "8 channels wav": {"name": "x.wav", "codec": "pcm_s16le", "rate": 48_000, "layout": "7.1"},
    "96 kHz wav": {"name": "x.wav", "codec": "pcm_s24le", "rate": 96_000},
    "192 kHz wav": {"name": "x.wav", "codec": "pcm_s32le", "rate": 192_000},
    "4 kHz wav": {"name": "x.wav", "codec": "pcm_s16le", "rate": 4_000},
    "w64": {"codec": "pcm_s16le"},
    "aiff": {"codec": "pcm_s16be", "rate": 44_100, "layout": "stereo"},
    "au": {"codec": "pcm_mulaw", "rate": 8_000},
    "caf": {"codec": "pcm_s16le"},
    "flac": {"codec": "flac", "rate": 44_100, "layout": "stereo"},
    "5.1 flac": {"name": "x.flac", "codec": "flac", "rate": 48_000, "layout": "5.1"},
    "mp3": {"codec": "libmp3lame", "rate": 44_100, "layout": "stereo"},
    "m4a": {"name": "x.mp4", "codec": "aac", "rate": 44_100, "layout": "stereo"},
    "alac": {"name": "x.mp4", "codec": "alac"},
    "mov": {"codec": "aac"},
    "3gp": {"codec": "libopencore_amrnb", "rate": 8_000},
    "adts": {"name": "x.aac", "codec": "aac"},
    "amr": {"codec": "libopencore_amrnb", "rate": 8_000},
    "ogg opus": {"name": "x.ogg", "codec": "libopus", "rate": 48_000, "layout": "stereo"},
    "ogg vorbis": {"name": "x.ogg", "codec": "vorbis", "rate": 44_100, "layout": "stereo"},
    "ogg flac": {"name": "x.ogg", "codec": "flac"},
    "webm": {"codec": "libopus", "rate": 48_000},
    "mkv": {"codec": "libmp3lame", "rate": 32_000},
    "wma": {"codec": "wmav2", "rate": 44_100, "layout": "stereo"},
    "wv": {"codec": "wavpack"},
    "mp4 film": {"name": "x.mp4", "codec": "aac", "rate": 48_000, "layout": "stereo", "video": "libx264"},
    "webm film": {"name": "x.webm", "codec": "libopus", "rate": 48_000, "video": "libvpx"},
}


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_format_decodes_to_its_sound(tmp_path: Path, kind: str) -> None:
    """The right length to 0.15 s, and at every moment about as loud as the original."""
    options = dict(FORMATS[kind])
    path = tmp_path / str(options.pop("name", f"x.{kind}"))
    original = clip(0)
    encode(path, original, **options)  # type: ignore[arg-type]
    decoder, pcm = await decode(path)
    assert abs(len(pcm) - len(original)) < 0.15 * SAMPLE_RATE
    assert decoder.report is not None
    assert (decoder.report.samples, decoder.report.truncated) == (len(pcm), False)
    assert decoder.info.sample_rate == options.get("rate", SAMPLE_RATE)
    # ADTS and WMA do not say how many samples of padding the encoder put in front, or lose their first frame.
    shifts = [(0, 0), (0, 1_024), (743, 0), (0, 743)]
    likeness = [np.corrcoef(envelope(original[a:]), envelope(pcm[b:]))[0, 1] for a, b in shifts]
    assert max(likeness) > 0.95


def envelope(pcm: Pcm) -> np.ndarray:
    """Loudness per 50 ms of the first 6.75 s."""
    return np.sqrt((pcm[: 135 * 800].astype(float).reshape(-1, 800) ** 2).mean(axis=1))


async def test_no_microphone_of_many_is_lost(tmp_path: Path) -> None:
    """In eight channels without a layout each counts the same; a film's mix would drop the fourth."""
    for channel in range(8):
        frames = np.zeros((SAMPLE_RATE, 8), dtype=np.int16)
        frames[:, channel] = tone(1)
        header = wav_header(rate=SAMPLE_RATE, channels=8, data_bytes=frames.nbytes)
        path = tmp_path / f"{channel}.wav"
        path.write_bytes(header + frames.tobytes())
        _, pcm = await decode(path)
        assert np.abs(pcm).max() == pytest.approx(1_000, rel=0.1)


async def test_blocks_have_the_length_asked_for(tmp_path: Path) -> None:
    """All but the last, and together they are the file."""
    original = noise(3.3)
    async with open_decoder(write_wav(tmp_path / "x.wav", original), LIMITS) as decoder:
        blocks = [block async for block in decoder.blocks(7_000)]
    assert {len(block) for block in blocks[:-1]} == {7_000}
    np.testing.assert_array_equal(np.concatenate(blocks), original)


async def test_the_description_says_what_the_file_is(tmp_path: Path) -> None:
    """Container, codec, rate, channels and the declared length."""
    path = encode(tmp_path / "x.flac", tone(2), codec="flac", rate=44_100, layout="stereo")
    info = (await decode(path))[0].info
    assert (info.container, info.codec, info.sample_rate, info.channels) == ("flac", "flac", 44_100, 2)
    assert info.declared_seconds == pytest.approx(2, abs=0.01)


async def test_a_truncated_mp3_gives_what_is_left(tmp_path: Path) -> None:
    """Half of the file is about half of the sound, and no error."""
    path = encode(tmp_path / "x.mp3", clip(0), codec="libmp3lame")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _, pcm = await decode(path)
    assert len(pcm) == pytest.approx(len(clip(0)) / 2, rel=0.1)


async def test_damage_in_the_middle_costs_only_that_part(tmp_path: Path) -> None:
    """The packets around it are decoded and silence stands for the damage, so that later words keep their times."""
    path = encode(tmp_path / "x.flac", np.concatenate([noise(5), tone(5), noise(5)]), codec="flac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2_000] = os.urandom(2_000)
    path.write_bytes(data)
    decoder, pcm = await decode(path)
    assert abs(len(pcm) - 15 * SAMPLE_RATE) < 0.1 * SAMPLE_RATE
    assert decoder.report is not None
    assert decoder.report.filled_samples > 0


async def test_rate_and_layout_may_change_within_a_file(tmp_path: Path) -> None:
    """Chained Ogg, as radio recordings have it: all parts are decoded at 16 kHz mono."""
    first = encode(tmp_path / "1.ogg", tone(2), codec="flac", rate=44_100, layout="stereo")
    second = encode(tmp_path / "2.ogg", tone(3), codec="flac", rate=22_050)
    path = tmp_path / "x.ogg"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    _, pcm = await decode(path)
    assert abs(len(pcm) - 5 * SAMPLE_RATE) < 0.2 * SAMPLE_RATE


def _adts_with_a_change(tmp_path: Path) -> Path:
    first = encode(tmp_path / "1.aac", tone(2), codec="aac", rate=44_100, layout="stereo")
    second = encode(tmp_path / "2.aac", tone(3), codec="aac", rate=22_050)
    path = tmp_path / "x.aac"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    return path


async def test_aac_may_change_its_rate(tmp_path: Path) -> None:
    """Here the decoder itself reports frames of another shape."""
    _, pcm = await decode(_adts_with_a_change(tmp_path))
    assert abs(len(pcm) - 5 * SAMPLE_RATE) < 0.3 * SAMPLE_RATE


async def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    """A film without an audio track."""
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), dtype=np.uint8), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert (await refusal(path)).code == "no_audio_stream"


async def test_a_codec_off_the_list_is_refused(tmp_path: Path) -> None:
    """The container is accepted, what is in it is not."""
    path = encode(tmp_path / "x.mkv", clip(0), codec="tta")
    error = await refusal(path)
    assert error.code == "codec_not_allowed"
    assert "tta" in error.message


async def test_a_container_off_the_list_is_refused(tmp_path: Path) -> None:
    """Even one that libav could read."""
    path = encode(tmp_path / "x.voc", clip(0), codec="pcm_u8")
    assert (await refusal(path)).code == "format_not_allowed"


@pytest.mark.parametrize("content", [os.urandom(50_000), b"\x00" * 50_000, b"fLaC" + bytes(50), b"RIFF"])
async def test_junk_is_unreadable(tmp_path: Path, content: bytes) -> None:
    """A clear end for every kind of it."""
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    assert (await refusal(path)).code in {"audio_unreadable", "format_not_allowed", "no_audio_stream"}


async def test_a_wav_without_samples_is_unreadable(tmp_path: Path) -> None:
    """There is nothing to transcribe, and it is said."""
    assert (await refusal(write_wav(tmp_path / "x.wav", silence(0)))).code in {"audio_unreadable", "no_audio_stream"}


@pytest.mark.parametrize("rate", [1, 3_999, 192_001, 655_350])
async def test_rates_out_of_range_are_refused(tmp_path: Path, rate: int) -> None:
    """1 Hz turns a megabyte into twelve days; a rate too high hides gigabytes behind a short clip."""
    path = tmp_path / "x.wav"
    path.write_bytes(wav_header(rate=rate, data_bytes=100_000) + bytes(100_000))
    error = await refusal(path)
    assert error.code == "sample_rate_out_of_range"
    assert str(rate) in error.message


async def test_nine_channels_are_refused(tmp_path: Path) -> None:
    """Eight are accepted (above)."""
    path = tmp_path / "x.wav"
    path.write_bytes(wav_header(rate=8_000, channels=9, data_bytes=180_000) + bytes(180_000))
    assert (await refusal(path)).code == "too_many_channels"
