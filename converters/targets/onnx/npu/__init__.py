"""ONNX files for Qualcomm's Hexagon NPU: their rewrites, their contract, and its compiler."""
