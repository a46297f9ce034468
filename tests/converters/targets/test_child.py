"""A runtime in a process of its own: its crash is a message, its noise harmless."""

from __future__ import annotations

import gc
import io
import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converters.targets.child import ChildRunner, read_array, write_array
from mobilevit_edge import processes
from mobilevit_edge.errors import ConversionError

ROOT = Path(__file__).parents[3]
Worker = Callable[[str], ChildRunner]

PROLOGUE = """
import os, signal, sys, time
from pathlib import Path
from converters.targets.child import READY, read_array, write_array
out = sys.stdout.buffer
def ready():
    out.write(READY + b"[3, 4]\\n")
    out.flush()
def inputs():
    while True:
        try:
            yield read_array(sys.stdin.buffer)
        except EOFError:
            return
"""
ECHO = """
Path(sys.argv[1]).write_text(str(os.getpid()))
ready()
for x in inputs():
    write_array(out, x * 2)
"""


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.touch()
    return path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who should be over gets half a second to end."""
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.5)


@pytest.fixture
def worker(tmp_path: Path, artifact: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A runner of a worker with this body."""

    def make(body: str) -> ChildRunner:
        (tmp_path / "the_worker.py").write_text(PROLOGUE + textwrap.dedent(body))
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
        return ChildRunner("the_worker", artifact)

    return make


X = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_a_worker_answers_every_request(worker: Worker) -> None:
    runner = worker(ECHO)
    assert runner.takes == X.shape
    for x in (X, X.astype(np.uint8), X[:0], np.float32(3)):
        answer = runner.run(np.asarray(x))
        assert answer.dtype == np.asarray(x).dtype
        np.testing.assert_array_equal(answer, np.asarray(x) * 2)


def test_arrays_far_larger_than_a_pipe_pass_in_both_directions(worker: Worker) -> None:
    x = np.random.default_rng(0).integers(0, 100, (5, 1024, 1024), dtype=np.int32)
    np.testing.assert_array_equal(worker(ECHO).run(x), x * 2)


def test_an_array_that_is_not_contiguous_arrives_as_it_is(worker: Worker) -> None:
    np.testing.assert_array_equal(worker(ECHO).run(X.T[::-1]), X.T[::-1] * 2)


# Workers that fail.


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"crashed with SIGSEGV \(no message\)"),
        ("print('bad file', file=sys.stderr); os.abort()", r"crashed with SIGABRT \(.*\)"),
        ("sys.stderr.write('one\\ntwo\\n'); sys.exit(7)", r"exit code 7 \(two\)"),
        ("raise RuntimeError('no such operator')", r"exit code 1 \(RuntimeError: no such op"),
        ("pass", r"exit code 0 \(no message\)"),
        ("print('not what was agreed')", r"exit code 0 \(no message\)"),
        ("out.write(READY + b'[3,')", r"exit code 0 \(no message\)"),
        ("sys.stderr.buffer.write(b'\\xff bad'); sys.exit(2)", r"exit code 2 \(. bad\)"),
    ],
)
def test_a_worker_that_ends_before_it_is_ready_is_named_with_its_last_words(
    worker: Worker, body: str, message: str
) -> None:
    with pytest.raises(ConversionError, match=rf"cannot load model\.bin: its process .*{message}"):
        worker(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"crashed with SIGSEGV"),
        ("raise ValueError('wrong shape')", r"exit code 1 \(ValueError: wrong shape\)"),
        ("out.write(b'12345'); out.flush(); sys.exit(3)", r"exit code 3 \(no message\)"),
        (
            "out.write((100).to_bytes(8, 'little') + b'half'); out.flush(); sys.exit(4)",
            r"exit code 4 \(no message\)",
        ),
    ],
    ids=["crash", "error", "half a header", "half an array"],
)
def test_a_worker_that_fails_on_an_input_is_named_with_its_last_words(
    worker: Worker, body: str, message: str
) -> None:
    runner = worker(f"ready()\nx = read_array(sys.stdin.buffer)\n{body}")
    with pytest.raises(ConversionError, match=rf"failed on model\.bin: its process .*{message}"):
        runner.run(X)


def test_a_worker_that_has_died_says_so_on_every_further_call(worker: Worker) -> None:
    runner = worker("ready()\nread_array(sys.stdin.buffer)\nsys.exit(5)")
    for _ in range(3):
        with pytest.raises(ConversionError, match="exit code 5"):
            runner.run(X)


def test_a_worker_that_dies_while_a_large_array_is_sent_is_no_broken_pipe(worker: Worker) -> None:
    runner = worker("ready()\nsys.stdin.buffer.read(10)\nsys.exit(6)")
    with pytest.raises(ConversionError, match="exit code 6"):
        runner.run(np.zeros((1024, 1024), np.float32))


def test_a_long_last_line_is_cut(worker: Worker) -> None:
    with pytest.raises(ConversionError) as raised:
        worker("sys.stderr.write('x' * 100_000); sys.exit(1)")
    assert 1000 < len(str(raised.value)) < 3000


LINGER = """
import select
if select.select([sys.stdin], [], [], 10)[0] and not os.read(0, 1):
    sys.exit(3)  # the other end has closed
Path(sys.argv[1]).write_text('was waited for')
"""


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_says_something_else_and_stays_is_ended_not_waited_for(
    worker: Worker, artifact: Path
) -> None:
    with pytest.raises(ConversionError):
        worker("out.write(b'noise\\n'); out.flush()" + LINGER)
    assert artifact.read_text() == ""


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_answers_no_array_and_stays_is_ended_not_waited_for(
    worker: Worker, artifact: Path
) -> None:
    runner = worker(
        "ready()\nread_array(sys.stdin.buffer)\n"
        "out.write((5).to_bytes(8, 'little') + b'noise'); out.flush()" + LINGER
    )
    with pytest.raises(ConversionError):
        runner.run(X)
    assert artifact.read_text() == ""


# The process ends with the runner.


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_process_is_gone_when_nobody_holds_the_runner(worker: Worker, artifact: Path) -> None:
    runner = worker(ECHO)
    pid = int(artifact.read_text())
    run = runner.run
    del runner
    gc.collect()
    assert not gone(pid), "the method alone keeps it"
    del run
    gc.collect()
    assert gone(pid)


def test_the_process_is_gone_after_a_failed_start(worker: Worker, artifact: Path) -> None:
    with pytest.raises(ConversionError):
        worker("Path(sys.argv[1]).write_text(str(os.getpid())); sys.exit(1)")
    assert gone(int(artifact.read_text()))


# The worker that runs .pte files, on a runtime made up here.

RUNTIME = """
import os
import torch
threads = []
def _unsafe_reset_threadpool(count):
    threads.append(count)
def _threadpool_get_thread_count():
    return threads[-1]
class Tensor:
    def sizes(self):
        return [3, 4]
    def dtype(self):
        return 6
class Meta:
    def num_inputs(self):
        return 1
    def input_tensor_meta(self, index):
        return Tensor()
class Module:
    def method_meta(self, name):
        return Meta()
    def forward(self, inputs):
        os.write(1, b"native noise, with READY: ready\\n" * 1000)
        print("python noise")
        return [inputs[0] * 2 + threads[-1]]
def _load_for_executorch_from_buffer(buffer, enable_etdump):
    os.write(1, b"ready?\\nloading\\n")
    assert buffer == b"model"
    return Module()
"""


def test_native_noise_on_stdout_does_not_corrupt_answers(
    tmp_path: Path, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "executorch" / "extension" / "pybindings"
    package.mkdir(parents=True)
    for folder in (package, *package.parents[:2]):
        (folder / "__init__.py").touch()
    (package / "_C.py").write_text(RUNTIME)
    artifact.write_bytes(b"model")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    runner = ChildRunner("converters.targets.executorch.worker", artifact)
    assert runner.takes == X.shape
    for x in (X, X + 5):
        np.testing.assert_array_equal(runner.run(x), x * 2 + 1)


# Arrays on a stream.


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.int64])
def test_arrays_pass_one_after_the_other(dtype: type) -> None:
    arrays = [X.astype(dtype), X.astype(dtype)[0], np.zeros((0, 3), dtype)]
    stream = io.BytesIO()
    for array in arrays:
        write_array(stream, array)
    stream.seek(0)
    for array in arrays:
        received = read_array(stream)
        assert received.dtype == array.dtype
        np.testing.assert_array_equal(received, array)
    with pytest.raises(EOFError):
        read_array(stream)


def test_objects_do_not_pass() -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        write_array(io.BytesIO(), np.array([object()]))
