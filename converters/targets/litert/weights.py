"""Weights in fewer bits, made by ai-edge-quantizer from an fp32 file."""

from __future__ import annotations

from typing import Any

from converters.job.precisions import Precision
from converters.quiet import quiet


def shrink_weights(content: bytes, precision: Precision) -> bytes:
    """A ``.tflite`` file with weights in fp16 or int8; in other precisions it stays as it is.

    fp16 and int8-weight-only are unpacked once, when the file is loaded, and computed with in fp32
    (by a GPU in fp16). With int8-dynamic, convolutions and linear layers round their input to the
    range that it turns out to have, and multiply integers; depthwise ones stay in fp32.
    """
    if precision not in ("fp16", "int8-weight-only", "int8-dynamic"):
        return content
    with quiet():
        from ai_edge_quantizer import quantizer

        made = quantizer.Quantizer(content, _recipe(precision))
        return bytes(made.quantize(enable_progress_report=False).quantized_model)


def _recipe(precision: Precision) -> Any:
    from ai_edge_quantizer import algorithm_manager, qtyping, recipe, recipe_manager

    if precision == "int8-weight-only":
        return recipe.weight_only_wi8_afp32()
    manager = recipe_manager.RecipeManager()
    if precision == "int8-dynamic":
        # XNNPACK has no such kernel for depthwise convolutions.
        for operation in (
            qtyping.TFLOperationName.CONV_2D,
            qtyping.TFLOperationName.FULLY_CONNECTED,
        ):
            manager.add_dynamic_config(regex=".*", operation_name=operation, num_bits=8)
        return manager.get_quantization_recipe()
    manager.add_quantization_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=16, dtype=qtyping.TensorDataType.FLOAT
            ),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key=algorithm_manager.AlgorithmName.FLOAT_CASTING,
    )
    return manager.get_quantization_recipe()
