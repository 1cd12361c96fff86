"""The six formats: exact times, gaps told, hostile text harmless, valid JSON."""

import json
import math
import re
from dataclasses import replace

import pytest

from core.errors import InvalidRequestError
from core.states import TaskStatus
from core.transcript.formats import MEDIA_TYPES, TranscriptFormat, parse_format, render
from tests.unit.transcript.transcripts import gap, header, said, stream, word

HELLO = said(" Hello there.", 0.0, 1.25, word(" Hello", 0.0, 0.5), word(" there.", 0.6, 1.25))
LATE = said(" The end.", 3661.5, 3662.0, word(" The", 3661.5, 3661.7), word(" end.", 3661.7, 3662.0))
PIECES = [HELLO, gap(30, 60), LATE]


async def rendered(name, *pieces, **changes):
    return "".join([part async for part in render(name, header(**changes), stream(pieces))])


async def test_text_is_one_segment_per_line_with_gaps_marked():
    """As Whisper's command line writes it; what is missing stands where it is missing."""
    assert await rendered("text", *PIECES) == (
        "Hello there.\n[00:00:30.000 - 00:01:00.000 not transcribed: failed]\nThe end.\n"
    )


async def test_tsv_is_milliseconds_and_text():
    """Three columns always, so that a gap does not break a reader."""
    assert await rendered("tsv", *PIECES) == (
        "start\tend\ttext\n"
        "0\t1250\tHello there.\n"
        "30000\t60000\t[00:00:30.000 - 00:01:00.000 not transcribed: failed]\n"
        "3661500\t3662000\tThe end.\n"
    )


async def test_srt_is_exact():
    """Numbers from 1, commas, a blank line after every cue, a cue for the gap."""
    assert await rendered("srt", *PIECES) == (
        "1\n00:00:00,000 --> 00:00:01,250\nHello there.\n\n"
        "2\n00:00:30,000 --> 00:01:00,000\n[00:00:30.000 - 00:01:00.000 not transcribed: failed]\n\n"
        "3\n01:01:01,500 --> 01:01:02,000\nThe end.\n\n"
    )


async def test_vtt_is_exact():
    """The header, full stops in times, and the gap as a note that no player shows."""
    assert await rendered("vtt", *PIECES) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.250\nHello there.\n\n"
        "NOTE [00:00:30.000 - 00:01:00.000 not transcribed: failed]\n\n"
        "01:01:01.500 --> 01:01:02.000\nThe end.\n\n"
    )


async def test_json_has_text_gaps_and_coverage():
    """The text in one line, the header's fields under their names."""
    assert json.loads(await rendered("json", *PIECES)) == {
        "task_id": "t1",
        "status": "partial",
        "complete": False,
        "task": "transcribe",
        "model": "base",
        "language": "en",
        "duration": 120.5,
        "text": "Hello there. The end.",
        "gaps": [{"start": 30.0, "end": 60.0, "reason": "failed"}],
        "coverage": {"transcribed_seconds": 100.0, "silent_seconds": 0.5, "failed_seconds": 20.0},
    }


async def test_verbose_json_has_openais_fields():
    """The language by its English name, segments with their figures, no words unless they were asked for."""
    segment = replace(HELLO, tokens=(5, 6), seek_samples=480_000, avg_logprob=-0.25, compression_ratio=1.5)
    got = json.loads(await rendered("verbose_json", segment, *PIECES[1:]))
    assert got["language"] == "english"
    assert got["text"] == "Hello there. The end."
    assert got["gaps"] == [{"start": 30.0, "end": 60.0, "reason": "failed"}]
    assert got["segments"][0] == {
        "id": 0,
        "seek": 3000,
        "start": 0.0,
        "end": 1.25,
        "text": " Hello there.",
        "tokens": [5, 6],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.5,
        "no_speech_prob": 0.0,
    }
    assert [s["id"] for s in got["segments"]] == [0, 1]
    assert "words" not in got
    assert got.keys() >= {"task", "duration", "status", "complete", "coverage"}


async def test_verbose_json_has_words_when_asked_for():
    """Word, start and end, over all segments in one list."""
    got = json.loads(await rendered("verbose_json", *PIECES, word_timestamps=True))
    assert got["words"] == [
        {"word": "Hello", "start": 0.0, "end": 0.5},
        {"word": "there.", "start": 0.6, "end": 1.25},
        {"word": "The", "start": 3661.5, "end": 3661.7},
        {"word": "end.", "start": 3661.7, "end": 3662.0},
    ]


@pytest.mark.parametrize("name", list(TranscriptFormat))
async def test_an_empty_transcript_is_valid(name):
    """A task of silence, or one that has only begun: nothing breaks on nothing."""
    got = await rendered(name, language=None, duration_seconds=None, status=TaskStatus.PREPARING)
    if "json" in name:
        assert json.loads(got)["text"] == ""
        assert json.loads(got)["language"] is None
        assert json.loads(got)["duration"] is None
    else:
        assert got == {"text": "", "srt": "", "vtt": "WEBVTT\n\n", "tsv": "start\tend\ttext\n"}[name]


HOSTILE = ' a"b\\c\n\n9\n00:00:00,000 --> 00:00:09,000\n<script>\t&amp;\u2028\x00\ud800 '


@pytest.mark.parametrize("name", ["json", "verbose_json"])
async def test_json_survives_any_text(name):
    """Quotes, backslashes, control characters: the object parses and the text comes back."""
    piece = said(HOSTILE, 0, 1, word(HOSTILE, 0, 1))
    got = json.loads(await rendered(name, piece, word_timestamps=True))
    assert got["text"] == HOSTILE.replace("\ud800", "?").strip()


@pytest.mark.parametrize("name", list(TranscriptFormat))
async def test_every_output_can_be_sent(name):
    """Half a surrogate pair, which a tokeniser may cut off, does not end the response in the middle."""
    assert (await rendered(name, said(HOSTILE, 0, 1, word(HOSTILE, 0, 1)))).encode("utf-8")


@pytest.mark.parametrize("name", ["verbose_json", "json"])
async def test_json_has_no_infinity_or_nan(name):
    """A degenerate window's figures become null, since JSON has no such numbers."""
    piece = replace(HELLO, avg_logprob=-math.inf, compression_ratio=math.nan)
    text = await rendered(name, piece)
    json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize("name", ["srt", "vtt"])
async def test_text_cannot_break_a_cue(name):
    """An arrow, a blank line or a number in the text opens no second cue, and WebVTT shows markup as text."""
    got = await rendered(name, said(HOSTILE, 0, 1, word(HOSTILE, 0, 1)))
    assert got.count("-->") == len(re.findall(r"^\d\d:\d\d:\d\d[,.]\d{3} --> ", got, flags=re.MULTILINE))
    blocks = [block for block in got.split("\n\n") if block]
    assert all("-->" in block or block == "WEBVTT" for block in blocks)
    assert name == "srt" or "<" not in got


async def test_tabs_and_newlines_cannot_break_a_row():
    """Tsv and text stay one line per segment."""
    piece = said(HOSTILE, 0, 1)
    assert (await rendered("tsv", piece)).count("\t") == 4
    assert len((await rendered("text", piece)).rstrip("\n").split("\n")) == 1


async def test_segments_of_a_language_without_spaces_are_not_spaced():
    """Japanese text runs on; a translation of it is English and does not."""
    pieces = said("はい。", 0, 1), said("そう。", 1, 2)
    assert json.loads(await rendered("json", *pieces, language="ja"))["text"] == "はい。そう。"
    translated = await rendered("json", said("Yes.", 0, 1), said("So.", 1, 2), language="ja", task="translate")
    assert json.loads(translated)["text"] == "Yes. So."


async def test_non_ascii_text_is_not_escaped():
    """A text of 24 hours of Chinese would be twice as long."""
    assert "Grüße" in await rendered("json", said(" Grüße", 0, 1))


def test_every_format_has_a_media_type():
    """What is served is labelled."""
    assert set(MEDIA_TYPES) == set(TranscriptFormat)


@pytest.mark.parametrize("name", ["SRT", " vtt ", "Verbose_JSON"])
def test_a_format_is_known_in_any_case(name):
    """As people type it."""
    assert parse_format(name) in TranscriptFormat


@pytest.mark.parametrize("name", ["", "xml", "srt;", "x" * 10_000])
def test_an_unknown_format_is_refused_before_anything_is_read(name):
    """At once, so that the answer can still be an error, and with the accepted names."""
    with pytest.raises(InvalidRequestError, match="json, verbose_json, text, srt, vtt, tsv") as refused:
        render(name, header(), stream([]))
    assert refused.value.code == "invalid_format"
    assert len(refused.value.message) < 200
