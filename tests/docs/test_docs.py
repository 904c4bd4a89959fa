"""What the documentation says is run: commands, snippets, links, flags, decisions."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sonometry.cli.commands import COMMANDS
from sonometry.cli.reference import reference
from sonometry.cli.run import run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _commands() -> list[list[str]]:
    lines = [line for block in _blocks(README, "sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_the_make_targets_of_the_readme_exist():
    targets = [words[1] for words in _commands() if words[0] == "make"]
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_commands_of_the_readme_run(tmp_path, monkeypatch, capsys):
    import sonometry as sm
    from sonometry.io.dicom_write import write_cine
    from sonometry.io.rf_write import write_rf

    rf, _ = sm.simulate("elastography", seed=1)
    write_rf(rf, tmp_path / "scan.mat")
    cine, _ = sm.simulate("view", seed=1)
    write_cine(cine, tmp_path / "clip.dcm")
    monkeypatch.chdir(tmp_path)
    words = [words[1:] for words in _commands() if words[0].endswith("/sonometry")]
    assert [line[0] for line in words] == ["info", "measure", "measure"]
    for line in words:
        assert run(line) == 0, capsys.readouterr().err
    assert (tmp_path / "out/report.html").exists()


def test_the_python_of_the_readme_runs(capsys):
    (snippet,) = _blocks(README, "python")
    assert len(snippet.strip().splitlines()) <= 6
    scope: dict = {}
    exec(compile(snippet, "README.md", "exec"), scope)
    assert scope["strain"].shape == scope["rf"].samples.shape[1:]
    assert "%" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link.split("#")[0]).exists()]
    assert not missing


def _linked_from(page: Path) -> set[Path]:
    links = re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8"))
    return {(page.parent / link).resolve() for link in links if "://" not in link and link.endswith(".md")}


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), [(ROOT / "README.md").resolve()]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        waiting += _linked_from(page) - reached
    assert not [str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in reached]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_snippets_import_is_there(page):
    for snippet in _blocks(page.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(snippet)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sonometry"):
                module = importlib.import_module(str(node.module))
                assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


def test_the_reference_of_the_command_line_is_current():
    assert (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8") == reference(), "run: make reference"


def test_every_flag_of_every_command_is_documented():
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"## sonometry {command.name}\n" in page
        for flag in re.findall(r"--[a-z][a-z-]+", _help_of(command.name)):
            assert f"`{flag}`" in page or flag in ("--help", "--app"), flag


def _help_of(command: str) -> str:
    import contextlib
    import io

    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        run([command, "--help"])
    return shown.getvalue()


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda p: p.stem)
def test_a_decision_is_half_a_page_with_its_four_parts(decision):
    text = decision.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(decision.stem[:4])}. ")
    assert all(f"**{part}.**" in text for part in ("Context", "Options", "Choice", "Consequence"))
    assert len(text.splitlines()) <= 45
    assert decision.name in (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")


def test_decisions_are_numbered_without_gaps():
    assert [int(d.stem[:4]) for d in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a clone: git does not list the files")
    names = [
        name for name in listed.stdout.split("\0") if name.endswith((".py", ".md", ".toml", ".yaml", ".json", ".css"))
    ]
    return [ROOT / name for name in [*names, "Makefile", ".ci/run"] if (ROOT / name).exists()]


def test_no_tracked_file_names_a_place_of_one_machine_or_a_package_host():
    machine = re.compile(r"""(?<![\w.$}/~#-])/(?:home|root|work|Users|mnt)/\w""")
    host = re.compile(
        "|".join(["py" + "pi\\.org", "python" + "hosted", "download\\.py" + "torch\\.org/whl", "conda\\.any" + "thing"])
    )
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:80]}"
        for path in _tracked()
        for line in path.read_text(encoding="utf-8").splitlines()
        if machine.search(line) or host.search(line)
    ]
    assert not found
