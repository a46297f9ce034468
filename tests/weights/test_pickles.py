"""Checkpoints with Python objects in them: the tensors are read, and nothing is executed."""

from __future__ import annotations

import argparse
import datetime
import enum
import functools
import io
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import time
import tracemalloc
import uuid
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.weights.files import read_weights_file
from mobilevit_edge.weights.pickles import Inert
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import filled_model

State = dict[str, Tensor]


class AttributeDict(dict[str, Any]):
    """As Lightning saves hyper-parameters."""


class NamedWeights(OrderedDict[str, Any]):
    """A state dict of a class of its own."""


class Color(enum.Enum):
    RED = 1


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, 2


@dataclass
class Settings:
    rate: float = 0.1
    names: tuple[str, ...] = ("a",)


class WithSetState:
    def __getstate__(self) -> dict[str, int]:
        return {"x": 1}

    def __setstate__(self, state: dict[str, int]) -> None:
        raise AssertionError("executed")


class WithItems:
    """Pickled with list and dict items, as containers are."""

    def __reduce__(self) -> tuple[Any, ...]:
        return WithItems, (), {"state": 1}, iter([1, 2]), iter([("k", 3)])


Point = namedtuple("Point", "x y")

HARMLESS: dict[str, object] = {
    "namespace": argparse.Namespace(lr=0.1, model="mobilevit_xxs", nested=argparse.Namespace(x=1)),
    "attribute_dict": AttributeDict(lr=0.1, path=pathlib.PurePosixPath("a/b")),
    "numpy_scalar": np.float64(0.5),
    "numpy_bool": np.bool_(True),
    "numpy_array": np.arange(12.0).reshape(3, 4),
    "numpy_objects": np.array([{"a": 1}, None], dtype=object),
    "numpy_random_state": np.random.RandomState(0).get_state(),
    "numpy_dtype": np.dtype("float32"),
    "path": pathlib.PurePosixPath("a/b"),
    "windows_path": pathlib.PureWindowsPath("c:/a"),
    "datetime": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
    "timedelta": datetime.timedelta(seconds=3),
    "ordered_dict": OrderedDict(a=1),
    "ordered_dict_subclass": NamedWeights(a=1),
    "defaultdict": defaultdict(list, a=[1]),
    "counter": Counter("aab"),
    "deque": deque([1, 2], maxlen=3),
    "set": {1, "a"},
    "frozenset": frozenset({(1, 2)}),
    "tuple_keys": {(1, "a"): 2, 3.5: 4, None: 5, True: 6},
    "enum": Color.RED,
    "namedtuple": Point(1, 2),
    "dataclass": Settings(),
    "slots": Slotted(),
    "setstate": WithSetState(),
    "items": WithItems(),
    "partial": functools.partial(int, base=2),
    "class": Settings,
    "function": os.getcwd,
    "decimal": Decimal("1.5"),
    "fraction": Fraction(1, 3),
    "uuid": uuid.UUID(int=1),
    "complex": 1j,
    "range": range(3),
    "slice": slice(1, 2),
    "bytes": b"\0\1",
    "bytearray": bytearray(b"\0\1"),
    "big_number": 10**100,
    "ellipsis": ...,
    "exception": ValueError("x"),
    "torch_size": torch.Size([1, 2]),
    "torch_dtype": torch.float16,
    "torch_device": torch.device("cpu"),
    "torch_generator": torch.Generator().get_state(),
    "sparse": torch.eye(3).to_sparse(),
    "module": nn.Linear(2, 2),
    "optimizer": torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1).state_dict(),
}


def zip_file(content: object, path: Path) -> None:
    torch.save(content, path)


def zip_file_of_protocol_4(content: object, path: Path) -> None:
    torch.save(content, path, pickle_protocol=4)


def old_file(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


WRITERS = [zip_file, zip_file_of_protocol_4, old_file]


@functools.lru_cache
def original() -> me.MobileViT:
    return filled_model("mobilevit_xxs", num_classes=3)


def timm_weights() -> State:
    return named_weights(original(), "timm")


def is_original(checkpoint: me.Checkpoint) -> bool:
    expected = original().state_dict()
    # Named: to recognize a network takes longer than to read it.
    state = me.load_model(checkpoint, model="mobilevit_xxs").state_dict()
    return all(torch.equal(expected[key], value) for key, value in state.items())


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kind", HARMLESS)
def test_an_object_beside_the_tensors_leaves_them_intact(
    tmp_path: Path, kind: str, write: Callable[[object, Path], None]
) -> None:
    path = tmp_path / "last.pth.tar"
    tensors = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}
    write({"before": HARMLESS[kind], "state_dict": tensors, "after": HARMLESS[kind]}, path)
    found = read_weights_file(path)["state_dict"]
    assert list(found) == list(tensors)
    assert all(torch.equal(found[key], tensor) for key, tensor in tensors.items())


@pytest.mark.parametrize("write", WRITERS)
def test_a_training_checkpoint_with_all_of_them_loads(
    tmp_path: Path, write: Callable[[object, Path], None]
) -> None:
    path = tmp_path / "model_best.pth.tar"
    write({"epoch": 3, **HARMLESS, "state_dict": NamedWeights(timm_weights())}, path)
    checkpoint = me.read_checkpoint(path)
    assert checkpoint.wrapper == "state_dict"
    assert is_original(checkpoint)


DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    *(torch.complex64, torch.float8_e4m3fn, torch.uint16),
]
WITHOUT_OLD_FORM = (torch.float8_e4m3fn, torch.uint16)


@pytest.mark.parametrize("write", WRITERS)
def test_tensors_of_every_kind_are_read_as_torch_reads_them(
    tmp_path: Path, write: Callable[[object, Path], None]
) -> None:
    base = torch.arange(24.0)
    tensors: dict[str, Tensor] = {
        **{f"of {kind}": torch.tensor([0, 1, 2]).to(kind) for kind in DTYPES},
        "view": base[5:17].reshape(3, 4),
        "transposed": base.reshape(4, 6).t(),
        "strided": base[::2],
        "expanded": torch.ones(1).expand(3, 5),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "parameter": nn.Parameter(torch.ones(2)),
        "shared": base,
    }
    if write is old_file:
        # torch writes these in its old format, but cannot read them.
        tensors = {k: v for k, v in tensors.items() if v.dtype not in WITHOUT_OLD_FORM}
    path = tmp_path / "tensors.pt"
    write(tensors, path)
    found = read_weights_file(path)
    expected = torch.load(path, weights_only=False)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].stride() == tensor.stride(), name
        assert torch.equal(found[name].to(torch.complex64), tensor.to(torch.complex64)), name
    assert found["shared"].data_ptr() == found["strided"].data_ptr()


def as_module(state: State) -> nn.Module:
    """A network of plain modules with these names."""
    root = nn.Module()
    for key, tensor in state.items():
        *path, leaf = key.split(".")
        module = root
        for name in path:
            if name not in dict(module.named_children()):
                module.add_module(name, nn.Module())
            module = module.get_submodule(name)
        if leaf.startswith(("running", "num")):
            module.register_buffer(leaf, tensor)
        else:
            module.register_parameter(leaf, nn.Parameter(tensor))
    root.register_buffer("left_out", torch.ones(2), persistent=False)
    return root


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "wrap",
    [lambda m: m, lambda m: {"epoch": 1, "model": m}, nn.DataParallel],
    ids=["bare", "in_a_checkpoint", "data_parallel"],
)
def test_a_whole_pickled_module_is_read_by_its_parameters(
    tmp_path: Path, wrap: Callable[[nn.Module], object], write: Callable[[object, Path], None]
) -> None:
    path = tmp_path / "model.pt"
    write(wrap(as_module(timm_weights())), path)
    assert is_original(me.read_checkpoint(path))


class Attack:
    """Pickles to any call, with a state and items if given."""

    def __init__(self, *reduced: object) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced

    def __call__(self) -> None:
        """Callable, so that pickle takes it for the function of another one."""


def attacks(marker: Path) -> dict[str, object]:
    command = f"touch '{marker}'"
    code = f"open({str(marker)!r}, 'w')"
    import_os = Attack(__import__, ("os",))
    get_system = Attack(getattr, (import_os, "system"))
    call = Attack(os.system, (command,))
    return {
        "reduce": call,
        "nested": Attack(list, ([call],)),
        "getattr": Attack(Attack(getattr, (import_os, "system")), (command,)),
        "operator": Attack(functools.partial, (get_system, command)),
        "eval": Attack(eval, (code,)),
        "exec": Attack(exec, (code,)),
        "setstate": Attack(Inert, ("x",), {"__class__": call, "__setstate__": call}),
        "items": Attack(OrderedDict, (), None, None, iter([("a", call)])),
        "key": {"a": Attack(OrderedDict, (), None, None, iter([(call, 1)]))},
        "allow_listed": Attack(OrderedDict, (call,)),
        "tensor": Attack(torch._utils._rebuild_parameter, (call, True, OrderedDict())),
        "tensor_type": Attack(
            torch._tensor._rebuild_from_type_v2, (os.system, Tensor, (command,), {})
        ),
        "load_from_bytes": Attack(
            torch.storage._load_from_bytes,
            (pickle.dumps(call),),
        ),
        "numpy": Attack(np.load, (io.BytesIO(pickle.dumps(call)),)),
    }


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kind", attacks(Path("x")))
def test_an_attack_beside_the_tensors_is_not_executed(
    tmp_path: Path, kind: str, write: Callable[[object, Path], None]
) -> None:
    marker = tmp_path / "executed"
    path = tmp_path / "weights.pt"
    write({"x": attacks(marker)[kind], "state_dict": timm_weights()}, path)
    assert is_original(me.read_checkpoint(path))
    assert not marker.exists()


def raw_pickle(path: Path, opcodes: bytes) -> None:
    """A zip as torch writes it, with these opcodes as its content."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", b"\x80\x02" + opcodes)
        archive.writestr("weights/version", "3\n")
        archive.writestr("weights/data/0", b"\0" * 4)


STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0000X\x03\0\0\0cpuJ%btQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"%b%b%b\x89}tR."


def rebuilt(numel: int, offset: bytes, size: bytes, stride: bytes) -> bytes:
    return REBUILD % (struct.pack("<i", numel), offset, size, stride)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def kept(index: int, opcodes: bytes) -> bytes:
    """Opcodes whose value is put into the memo, and off the stack."""
    return opcodes + b"q%c0" % index


def entries(count: int, value: bytes) -> bytes:
    """A dict of this many names, all of one value."""
    return b"}(" + b"".join(text(str(i)) + value for i in range(count)) + b"u"


def module(state: bytes) -> bytes:
    """A pickled module of two parts that the memo holds."""
    return b"cnet\nNet\n)R}(" + text("_modules") + b"}" + state + b"ub"


BOMBS: dict[str, bytes] = {
    "shared_key": (
        kept(1, text("k" * 1_000_000))
        + kept(2, rebuilt(1, b"K\0", b"K\1\x85", b"K\1\x85")[:-1])
        + entries(5000, b"}h\1}" + text("t") + b"h\2ss")
        + b"."
    ),
    "shared_parameters": (
        kept(1, entries(99_000, b"N")) + entries(9000, module(text("_parameters") + b"h\1")) + b"."
    ),
    "buffers_that_are_not_saved": (
        kept(1, b"](" + b"K\1" * 49_000 + b"e")
        + kept(2, entries(49_000, b"K\1"))
        + entries(
            100, module(text("_non_persistent_buffers_set") + b"h\1" + text("_buffers") + b"h\2")
        )
        + b"."
    ),
    "long_leaf": module(text("_parameters") + b"}" + text("k" * 1_000_000) + b"K\1s") + b".",
    "shared_labels": (
        kept(1, entries(60_000, b"K\1"))
        + entries(9000, b"}" + text("class_to_idx") + b"h\1s")
        + b"."
    ),
    "huge_bytes": b"\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "huge_text": b"X" + struct.pack("<I", 2**32 - 1) + b"x.",
    "negative_text": b"T" + struct.pack("<i", -5) + b"x.",
    "huge_memo_index": b"Nr" + struct.pack("<I", 2**32 - 1) + b".",
    "huge_number": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\1.",
    "many_digits": b"L" + b"9" * 100_000 + b"L\n.",
    "long_name": b"c" + b"a" * 1_000_000 + b"\nb\n.",
    "deep_lists": b"]" * 200_000 + b"a" * 199_999 + b".",
    "deep_tuples": b")" + b"\x85" * 200_000 + b".",
    "deep_key": b"})" + b"\x85" * 200_000 + b"K\1s.",
    "deep_set": b"c__builtin__\nset\n](]" + b")" + b"\x85" * 200_000 + b"ee\x85R.",
    "deep_calls": b"cos\nsystem\n" + b")R" * 200_000 + b".",
    "deep_arguments": b"cos\nsystem\n" * 200_000 + b")" + b"R\x85" * 199_999 + b"R.",
    "deep_states": b"cos\nsystem\n)R" + b"cos\nsystem\n)R" * 1000 + b"b" * 1000 + b".",
    "many_steps": b"N0" * 2_000_000 + b"N.",
    "copied_sets": (
        b"("
        + b"K\1" * 200_000
        + b"lq\0c__builtin__\nset\nq\1]"
        + b"("
        + b"h\1h\0\x85R" * 200_000
        + b"e."
    ),
    "shared_mapping": (
        b"}q\0("
        + b"".join(b"M" + struct.pack("<H", i) + b"K\1" for i in range(60_000))
        + b"u"
        + b"}("
        + b"".join(b"M" + struct.pack("<H", i) + b"h\0" for i in range(60_000))
        + b"u."
    ),
    "huge_key": b"}\x8b" + struct.pack("<i", 9000) + b"\x11" * 9000 + b"K\1s.",
    "self": b"}q\0X\1\0\0\0ah\0s.",
    "no_mark": b"t.",
    "empty_stack": b"R.",
    "no_stop": b"N",
    "unknown_memo": b"h\5.",
    "unknown_opcode": b"\xff.",
    "huge_tensor": rebuilt(2**31 - 1, b"K\0", b"K\1\x85", b"K\1\x85"),
    "tensor_beyond_storage": rebuilt(1, b"K\0", b"K\5\x85", b"K\1\x85"),
    "tensor_offset_beyond": rebuilt(1, b"K\7", b"K\1\x85", b"K\1\x85"),
    "negative_offset": rebuilt(1, b"J\xff\xff\xff\xff", b"K\1\x85", b"K\1\x85"),
    "negative_size": rebuilt(1, b"K\0", b"J\xff\xff\xff\xff\x85", b"K\1\x85"),
    "negative_stride": rebuilt(1, b"K\0", b"K\1\x85", b"J\xff\xff\xff\xff\x85"),
    "shape_of_text": rebuilt(1, b"K\0", b"X\1\0\0\0a\x85", b"K\1\x85"),
    "many_dimensions": rebuilt(1, b"K\0", b"(" + b"K\1" * 5000 + b"t", b"(" + b"K\1" * 5000 + b"t"),
    "overflowing_shape": rebuilt(
        1,
        b"K\0",
        b"(" + (b"\x8a\x08" + struct.pack("<q", 2**61)) * 8 + b"t",
        b"(" + b"K\0" * 8 + b"t",
    ),
    "rebuild_without_arguments": b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
    "rebuild_of_nothing": b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR.",
    "storage_of_another_kind": b"(X\x07\0\0\0storagecos\nsystem\nX\1\0\0\0000X\3\0\0\0cpuK\1tQ.",
    "persistent_text": b"Pos.system\n.",
    "persistent_nothing": b"NQ.",
}

BOUNDED = """
import re, resource, sys, time
from pathlib import Path
from mobilevit_edge.weights.checkpoint import read_checkpoint
from mobilevit_edge.errors import CheckpointError
limit = 3 * 2**30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
started = time.process_time()
for path in sys.argv[1:]:
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        assert len(str(error)) < 2000, path
    else:
        raise SystemExit(f"{path} was read")
print("seconds:", time.process_time() - started)
# What getrusage gives begins with the size of the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print("bytes:", int(peak[1]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on address space")
def test_hostile_pickles_are_refused_within_bounded_time_and_memory(tmp_path: Path) -> None:
    for kind, opcodes in BOMBS.items():
        raw_pickle(tmp_path / f"{kind}.pt", opcodes)
    names = [str(tmp_path / f"{kind}.pt") for kind in BOMBS]
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seconds, size = (float(line.split()[1]) for line in done.stdout.splitlines())
    assert seconds < 120
    assert size < 1.5e9


def test_mappings_that_hold_one_another_are_walked_once(tmp_path: Path) -> None:
    inner: dict[str, object] = {}
    for _ in range(3):
        inner = {str(index): inner for index in range(3000)}
    path = tmp_path / "wide.pt"
    torch.save(inner, path)
    with pytest.raises(CheckpointError, match="holds no tensors"):
        me.read_checkpoint(path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["networks", "strays", "long_names"])
def test_very_many_names_are_refused_in_little_time(tmp_path: Path, kind: str) -> None:
    one = torch.ones(16, 3, 3, 3)
    state: dict[str, Tensor] = {
        "networks": {f"n{index}.stem.conv.weight": one for index in range(20_000)},
        "strays": timm_weights() | {f"x{index}.weight": one[0, 0] for index in range(20_000)},
        "long_names": timm_weights() | {"x" * 100_000 + str(index): one for index in range(20)},
    }[kind]
    path = tmp_path / "weights.pt"
    torch.save(state, path)
    started = time.process_time()
    with pytest.raises(CheckpointError) as caught:
        me.load_model(path)
    assert time.process_time() - started < 60
    assert len(str(caught.value)) < 2000


def test_modules_that_hold_one_another_are_refused(tmp_path: Path) -> None:
    child = nn.Module()
    for _ in range(40):
        parent = nn.Module()
        parent.add_module("a", child)
        parent.add_module("b", child)
        child = parent
    path = tmp_path / "model.pt"
    torch.save(child, path)
    with pytest.raises(CheckpointError, match="more than 100000 parts"):
        me.read_checkpoint(path)


def test_an_old_file_that_claims_a_huge_storage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    old_file({"a.weight": torch.ones(1)}, path)
    content = bytearray(path.read_bytes())
    content[-12:-4] = struct.pack("<q", 2**40)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="truncated"):
        me.read_checkpoint(path)


def test_an_archive_packed_with_compression_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(timm_weights(), tmp_path / "weights.pt")
    path = tmp_path / "packed.pt"
    with (
        zipfile.ZipFile(tmp_path / "weights.pt") as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(CheckpointError, match=r"packed again.*without compression"):
        me.read_checkpoint(path)


def test_storages_that_share_their_place_in_an_archive_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.ones(50_000), "b": torch.zeros(50_000)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        first, second = (
            next(i for i in archive.infolist() if i.filename.endswith(name))
            for name in ("data/0", "data/1")
        )
        # The central directory is written anew, of the changed entries.
        first.file_size = first.compress_size = (
            second.header_offset + second.file_size - first.header_offset
        )
        archive.comment = b"changed"
    with pytest.raises(CheckpointError, match="claims more bytes than it has"):
        me.read_checkpoint(path)


@pytest.mark.parametrize(("write", "copies"), [(zip_file, 1), (old_file, 2)])
def test_a_storage_takes_little_more_memory_than_the_file_has_bytes(
    tmp_path: Path, write: Callable[[object, Path], None], copies: int
) -> None:
    path = tmp_path / "weights.pt"
    write({"a": torch.ones(2_000_000)}, path)
    tracemalloc.start()
    try:
        read_weights_file(path)
        assert tracemalloc.get_traced_memory()[1] < (copies + 0.4) * 8e6
    finally:
        tracemalloc.stop()
