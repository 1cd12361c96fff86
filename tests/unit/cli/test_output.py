"""Where transcripts go."""

import pytest

from cli.errors import CommandError
from cli.output import write


def test_a_file_is_whole_or_not_there(tmp_path):
    """A transcript that breaks off leaves what was there before, and no remains."""
    path = tmp_path / "talk.srt"
    write(iter([b"old"]), path)

    def breaking():
        yield b"new"
        raise CommandError("broke")

    with pytest.raises(CommandError, match="broke"):
        write(breaking(), path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("talk.srt", b"old")]


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    """The path and the reason."""
    with pytest.raises(CommandError, match=r"nowhere/talk\.srt cannot be written"):
        write(iter([b"text"]), tmp_path / "nowhere" / "talk.srt")


@pytest.mark.parametrize(("parts", "shown"), [([b"a", b"b"], b"ab\n"), ([b"ab\n"], b"ab\n"), ([], b"")])
def test_printed_text_ends_its_line(parts, shown, capfdbinary):
    """The shell's prompt is not glued to the last word, and nothing is added to what ends its line itself."""
    write(iter(parts), None)
    assert capfdbinary.readouterr().out == shown
