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


def test_using_the_models_loads_no_backend() -> None:
    code = (
        "import json, sys, mobilevit_edge as me; me.create_model('mobilevit_xxs', num_classes=1);"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    tops = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert "torch" in tops
    assert tops.isdisjoint({"onnx", "onnxruntime", "onnxscript", "coremltools", "executorch"})


@pytest.mark.parametrize("modules_first", [False, True])
def test_every_public_name_is_a_documented_class_or_function(modules_first: bool) -> None:
    # Importing a submodule binds its name in the package: "preprocess" and "complexity" must
    # stay the functions whatever was imported before.
    before = "import mobilevit_edge.preprocess, mobilevit_edge.counting" if modules_first else ""
    code = f"""{before}
import json, mobilevit_edge as me
values = {{name: getattr(me, name) for name in me.__all__}}
bad = [name for name, value in values.items() if not (callable(value) and value.__doc__)]
print(json.dumps(bad))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
    assert dir(me) == sorted(me.__all__)


def test_an_unknown_attribute_is_named_in_the_error() -> None:
    with pytest.raises(AttributeError, match=r"mobilevit_edge.*'no_such_name'"):
        _ = me.no_such_name
