"""ONNX files for the NPU whose parts compute in 8 bits, 16 bits or fp16."""
