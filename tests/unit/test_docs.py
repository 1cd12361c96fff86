"""What the documentation says is what there is: settings, commands, links, error codes, fields."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from typer.main import get_command

from cli.main import app
from core.config import Settings
from core.models import Cut, Task
from core.states import ChunkState, TaskStatus

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
GUIDE = DOCS / "CONFIGURATION_GUIDE.md"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(
    r"""(?:\bcode(?::\ str)?\ ?=\ ?|"code":\ |RefusedError\(\s*|\bproblem\([\w.]+,\ )"([a-z_]{4,})\"""",
    re.VERBOSE,
)
# Caught or translated before anybody outside sees them.
UNSEEN = {
    "broker_unavailable",
    "cancelled",
    "claim_lost",
    "decoder_unavailable",
    "invalid_blob_key",
    "invalid_language",
}


def row(name: str, field: FieldInfo) -> str:
    """One setting as the guide has it."""
    default = field.default
    text = "" if default is None else default if isinstance(default, str | Path) else json.dumps(default)
    shown = f"`{text}`" if str(text) else "empty"
    return f"| `{name.upper()}` | {shown} | {field.description} |"


def targets(page: Path) -> list[str]:
    """Relative links of a page, without the places in the pages."""
    links = LINK.findall(FENCE.sub("", page.read_text()))
    return [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]


def codes() -> set[str]:
    """Every error code that the sources name."""
    sources = [path for folder in ("core", "api", "worker") for path in (ROOT / folder).rglob("*.py")]
    return {code for path in sources if path.name != "openapi.py" for code in CODE.findall(path.read_text())}


def shown_commands(page: Path, word: str) -> set[str]:
    """What follows ``word`` as a command in the page's code: in blocks or between backticks."""
    text = page.read_text()
    code = "\n".join(FENCE.findall(text) + re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))
    return set(re.findall(rf"(?:^|[\s/;])(?:[A-Z_]+=\S+ )*{word} (?:[A-Z_]+=\S+ )*([a-z][a-z-]+)", code, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_guide_has_every_setting_with_its_default(name):
    """The row of core.config, word for word, once; a change there is a change here."""
    assert GUIDE.read_text().splitlines().count(row(name, Settings.model_fields[name])) == 1


def test_guide_has_no_other_setting():
    """Rows of settings that are gone are found."""
    named = re.findall(r"^\| `([A-Z_]+)` \|", GUIDE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Every relative link is a file or folder of the repository."""
    assert [link for link in targets(page) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    """Every `make` target and every `parascribe` command that a page shows."""
    makefile = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    known = set(getattr(get_command(app), "commands"))  # noqa: B009 - typer does not say that it is a group
    assert shown_commands(page, "make") <= makefile
    assert shown_commands(page, "parascribe") <= known


def test_the_searches_find_what_is_there(tmp_path):
    """A page with a dead link and unknown commands, so that the tests above can fail; and the real pages have some."""
    page = tmp_path / "page.md"
    page.write_text(
        "[gone](gone.md#place) [out](https://example.org) [here](#here)\n`make nothing`\n"
        "```sh\nA=1 parascribe fly\n```\n"
    )
    assert targets(page) == ["gone.md"]
    assert (shown_commands(page, "make"), shown_commands(page, "parascribe")) == ({"nothing"}, {"fly"})
    assert {"demo", "serve", "test"} <= shown_commands(ROOT / "README.md", "make")
    assert {"serve", "transcribe", "status"} <= set().union(*(shown_commands(page, "parascribe") for page in PAGES))


def test_every_page_is_in_the_index():
    """Whoever reads docs/README.md can reach every page, or the folder that it lies in."""
    reached = {(DOCS / link).resolve() for link in targets(DOCS / "README.md")} | {DOCS / "README.md"}
    assert [page for page in DOCS.rglob("*.md") if not {page, page.parent} & reached] == []


def test_every_error_code_is_explained():
    """A code that a client or an operator may meet has a row in the page on troubles, and no row is of a code gone."""
    explained = re.findall(r"^\| `([a-z_]+)` \|", (DOCS / "how-to" / "troubleshooting.md").read_text(), re.MULTILINE)
    assert sorted(set(explained)) == sorted(codes() - UNSEEN)
    assert codes() >= UNSEEN


def test_the_data_model_names_every_field():
    """Fields of a task, and what chunks have beside them, are in the page on the architecture."""
    named = set(re.findall(r"`([a-z_]+)`", (DOCS / "architecture.md").read_text()))
    derived = {"id"}
    assert {field.name for field in fields(Task)} - derived <= named
    assert {"task", "index", "cut", "core", "state", "not_before", "error", "result"} <= named
    assert {field.name for field in fields(Cut)} - {"index"} <= set(
        re.findall(r"\w+", (DOCS / "architecture.md").read_text())
    )


def test_the_states_are_drawn():
    """Both diagrams have every state."""
    text = (DOCS / "architecture.md").read_text()
    tasks, chunks = re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)
    assert all(re.search(rf"\b{status.value}\b", tasks) for status in TaskStatus)
    assert all(re.search(rf"\b{state.value}\b", chunks) for state in ChunkState)


def test_known_log_lines_are_in_the_sources():
    """Scripts match these lines; the pages quote them, the worker writes them."""
    worker = "".join(path.read_text() for path in (ROOT / "worker").glob("*.py"))
    for piece in ("transcription mode", "in parallel (workers=", "one by one", "transcription complete in "):
        assert piece in worker
        assert piece in (DOCS / "PARALLEL_PROCESSING.md").read_text()
