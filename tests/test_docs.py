"""What the documents show runs as it stands: Python, the first commands, the apps' few lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from converters.cli import export_main, predict_main
from converters.job.job import ExportJob
from converters.job.wrapping import ExportableModel
from converters.precision.apply import PrecisionPlan
from converters.progress import Progress
from tests.tools.docs.test_commands import command_lines

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SOURCES = {
    "kotlin": ("android_demo", "*.kt"),
    "swift": ("ios_demo/MobileViTKit/Sources", "*.swift"),
}
FROM_PLATFORM = {
    "kotlin": {"File", "println", "open", "use", "apply", "mkdirs"},
    "swift": {"url", "print", "appending", "main", "cachesDirectory"},
}
"""Of Kotlin and Android, Swift and Foundation."""


def code(page: Path, language: str) -> str:
    """The blocks of a language, one after the other."""
    blocks = re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert blocks, f"{page} shows no {language}"
    return "\n".join(blocks)


@pytest.fixture(scope="module")
def converted_once() -> Iterator[None]:
    """Conversions with the same options share their result: the pages export one model often."""
    from converters.targets.onnx import conversion

    kept: dict[str, tuple[PrecisionPlan, bytes]] = {}
    convert = conversion.convert

    def once(
        module: ExportableModel, job: ExportJob, plan: PrecisionPlan, path: Path, progress: Progress
    ) -> PrecisionPlan:
        options = repr(replace(job.options, output=None))
        if options in kept:
            plan, content = kept[options]
            path.write_bytes(content)
            return plan
        plan = convert(module, job, plan, path, progress)
        kept[options] = plan, path.read_bytes()
        return plan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "convert", once)
        yield


@pytest.mark.backend
@pytest.mark.usefixtures("converted_once")
def test_the_python_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (100, 80), (90, 140, 60)).save("photo.jpg")
    pages = (README, ROOT / "docs" / "howto" / "python.md")
    # As a script of its own, without the names of this one.
    exec("".join(code(page, "python") for page in pages), {"__name__": "__main__"})  # noqa: S102
    shown = capsys.readouterr().out
    assert "mobilevitv2_050 2e-05" in shown
    assert shown.startswith("photo.jpg [('")
    assert "palette-4bit" in shown.splitlines()[-1]


@pytest.mark.backend
@pytest.mark.usefixtures("converted_once")
def test_the_first_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (100, 80), (90, 140, 60)).save("photo.jpg")
    first, second = list(command_lines(README.read_text("utf-8")))[:2]
    assert (first[0], second[0]) == ("mobilevit-export", "mobilevit-predict")
    assert export_main(first[1:]) == 0
    shown = capsys.readouterr().out
    # What the README prints below it, but for figures and the runtime's version.
    (printed,) = re.findall(r"```\n(OK demo\n.*?)```", README.read_text("utf-8"), re.DOTALL)
    for line in printed.splitlines():
        if not re.search(r"[0-9]e-|runtime", line):
            assert " ".join(line.split()) in " ".join(shown.split()), line
    assert predict_main(second[1:]) == 0


@pytest.mark.parametrize("language", SOURCES)
@pytest.mark.parametrize("page", ["README.md", "docs/howto"])
def test_the_apps_few_lines_name_what_there_is(language: str, page: str) -> None:
    guide = {"kotlin": "android.md", "swift": "coreml.md"}[language]
    text = code(ROOT / page / guide if page != "README.md" else README, language)
    folder, pattern = SOURCES[language]
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / folder).rglob(pattern))
    declared = set(
        re.findall(r"(?:class|struct|enum|object|interface|actor|fun|func) (\w+)", sources)
    )
    called = set(re.findall(r"(\w+)\(", text)) - FROM_PLATFORM[language]
    assert called - {"if", "for"} - declared == set()
    for member in set(re.findall(r"\.([a-z]\w*)\b(?![(\w])", text)) - FROM_PLATFORM[language]:
        assert re.search(rf"\b{member}\b", sources), member
