#!/usr/bin/env python3
"""Plays ``adb``: answers by a script, and keeps what it was asked.

``SCRIPTED_ADB`` names a folder with ``script.json``: exchanges in the order they are tried,
each ``{"asked": regex, "out": ..., "err": ..., "code": ..., "times": ..., "file": ...}``. What no
exchange matches ends with 97.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path


def main() -> int:
    folder = Path(os.environ["SCRIPTED_ADB"])
    asked = " ".join(sys.argv[1:])
    with (folder / "asked.txt").open("a") as log:
        log.write(asked + "\n")
    script = json.loads((folder / "script.json").read_text())
    for exchange in script:
        if exchange.get("times", 1) < 1 or not re.search(exchange["asked"], asked):
            continue
        if "times" in exchange:
            exchange["times"] -= 1
            (folder / "script.json").write_text(json.dumps(script))
        if "file" in exchange:
            shutil.copyfile(exchange["file"], sys.argv[-1])
        print(exchange.get("out", ""))
        print(exchange.get("err", ""), file=sys.stderr, end="")
        return int(exchange.get("code", 0))
    print(f"not in the script: {asked}", file=sys.stderr)
    return 97


if __name__ == "__main__":
    sys.exit(main())
