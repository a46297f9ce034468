"""The package's surface: lazy imports and public names."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import mobilevit_edge as me

HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "onnxscript", "coremltools", "executorch")


def test_importing_the_package_loads_neither_torch_nor_a_backend() -> None:
    code = "import json, sys, mobilevit_edge; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout)
    assert "mobilevit_edge" in modules
    assert [name for name in modules if name.split(".")[0] in HEAVY] == []


@pytest.mark.parametrize("modules_first", [False, True])
def test_every_public_name_is_documented_and_none_loads_a_backend(modules_first: bool) -> None:
    # Importing a submodule binds its name in the package: "preprocess" and "complexity" must
    # stay the functions whatever was imported before.
    before = "import mobilevit_edge.preprocess, mobilevit_edge.counting" if modules_first else ""
    code = f"""{before}
import json, sys, mobilevit_edge as me
values = {{name: getattr(me, name) for name in me.__all__}}
bad = [name for name, value in values.items() if not (callable(value) and value.__doc__)]
me.create_model("mobilevit_xxs", num_classes=1)
print(json.dumps([bad, sorted({{name.split(".")[0] for name in sys.modules}})]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    bad, packages = json.loads(done.stdout)
    assert bad == []
    assert "torch" in packages
    assert {"onnx", "onnxruntime", "onnxscript", "coremltools", "executorch"}.isdisjoint(packages)
    assert dir(me) == sorted(me.__all__)


def test_an_unknown_attribute_is_named_in_the_error() -> None:
    with pytest.raises(AttributeError, match=r"mobilevit_edge.*'no_such_name'"):
        _ = me.no_such_name
