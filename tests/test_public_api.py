"""The public names: pinned, importable, documented, and as short as the commands."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields
from types import ModuleType

import pytest

import benchmarks
import converters
import mobilevit_edge as me

pytestmark = pytest.mark.backend

CORE = {
    "Bundle",
    "Checkpoint",
    "Complexity",
    "Explanation",
    "ExportOptions",
    "InputContract",
    "MobileViT",
    "MobileViTEdgeError",
    "Prediction",
    "Preprocessing",
    "WeightsReport",
    "complexity",
    "count_macs",
    "create_model",
    "explain",
    "export",
    "list_models",
    "load_backbone",
    "load_image",
    "load_model",
    "load_weights",
    "predict",
    "preprocess_image",
    "read_bundle",
    "read_checkpoint",
    "save_weights",
}
CONVERTERS = {
    "Explanation",
    "ExportOptions",
    "Prediction",
    "explain",
    "export",
    "predict",
    "targets",
}
BENCHMARKS = {
    "bundle_group",
    "compare_across_runs",
    "compare_in_run",
    "measure_bundles",
    "summarize_row",
}


@pytest.mark.parametrize(
    ("package", "names"), [(me, CORE), (converters, CONVERTERS), (benchmarks, BENCHMARKS)]
)
def test_the_public_names_are_pinned(package: ModuleType, names: set[str]) -> None:
    assert set(package.__all__) == names
    assert set(dir(package)) == names
    for name in names:
        assert inspect.getdoc(getattr(package, name)), f"{name} has no docstring"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_submodules_do_not_hide_functions_of_the_same_name() -> None:
    code = (
        "import converters.cli, converters.bundling.pipeline, converters.explanation;"
        "import converters.api, converters.classifier, converters, mobilevit_edge as me;"
        "assert converters.export is me.export and callable(me.export);"
        "assert converters.explain is me.explain and callable(me.explain);"
        "assert converters.predict is me.predict and callable(me.predict)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_export_takes_what_its_options_are_made_of() -> None:
    parameters = list(inspect.signature(me.export).parameters)
    assert parameters == [field.name for field in fields(me.ExportOptions)]
    with pytest.raises(TypeError, match="precison"):
        me.export("demo", target="onnx", precison="fp16")  # type: ignore[call-arg]


def test_a_wrong_value_is_refused_as_on_the_command_line() -> None:
    with pytest.raises(me.MobileViTEdgeError, match="--precision 'fp17' does not exist"):
        me.export("demo", target="onnx", precision="fp17")  # type: ignore[arg-type]


def test_an_explanation_names_every_rewrite_of_the_target() -> None:
    explanation = me.explain("random", target="onnx", model="mobilevit_xxs", image_size=(32, 32))
    assert explanation.model == "mobilevit_xxs"
    assert {"batch_norm_fold", "row_phases"} <= {effect.name for effect in explanation.effects}
