"""Inputs and outputs of a ``.tflite`` file in the types that apps have.

The converter turns a quantization that the graph begins or ends with into the type of its input or
output, so that an app would have to know scales. Here it becomes an operator again:

    int8 input            ->  float input, QUANTIZE
    int8 output           ->  DEQUANTIZE, float output
    uint8 input, CAST     ->  uint8 input of scale 1, DEQUANTIZE

The last computes the same, and XNNPACK takes it: it has no conversion from integers.
"""

from __future__ import annotations

import copy
from typing import Any

from converters.targets.litert.flatbuffer import kind_of, schema


def give_plain_types(model: Any) -> None:
    """Change a ``ModelT`` in place: its inputs become fp32 or bytes, its outputs fp32."""
    graph = model.subgraphs[0]
    for position, index in enumerate(graph.inputs):
        tensor = graph.tensors[index]
        if tensor.type == schema.TensorType.INT8:
            plain = _add_float_twin(model, graph, index)
            _retarget(model.signatureDefs[0].inputs, index, plain)
            graph.inputs[position] = plain
            operator = _operator(model, schema.BuiltinOperator.QUANTIZE, plain, index)
            operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
            operator.builtinOptions = schema.QuantizeOptionsT()
            graph.operators.insert(0, operator)
        elif tensor.type == schema.TensorType.UINT8:
            _read_as_quantized(model, graph, index)
    for position, index in enumerate(graph.outputs):
        if graph.tensors[index].type == schema.TensorType.INT8:
            plain = _add_float_twin(model, graph, index)
            _retarget(model.signatureDefs[0].outputs, index, plain)
            graph.outputs[position] = plain
            graph.operators.append(_dequantize(model, index, plain))


def _add_float_twin(model: Any, graph: Any, index: int) -> int:
    """A float tensor beside a quantized one, which gets its name; the index of the new one."""
    twin = copy.copy(graph.tensors[index])
    graph.tensors[index].name = twin.name + b"_quantized"
    twin.type, twin.quantization = schema.TensorType.FLOAT32, None
    twin.buffer = len(model.buffers)
    model.buffers.append(schema.BufferT())
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def _retarget(maps: Any, before: int, after: int) -> None:
    for entry in maps:
        if entry.tensorIndex == before:
            entry.tensorIndex = after


def _read_as_quantized(model: Any, graph: Any, index: int) -> None:
    """Bytes of scale one: what casts them may dequantize them instead."""
    readers = [operator for operator in graph.operators if index in operator.inputs]
    kinds = {kind_of(model.operatorCodes[operator.opcodeIndex]) for operator in readers}
    if kinds != {"CAST"}:
        return
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = [1.0], [0]
    graph.tensors[index].quantization = quantization
    for operator in readers:
        made = _dequantize(model, index, operator.outputs[0])
        graph.operators[graph.operators.index(operator)] = made


def _dequantize(model: Any, source: int, target: int) -> Any:
    operator = _operator(model, schema.BuiltinOperator.DEQUANTIZE, source, target)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator


def _operator(model: Any, builtin: int, source: int, target: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = _opcode(model, builtin)
    operator.inputs, operator.outputs = [source], [target]
    return operator


def _opcode(model: Any, builtin: int) -> int:
    """The index of an operator's code, added where the file has none."""
    for index, code in enumerate(model.operatorCodes):
        if builtin == max(code.builtinCode, code.deprecatedBuiltinCode):
            return index
    code = schema.OperatorCodeT()
    # Codes below 127 stand in both fields, for readers of the older one.
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = _VERSIONS[builtin]
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


_VERSIONS = {schema.BuiltinOperator.QUANTIZE: 1, schema.BuiltinOperator.DEQUANTIZE: 2}
"""That read and write int8."""
