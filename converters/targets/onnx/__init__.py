"""ONNX, run by ONNX Runtime."""

import os

# Official builds of ONNX Runtime send models' names and hashes to Microsoft unless this is set
# before they are imported. A user who wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
