"""int8 in ONNX: which nodes, which scales, how they are written."""
