"""The child that holds Qualcomm's compiler: one request on stdin, one answer on stdout, as JSON.

It runs in a folder of its own, which takes whatever the compiler writes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import onnxruntime_qnn

from converters.targets.onnx.npu.compiler import CONTEXT, INPUTS, OUTPUTS, PROFILE
from mobilevit_edge.processes import reserve_stdout

_FATAL: Final = 4


def _session(
    model: str, soc_model: int, provider: dict[str, str], entries: dict[str, str]
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = 1
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    name = onnxruntime_qnn.get_ep_name()
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]
    options.add_provider_for_devices(
        devices[:1],
        {
            "backend_type": "htp",
            "soc_model": str(soc_model),
            # Rounding of the graph's own input and output is the NPU's work too.
            "offload_graph_io_quantization": "0",
            # The longest search for the fastest graph, which takes seconds.
            "htp_graph_finalization_optimization_mode": "3",
            **provider,
        },
    )
    return onnxruntime.InferenceSession(model, options)


def _compile(model: str, soc_model: int) -> dict[str, Any]:
    """Compile, or say which nodes are not taken."""
    alone = {"session.disable_cpu_ep_fallback": "1"}
    context = {
        "ep.context_enable": "1",
        "ep.context_file_path": CONTEXT,
        # In the file itself, which then refers to nothing outside.
        "ep.context_embed_mode": "1",
    }
    profiling = {"profiling_level": "optrace", "profiling_file_path": PROFILE}
    try:
        _session(model, soc_model, profiling, alone | context)
    # The provider raises types of its own for every reason.
    except Exception as error:
        return {"taken": False, "reason": str(error), "left": _left(model, soc_model)}
    return {"taken": True, "reason": None, "left": []}


def _left(model: str, soc_model: int) -> list[dict[str, str]]:
    """Nodes that another provider would run."""
    try:
        session = _session(model, soc_model, {}, {"session.record_ep_graph_assignment_info": "1"})
        parts = session.get_provider_graph_assignment_info()
    except Exception:
        return []
    return [
        {"name": node.name, "kind": node.op_type}
        for part in parts
        if part.ep_name != onnxruntime_qnn.get_ep_name()
        for node in part.get_nodes()
    ]


def _answer(model: str, soc_model: int) -> dict[str, Any]:
    """Outputs of the emulated unit for the inputs in the folder, one image a call."""
    session = _session(model, soc_model, {}, {"session.disable_cpu_ep_fallback": "1"})
    name = session.get_inputs()[0].name
    inputs = np.load(INPUTS, allow_pickle=False)
    np.save(OUTPUTS, np.stack([session.run(None, {name: x})[0] for x in inputs]))
    return {}


def main() -> None:
    """Do what the request says."""
    answers = reserve_stdout()
    request = json.load(sys.stdin)
    onnxruntime.register_execution_provider_library(
        onnxruntime_qnn.get_ep_name(), onnxruntime_qnn.get_library_path()
    )
    work = _compile if request["task"] == "compile" else _answer
    answer = work(str(Path(request["model"])), request["soc_model"])
    answers.write(json.dumps(answer).encode())
    answers.flush()


if __name__ == "__main__":
    main()
