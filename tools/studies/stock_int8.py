"""int8 exports as the runtimes' own guides make them, by the stock quantizers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def executorch_stock_int8(model: nn.Module, image: Tensor) -> bytes:
    """A ``.pte`` by XNNPACK's quantizer, one scale per channel, calibrated on ``image``."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from converters.targets.executorch.delegates import xnnpack
    from converters.targets.executorch.lowering import lower

    quantizer = XNNPACKQuantizer()
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
    with torch.no_grad():
        prepared = prepare_pt2e(torch.export.export(model, (image,)).module(), quantizer)
        prepared(image)
        program = torch.export.export(convert_pt2e(prepared), (image,))
    return lower(program, xnnpack())


def litert_stock_int8(model: nn.Module, image: Tensor) -> bytes:
    """A ``.tflite`` by LiteRT's own quantizer, one scale per channel, calibrated on ``image``.

    Its input and output are numbers, as those of the other two.
    """
    from litert_torch.quantize import pt2e_quantizer
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from converters.targets.litert.conversion import convert_module

    config = pt2e_quantizer.get_symmetric_quantization_config(is_per_channel=True)
    quantizer = pt2e_quantizer.PT2EQuantizer().set_global(config)
    with torch.no_grad():
        prepared = prepare_pt2e(torch.export.export(model, (image,)).module(), quantizer)
        prepared(image)
        return convert_module(convert_pt2e(prepared), (image,), quantized=True)


def onnx_stock_int8(model: nn.Module, image: Tensor) -> bytes:
    """An ONNX file by ONNX Runtime's ``quantize_static``, calibrated on ``image``."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from converters.targets.onnx.conversion import export_graph

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped base
        """Gives one image, then nothing."""

        def __init__(self) -> None:
            self._batches = iter([{"image": image.numpy()}])

        def get_next(self) -> dict[str, Any] | None:
            """The next input, if there is one."""
            return next(self._batches, None)

    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (Path(folder) / f"{n}.onnx" for n in ("a", "b", "c"))
        proto = export_graph(model, (image,), input_names=["image"])
        onnx.save(proto, source)
        quant_pre_process(source, prepared)
        model = onnx.load(prepared)
        _give_norms_scales_of_their_own(model.graph)
        onnx.save(model, prepared)
        quantize_static(
            prepared,
            target,
            Reader(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


def _give_norms_scales_of_their_own(graph: Any) -> None:
    """Let no two norms read one scale: where int8 products are exact, ONNX Runtime refuses that."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    norms = [node for node in graph.node if node.op_type == "InstanceNormalization"]
    for index, node in enumerate(norms):
        copy = type(constants[node.input[1]])()
        copy.CopyFrom(constants[node.input[1]])
        copy.name = node.input[1] = f"{copy.name}_{index}"
        graph.initializer.append(copy)
