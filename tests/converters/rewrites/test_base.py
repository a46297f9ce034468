"""How rewrites are chosen and applied; and the small models that the tests of each one share."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import converters.rewrites
from converters.job.options import ExportOptions, Precision
from converters.rewrites import REWRITES, algebra, select_rewrites
from converters.rewrites.base import Context, Outcome, RefusedError, Rewrite, apply_rewrites
from converters.targets.base import get_backend
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.bundle import TargetName
from mobilevit_edge.models.network import MobileViT, create_meta_model
from mobilevit_edge.specs import SPECS, Fusion, ModelSpec, with_blocks

EXPORTS: tuple[tuple[TargetName, str, Precision], ...] = (
    *(("coreml", "mobilevit_xxs", "fp32"), ("onnx", "mobilevit_xxs", "fp32")),
    *(("executorch", "mobilevit_xxs", "fp32"), ("executorch", "mobilevit_xxs", "int8")),
    ("executorch", "mobilevitv2_050", "fp32"),
)
"""Exports whose lists of rewrites differ."""

TOKEN_LINES = ("mobilevit_xxs", "mobilevitv3_xxs")
MAP_LINES = ("mobilevitv2_050", "mobilevitv3_050")
LINES = TOKEN_LINES + MAP_LINES
CONTEXT = Context((64, 64))
FUSIONS = tuple(Fusion(k, f) for k in (1, 3) for f in ("input", "local"))  # type: ignore[arg-type]

EXACT = 1e-9
"""Of the largest output, all arithmetic in float64: a wrong identity is off by far more."""


def rewrites_of(
    target: TargetName, spec: ModelSpec = SPECS["mobilevit_xxs"], precision: Precision = "fp32"
) -> tuple[str, ...]:
    """Names of the rewrites of an export."""
    options = ExportOptions(target, weights="random", output=None, precision=precision)
    return get_backend(target).rewrites(spec, options)


few = settings(max_examples=8, deadline=None)


def small_spec(
    line: str,
    *,
    dim: int = 8,
    depth: int = 1,
    widths: tuple[int, ...] = (4, 6, 8, 6, 10),
    **blocks: object,
) -> ModelSpec:
    """A model of a line with widths that compute in milliseconds."""
    name = f"small {line}"
    spec = with_blocks(SPECS[line], name, dim=dim, depth=depth, ffn_dim=2 * dim - 3, **blocks)
    stages: Any = tuple(
        replace(stage, channels=width) for stage, width in zip(spec.stages, widths, strict=True)
    )
    pre_head = None if spec.pre_head_channels is None else 12
    return replace(spec, stem_channels=5, stages=stages, pre_head_channels=pre_head)


def small_specs(*lines: str) -> st.SearchStrategy[ModelSpec]:
    """Specs of these lines with random widths and every kind of block that the line allows."""
    return st.sampled_from(lines).flatmap(
        lambda line: st.builds(
            small_spec,
            st.just(line),
            dim=st.sampled_from((4, 8, 12)),
            depth=st.integers(1, 2),
            widths=st.tuples(*[st.integers(3, 12)] * 5),
            add_input=st.booleans(),
            depthwise_local=st.booleans(),
            fusion=st.sampled_from(
                FUSIONS if line in TOKEN_LINES else (None, Fusion(1, "local"))  # type: ignore[arg-type]
            ),
        )
    )


def randomize(module: nn.Module, seed: int = 0) -> None:
    """Random weights and statistics, none at its default, norm scales of either sign."""
    random = torch.Generator().manual_seed(seed)
    for key, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=random, dtype=torch.float32)
        if tensor.dim() > 1:
            value = noise * (1.5 / tensor[0].numel()) ** 0.5
        elif key.endswith("running_var"):
            value = 0.5 + torch.rand(tensor.shape, generator=random, dtype=torch.float32)
        elif key.endswith("weight"):
            value = noise.sign() * (1 + 0.3 * noise.abs())
        else:
            value = 0.2 * noise
        tensor.copy_(value)


def small_model(spec: ModelSpec, seed: int = 0, num_classes: int = 5) -> MobileViT:
    """A model in float64 whose numbers are those of float32."""
    model = create_meta_model(spec, num_classes).to_empty(device="cpu")
    randomize(model, seed)
    return model.double()


def noise(batch: int, *shape: int, mean: float = 0.0, seed: int = 1) -> Tensor:
    """Normal noise in float64."""
    random = torch.Generator().manual_seed(seed)
    return mean + torch.randn(batch, *shape, generator=random, dtype=torch.float64)


batches_of_images = st.builds(
    lambda batch, height, width, seed: noise(batch, 3, height, width, seed=seed),
    st.integers(1, 3),
    st.integers(32, 100),
    st.integers(32, 100),
    st.integers(0, 99),
)
"""Sizes that halve to odd maps too, down to a last map of one pixel."""


@contextlib.contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Weights that rewrites make stay in float64, so that only their algebra is measured."""

    def keep(layer: nn.Module, weight: Tensor, bias: Tensor | None) -> None:
        layer.weight = nn.Parameter(weight.detach().double(), requires_grad=False)
        if bias is not None:
            layer.bias = nn.Parameter(bias.detach().double(), requires_grad=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(algebra, "_set", keep)
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


def chain(name: str) -> list[str]:
    """What a rewrite needs, then itself."""
    names = [needed for wanted in REWRITES[name].requires for needed in chain(wanted)]
    return list(dict.fromkeys([*names, name]))


def rewritten(
    model: MobileViT, names: list[str], context: Context = CONTEXT
) -> tuple[MobileViT, Outcome]:
    """A copy with these rewrites in exact arithmetic, and what became of the last one."""
    changed = copy.deepcopy(model)
    with exact_arithmetic():
        outcomes = apply_rewrites(changed, [REWRITES[name] for name in names], context)
    return changed, outcomes[-1]


@torch.no_grad()
def relative_error(actual: nn.Module, expected: nn.Module, x: Tensor) -> float:
    """Largest difference of the outputs, of the largest output."""
    return difference(actual(x), expected(x))


def difference(actual: Tensor, expected: Tensor) -> float:
    """Largest difference, of the largest number expected."""
    assert actual.shape == expected.shape
    return float((actual.double() - expected.double()).abs().max() / expected.abs().max())


def assert_exact(model: MobileViT, name: str, x: Tensor) -> MobileViT:
    """A rewrite, after those it needs, keeps the function; test_targets has fp32."""
    return assert_same_after(model, chain(name), x)


def assert_same_after(
    model: MobileViT, names: list[str], x: Tensor, context: Context = CONTEXT
) -> MobileViT:
    """The last of these rewrites is not refused, and all together keep the function."""
    changed, outcome = rewritten(model, names, context)
    assert outcome.refused is None
    error = relative_error(changed, model, x)
    assert error < EXACT
    return changed


def count(module: nn.Module, *kinds: type[nn.Module]) -> int:
    return sum(isinstance(part, kinds) for part in module.modules())


@torch.no_grad()
def macs(module: nn.Module, x: Tensor) -> int:
    """Multiply-adds as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        module(x)
    return counter.get_total_flops() // 2


class Ranks(TorchDispatchMode):
    """Records the largest rank of any operator's output, and the operators' names."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self.operators: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for output in result if isinstance(result, tuple | list) else (result,):
            if isinstance(output, Tensor):
                self.largest = max(self.largest, output.dim())
        self.operators.add(func.overloadpacket.__name__)
        return result


@torch.no_grad()
def ranks(module: nn.Module, *inputs: object) -> Ranks:
    with Ranks() as recorded:
        module(*inputs)
    return recorded


Fingerprint = tuple[list[tuple[str, type]], dict[str, Tensor]]


def fingerprint(model: nn.Module) -> Fingerprint:
    """Everything that a refused rewrite must leave as it was."""
    modules = [(name, type(part)) for name, part in model.named_modules()]
    return modules, {key: value.clone() for key, value in model.state_dict().items()}


def assert_unchanged(model: nn.Module, before: Fingerprint) -> None:
    modules, state = fingerprint(model)
    assert modules == before[0]
    assert state.keys() == before[1].keys()
    assert all(torch.equal(state[key], value) for key, value in before[1].items())


def assert_refused(model: MobileViT, name: str, reason: str) -> None:
    """The last step of ``chain(name)`` is refused and touches nothing."""
    before = fingerprint(model)
    outcome = apply_rewrites(model, [replace(REWRITES[name], requires=())], CONTEXT)[0]
    assert outcome.sites == 0
    assert outcome.refused is not None
    assert reason in outcome.refused
    assert_unchanged(model, before)


# Applying a list.


def recorder(name: str, calls: list[str], *requires: str, refuses: bool = False) -> Rewrite:
    def apply(model: MobileViT, context: Context) -> int:
        calls.append(name)
        if refuses:
            raise RefusedError(f"{name} does not fit")
        return 0

    return Rewrite(name, "", requires, apply)


@pytest.fixture(scope="module")
def model() -> MobileViT:
    return small_model(small_spec("mobilevitv2_050"))


def test_rewrites_are_applied_in_the_given_order(model: MobileViT) -> None:
    calls: list[str] = []
    names = ["c", "a", "b"]
    outcomes = apply_rewrites(model, [recorder(name, calls) for name in names], CONTEXT)
    assert calls == names
    assert outcomes == [Outcome(name, 0) for name in names]


def test_a_rewrite_that_applies_nowhere_still_satisfies_those_that_need_it(
    model: MobileViT,
) -> None:
    calls: list[str] = []
    apply_rewrites(model, [recorder("a", calls), recorder("b", calls, "a")], CONTEXT)
    assert calls == ["a", "b"]


def test_a_refusal_is_recorded_and_carries_over_to_whatever_needs_it(model: MobileViT) -> None:
    calls: list[str] = []
    rewrites = [
        recorder("a", calls, refuses=True),
        recorder("b", calls, "a"),
        recorder("c", calls, "b", "a"),
        recorder("d", calls),
    ]
    assert apply_rewrites(model, rewrites, CONTEXT) == [
        Outcome("a", 0, "a does not fit"),
        Outcome("b", 0, "needs a, which was not applied"),
        Outcome("c", 0, "needs b, a, which was not applied"),
        Outcome("d", 0),
    ]
    assert calls == ["a", "d"]


def test_a_rewrite_that_comes_before_what_it_needs_is_refused(model: MobileViT) -> None:
    calls: list[str] = []
    outcomes = apply_rewrites(model, [recorder("b", calls, "a"), recorder("a", calls)], CONTEXT)
    assert [outcome.refused is None for outcome in outcomes] == [False, True]
    assert calls == ["a"]


@pytest.mark.parametrize("line", LINES)
def test_rewrites_without_what_they_need_leave_the_model_as_it_was(line: str) -> None:
    model = small_model(small_spec(line))
    before = fingerprint(model)
    for rewrite in (rewrite for rewrite in REWRITES.values() if rewrite.requires):
        (outcome,) = apply_rewrites(model, [rewrite], CONTEXT)
        assert outcome.sites == 0
        assert outcome.refused == f"needs {', '.join(rewrite.requires)}, which was not applied"
    assert_unchanged(model, before)


def test_an_error_that_is_no_refusal_is_not_swallowed(model: MobileViT) -> None:
    def fail(model: MobileViT, context: Context) -> int:
        raise AssertionError("a bug")

    with pytest.raises(AssertionError, match="a bug"):
        apply_rewrites(model, [Rewrite("a", "", (), fail)], CONTEXT)


# Choosing rewrites.


def test_rewrites_are_chosen_in_the_targets_order_without_those_switched_off() -> None:
    names = ["key_after_pooling", "batch_norm_fold", "row_phases"]
    chosen = select_rewrites(names, {"batch_norm_fold"})
    assert chosen == [REWRITES["key_after_pooling"], REWRITES["row_phases"]]


@pytest.mark.parametrize("unknown", ["phase_layout", "no_such_rewrite"])
def test_switching_off_what_the_target_does_not_use_is_refused_with_its_list(unknown: str) -> None:
    with pytest.raises(UsageError, match=rf"no rewrite {unknown} .*batch_norm_fold, row_phases"):
        select_rewrites(["batch_norm_fold", "row_phases"], {unknown, "row_phases"})


def test_every_file_holds_one_rewrite_under_its_own_name() -> None:
    folder = Path(converters.rewrites.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "algebra"}
    assert set(REWRITES) == files
    assert all(rewrite.name == name for name, rewrite in REWRITES.items())
    assert all(rewrite.identity for rewrite in REWRITES.values())


@pytest.mark.parametrize(("target", "model", "precision"), EXPORTS)
def test_a_target_names_each_rewrite_once_and_after_what_it_needs(
    target: TargetName, model: str, precision: Precision
) -> None:
    names = rewrites_of(target, SPECS[model], precision)
    assert len(set(names)) == len(names)
    for index, name in enumerate(names):
        assert set(REWRITES[name].requires) <= set(names[:index])


def test_every_rewrite_is_used_somewhere() -> None:
    used = {
        name
        for target, model, precision in EXPORTS
        for name in rewrites_of(target, SPECS[model], precision)
    }
    assert set(REWRITES) == used | {"preprocessing_fold"}


# Weights of folded layers.


@pytest.mark.parametrize(
    ("make", "shape"), [(algebra.make_linear, (3, 4)), (algebra.make_conv, (3, 4, 1, 1))]
)
def test_weights_are_rounded_to_fp32_once_and_need_no_gradient(
    make: Callable[..., nn.Conv2d | nn.Linear], shape: tuple[int, ...]
) -> None:
    weight = noise(3, 4)
    layer = make(weight, weight[:, 0])
    assert layer.weight.shape == shape
    assert torch.equal(layer.weight.flatten(1), weight.float())
    assert layer.bias is not None
    assert torch.equal(layer.bias, weight[:, 0].float())
    assert not layer.weight.requires_grad
    assert not layer.bias.requires_grad
    assert make(weight, None).bias is None
