"""What ``mobilevit-export`` says to someone who has just installed it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from mobilevit_edge.installation import install_command

_TEXT: Final = """\
mobilevit-export turns a MobileViT checkpoint into a bundle that runs on a phone: converted,
compared with the PyTorch model from the file as written, and describing itself.

Try it with the checkpoint in this package{first}, then with yours:

  mobilevit-export --target onnx --weights demo --output demo
  mobilevit-predict demo PHOTO
  mobilevit-bench device browser demo --host 0.0.0.0     # on your own phone

--list shows the models; --help shows every option, by task, and more examples."""
_NEEDED: Final = ("onnx", "onnxscript", "onnxruntime")


def welcome() -> str:
    """The command in two lines, and the next three commands."""
    missing = any(find_spec(name) is None for name in _NEEDED)
    first = f" (after {install_command('onnx')})" if missing else ""
    return _TEXT.format(first=first)
