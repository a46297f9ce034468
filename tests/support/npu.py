"""What files for the NPU must hold, and a stand-in for Qualcomm's compiler, as a child."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import pytest

from converters.targets.onnx.inspection import read_graph
from converters.targets.onnx.npu import compiler
from converters.targets.onnx.npu.unit import OPERATORS
from tests.support.exports import Bundles

ROOT = Path(__file__).parents[2]
VERSION = "2.7.0"
FakeCompiler: TypeAlias = Callable[[str], None]

PROLOGUE = r"""
import json, os, signal, sys, time
import numpy as np, onnx
from onnx import helper
from pathlib import Path
request = json.load(sys.stdin)
def context(*kinds, embed_mode=1, content=bytes(1000)):
    known = {"embed_mode": embed_mode, "ep_cache_context": content, "ep_sdk_version": "v2.51.0"}
    nodes = [
        helper.make_node(kind, [], [kind], domain="com.microsoft", **known) for kind in kinds
    ]
    outputs = [helper.make_tensor_value_info(kind, 1, [1]) for kind in kinds]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [], outputs)), "context.onnx")
def timeline():
    kernels = [("0x100000010", "a", 0, 30, "for_hvx"), ("0x200000011", "b", 10, 20, "uses_hmx"),
               ("0x300000099", "default_dma (q::*InputSlice)", 30, 70, "for_dma"),
               ("0x400000010", "a_start", 0, 100, "scalar")]
    events = [{"name": name, "ph": "X", "tid": 1, "ts": start, "dur": length,
               "args": {"id": number, "flags": [flag]}}
              for number, name, start, length, flag in kernels]
    trace = b"\x00{\x01" + json.dumps({"traceEvents": events}).encode() + b"more"
    Path("profile_qnn.log").write_bytes(trace)
    names = "0x0010: 'stem.conv/Conv_3_token_32',\n0x0011: 'stem.act/Mul_4',\n"
    Path("x_schematic.bin").write_text(f"a = (\n)\nqnn_name_translations = {{\n{names}}}\n")
def profile(**rows):
    lines = ["Timestamp,Message,Time,Unit,Source,Level,Identifier"]
    lines += [f"1,ROOT,{value},US,BACKEND,ROOT,{name}" for name, value in rows.items()]
    Path("profile.csv").write_text("\n".join(lines))
def answer(**content):
    print(json.dumps(content), flush=True)
"""
TAKEN = """
if request["task"] == "answer":
    x = np.load("inputs.npy")
    np.save("outputs.npy", ANSWERS)
    answer()
else:
    context("EPContext")
    timeline()
    rows = {"Simulated (Accelerator exec cycles)": 2000 * request["soc_model"],
            "Simulated (Accelerator exec time us)": 1366, "Input Fill": 10, "Other": 5}
    profile(**rows)
    answer(taken=True, reason=None, left=[])
"""
LEFT = """
left = [{"name": "layer3.1/Einsum_5", "kind": "Einsum"}, {"name": "x/Col2Im_7", "kind": "Col2Im"}]
answer(taken=False, reason="no", left=left)
"""


def fake_compiler(folder: Path, patch: pytest.MonkeyPatch) -> FakeCompiler:
    """Sets the body of the child that stands in for the compiler from now on."""
    patch.setattr(compiler, "_WORKER", "fake_worker")
    patch.setattr(compiler, "require_compiler", lambda: VERSION)
    patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
    # Another body of the same length within a second has the compiled code of the one before.
    patch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def use(body: str) -> None:
        (folder / "fake_worker.py").write_text(PROLOGUE + textwrap.dedent(body))

    return use


def assert_what_the_unit_takes(bundle: Bundles, name: str, rewrites: Iterable[str]) -> None:
    """Fixed shapes of four axes, only operators that the NPU has, and no rewrites but these."""
    graph = read_graph(bundle(name) / "model.onnx")
    assert {operator.kind for operator in graph.operators} <= OPERATORS
    assert not graph.symbols
    assert max(operator.rank for operator in graph.operators) <= 4
    manifest = bundle.manifest(name)
    assert manifest.unit == "npu"
    assert {rewrite.name for rewrite in manifest.rewrites} <= {"preprocessing_fold", *rewrites}
    assert not manifest.rewrites_refused
