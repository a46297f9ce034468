"""Reading .pte files back: what they hold, and damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from converters.targets.executorch.pte import read_graph
from mobilevit_edge.errors import ConversionError


class Small(nn.Module):
    """One convolution, one linear layer and one batched product."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3, padding=1, groups=2)
        self.linear = nn.Linear(5, 7)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(torch.sigmoid(self.conv(x)))
        y = y.reshape(6, 5, 7)
        return torch.bmm(y, y.transpose(1, 2))


@pytest.fixture(scope="module")
def lowered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """The small module as a file, through XNNPACK or without a delegate."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    folder = tmp_path_factory.mktemp("pte")

    def make(delegate: bool) -> Path:
        path = folder / f"{delegate}.pte"
        if not path.exists():
            program = torch.export.export(Small().eval(), (torch.zeros(1, 4, 5, 5),))
            edge = to_edge_transform_and_lower(
                program,
                partitioner=[XnnpackPartitioner()] if delegate else [],
                compile_config=EdgeCompileConfig(_check_ir_validity=False),
            )
            with path.open("wb") as file:
                edge.to_executorch().write_to_file(file)
        return path

    return make


def test_a_delegated_file_shows_the_delegates_own_operators(
    lowered: Callable[[bool], Path],
) -> None:
    graph = read_graph(lowered(True))
    assert graph.delegates == 1
    delegated = {o.kind: o for o in graph.operators if o.delegated}
    assert {"Conv2d", "Sigmoid", "FullyConnected", "BatchMatrixMultiply"} <= set(delegated)
    assert delegated["Conv2d"].rank == 4
    assert delegated["BatchMatrixMultiply"].rank == 3
    assert delegated["BatchMatrixMultiply"].kind in graph.products
    assert graph.symbols == frozenset()


def test_a_file_without_delegate_counts_its_products(lowered: Callable[[bool], Path]) -> None:
    graph = read_graph(lowered(False))
    assert graph.delegates == 0
    assert not any(operator.delegated for operator in graph.operators)
    macs = {o.kind: o.macs for o in graph.operators if o.macs}
    # 6 channels of 5x5 pixels read 2 channels of 3x3; 30 rows of 5 become 7; 6 times 5x7x5.
    assert macs.pop("convolution") == 6 * 25 * 2 * 9
    assert macs.pop("bmm") == 6 * 5 * 7 * 5
    assert list(macs.values()) == [30 * 5 * 7]
    ranks = {o.kind: o.rank for o in graph.operators}
    assert (ranks["convolution"], ranks["bmm"]) == (4, 3)


@pytest.mark.parametrize("content", [b"", b"ET12", b"not a program" * 100, bytes(4096)])
def test_a_file_that_is_no_program_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=r"cannot read back .*model\.pte"):
        read_graph(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(
    lowered: Callable[[bool], Path], tmp_path: Path, share: float
) -> None:
    content = lowered(True).read_bytes()
    path = tmp_path / "model.pte"
    path.write_bytes(content[: 16 + int(share * len(content))])
    with pytest.raises(ConversionError, match=r"cannot read back .*model\.pte"):
        read_graph(path)


def test_a_file_whose_payload_is_not_xnnpacks_is_refused(
    lowered: Callable[[bool], Path], tmp_path: Path
) -> None:
    content = lowered(True).read_bytes()
    assert content.count(b"XH00") == 1
    path = tmp_path / "model.pte"
    path.write_bytes(content.replace(b"XH00", b"XH99"))
    with pytest.raises(ConversionError, match="not a payload of XNNPACK"):
        read_graph(path)


def test_a_program_without_forward_is_refused(
    lowered: Callable[[bool], Path], tmp_path: Path
) -> None:
    content = lowered(True).read_bytes()
    assert content.count(b"forward\x00") >= 1
    path = tmp_path / "model.pte"
    path.write_bytes(content.replace(b"forward\x00", b"another\x00"))
    with pytest.raises(ConversionError, match="cannot read back"):
        read_graph(path)
