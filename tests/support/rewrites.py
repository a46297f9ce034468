"""What the tests of rewrites share: small architectures, exact comparison, and counts."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from typing import Any

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from converters.job.options import ExportOptions
from converters.job.precisions import Precision
from converters.rewrites import REWRITES
from converters.rewrites.base import Context, Outcome, apply_rewrites
from converters.targets.base import get_target
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import Fusion, ModelSpec, with_blocks
from tests.support.networks import TOKENS, Family, tiny_spec

CONTEXT = Context((64, 64))
EXACT = 1e-9
"""Largest relative error of exact arithmetic in float64: a wrong identity is off by far more."""

few = settings(max_examples=8, deadline=None)


# Models.


def small_spec(
    family: Family,
    *,
    dim: int = 8,
    depth: int = 1,
    widths: tuple[int, ...] = (4, 6, 10),
    **blocks: object,
) -> ModelSpec:
    """The tiny network of a family with other widths, all different, and with changed blocks."""
    name = f"small_{family}"
    spec = with_blocks(tiny_spec(family), name, dim=dim, depth=depth, ffn_dim=2 * dim - 3, **blocks)
    stages: Any = tuple(
        replace(stage, channels=width) for stage, width in zip(spec.stages, widths, strict=True)
    )
    pre_head = None if spec.pre_head_channels is None else 12
    return replace(spec, stem_channels=5, stages=stages, pre_head_channels=pre_head)


def small_specs(*families: Family) -> st.SearchStrategy[ModelSpec]:
    """Specs of these families with random widths and every kind of block that they allow."""
    on_tokens = tuple(Fusion(k, f) for k in (1, 3) for f in ("input", "local"))
    on_maps = (None, Fusion(1, "local"))
    return st.sampled_from(families).flatmap(
        lambda family: st.builds(
            small_spec,
            st.just(family),
            dim=st.sampled_from((4, 8, 12)),
            depth=st.integers(1, 2),
            widths=st.tuples(*[st.integers(3, 12)] * 3),
            add_input=st.booleans(),
            depthwise_local=st.booleans(),
            fusion=st.sampled_from(on_tokens if family in TOKENS else on_maps),
        )
    )


def random_model(spec: ModelSpec, *, num_classes: int = 5) -> MobileViT:
    """A model in float64 with :func:`randomize`'s weights."""
    model = MobileViT(spec, num_classes).double().eval()
    randomize(model)
    return model


def small_model(family: Family, *, num_classes: int = 5, **changes: Any) -> MobileViT:
    """A model of ``small_spec(family, **changes)`` in float64, no weight at its default."""
    return random_model(small_spec(family, **changes), num_classes=num_classes)


@torch.no_grad()
def randomize(module: nn.Module, seed: int = 0) -> None:
    """Random weights and statistics, none at its default, norm scales of either sign."""
    random = torch.Generator().manual_seed(seed)
    for key, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            tensor.zero_()
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


def noise(batch: int, *shape: int, mean: float = 0.0, seed: int = 1) -> Tensor:
    """Normal noise in float64."""
    random = torch.Generator().manual_seed(seed)
    return mean + torch.randn(batch, *shape, generator=random, dtype=torch.float64)


batches_of_images = st.builds(
    lambda batch, height, width, seed: noise(batch, 3, height, width, seed=seed),
    st.integers(1, 3),
    st.integers(8, 40),
    st.integers(8, 40),
    st.integers(0, 99),
)
"""``[B, 3, H, W]``, of sizes that halve to odd maps too, down to a last map of one pixel."""


# Rewriting.


def rewrites_of(
    target: TargetName, spec: ModelSpec, precision: Precision = "fp32"
) -> tuple[str, ...]:
    """Names of the rewrites of an export."""
    options = ExportOptions(weights="random", target=target, precision=precision)
    return get_target(target).rewrites(spec, options)


def chain(*names: str) -> list[str]:
    """These rewrites in order, each after those that it needs."""
    listed = [other for name in names for other in (*chain(*REWRITES[name].requires), name)]
    return list(dict.fromkeys(listed))


def rewritten(
    model: MobileViT, *names: str, context: Context = CONTEXT
) -> tuple[MobileViT, Outcome]:
    """A copy with the rewrites of ``chain(*names)``, and what became of the last one."""
    changed = copy.deepcopy(model)
    outcomes = apply_rewrites(changed, [REWRITES[name] for name in chain(*names)], context)
    return changed, outcomes[-1]


def prepared_for(model: MobileViT, name: str) -> MobileViT:
    """A copy with everything that a rewrite needs, but not the rewrite itself."""
    needed = REWRITES[name].requires
    return rewritten(model, *needed)[0] if needed else copy.deepcopy(model)


def apply_alone(model: MobileViT, name: str) -> Outcome:
    """Apply one rewrite in place, whatever it needs being there already, or not asked for."""
    return apply_rewrites(model, [replace(REWRITES[name], requires=())], CONTEXT)[0]


@torch.no_grad()
def relative_error(actual: nn.Module, expected: nn.Module, x: Tensor) -> float:
    """:func:`difference` of two modules' outputs for the same input."""
    return difference(actual(x), expected(x))


def difference(actual: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest number expected."""
    assert actual.shape == expected.shape
    return float((actual.double() - expected.double()).abs().max() / expected.abs().max())


@torch.no_grad()
def assert_exact(model: MobileViT, x: Tensor, *names: str) -> None:
    """The last of these rewrites, made in place, is not refused; all together keep the function."""
    expected = model(x)
    context = Context((x.shape[2], x.shape[3]))
    outcomes = apply_rewrites(model, [REWRITES[name] for name in chain(*names)], context)
    assert outcomes[-1].refused is None
    assert difference(model(x), expected) < EXACT


# Counting.


def count(module: nn.Module, *kinds: type[nn.Module]) -> int:
    """Parts of exactly these classes: a rewrite may put a subclass in a part's place."""
    return sum(type(part) in kinds for part in module.modules())


@torch.no_grad()
def macs(module: nn.Module, x: Tensor) -> int:
    """Multiply-adds as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        module(x)
    return int(counter.get_total_flops()) // 2


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Records the largest rank of any operator's output, and how often each operator runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest_rank = 0
        self.operators: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for output in result if isinstance(result, tuple | list) else (result,):
            if isinstance(output, Tensor):
                self.largest_rank = max(self.largest_rank, output.dim())
        self.operators[func.overloadpacket.__name__] += 1
        return result


@torch.no_grad()
def record(module: nn.Module, *inputs: object) -> Recorder:
    """What :class:`Recorder` records of one call."""
    recorder = Recorder()
    with recorder:
        module(*inputs)
    return recorder


# Refusals.

Fingerprint = tuple[list[tuple[str, type]], dict[str, Tensor]]


def fingerprint(model: nn.Module) -> Fingerprint:
    """Everything that a refused rewrite must leave as it was."""
    modules = [(name, type(part)) for name, part in model.named_modules()]
    return modules, {key: value.clone() for key, value in model.state_dict().items()}


def assert_unchanged(model: nn.Module, before: Fingerprint) -> None:
    """The model has the parts and the numbers that it had."""
    modules, state = fingerprint(model)
    assert modules == before[0]
    assert state.keys() == before[1].keys()
    assert all(torch.equal(state[key], value) for key, value in before[1].items())


def assert_refused(model: MobileViT, name: str, reason: str) -> None:
    """A rewrite is refused and touches nothing."""
    before = fingerprint(model)
    outcome = apply_alone(model, name)
    assert outcome.sites == 0
    assert outcome.refused is not None
    assert reason in outcome.refused
    assert_unchanged(model, before)
