"""What the commands print for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from converters.job.precisions import PRECISIONS
from mobilevit_edge.normalization import Normalization
from mobilevit_edge.printable import one_line
from mobilevit_edge.specs import COUNTS, SPECS
from mobilevit_edge.terminal import PlainConsole

if TYPE_CHECKING:
    from converters.bundling.pipeline import Exported
    from converters.checks.diagnosis import Diagnosis
    from converters.classifier import Prediction
    from converters.explanation import Explanation
    from mobilevit_edge.formats.manifest import (
        Accuracy,
        Calibration,
        HeadAccuracy,
        InputInfo,
        Manifest,
        Verification,
    )

_MEGA = 1e6
_FIRST_NUMBERS = 6
_FIRST_BOXES = 20
_ANSWERS = {
    "logits": "logits of low resolution",
    "full-logits": "logits of each pixel",
    "labels": "the class of each pixel",
    "raw": "each anchor's offsets and logits",
    "decoded": "each anchor's box and probabilities",
    "nms": "the boxes that remain, the surest first",
}


def print_models(*, as_json: bool) -> None:
    """The 19 models: size, cost, published accuracy."""
    if as_json:
        print(json.dumps({"models": [_model_row(name) for name in SPECS]}))
        return
    table = Table(
        title="MobileViT models",
        caption="Multiply-adds as executed for one image of 256x256, and as published (the "
        "authors' profiler counts\nN*C*C for each attention product, where N*N*C runs). "
        "Top-1: ImageNet-1k at 256x256, as published.",
        caption_justify="left",
    )
    table.add_column("model", no_wrap=True)
    for heading in (
        "params (M)",
        "mult-adds (M)",
        "published (M)",
        "top-1 (%)",
        "fp32 (MB)",
        "fp16 (MB)",
    ):
        table.add_column(heading, justify="right")
    previous = None
    for name, spec in SPECS.items():
        if previous not in (None, spec.generation):
            table.add_section()
        previous = spec.generation
        row = _model_row(name)
        table.add_row(
            name,
            f"{COUNTS[name].parameters / _MEGA:.2f}",
            f"{COUNTS[name].macs / _MEGA:,.0f}",
            f"{row['published_macs_m']:,.0f}",
            f"{row['top1']:.1f}",
            f"{row['fp32_mb']:.1f}",
            f"{row['fp16_mb']:.1f}",
        )
    # Narrower terminals cut columns rather than names; piped output has no width to fit into.
    PlainConsole(width=None if sys.stdout.isatty() else 120).print(table)


def _model_row(name: str) -> dict[str, float | str]:
    counts, published = COUNTS[name], SPECS[name].published
    assert published is not None
    return {
        "name": name,
        "parameters": counts.parameters,
        "macs": counts.macs,
        "published_macs_m": published.macs_m,
        "published_note": published.macs_note,
        "top1": published.top1,
        "fp32_mb": round(counts.parameters * 4 / _MEGA, 2),
        "fp16_mb": round(counts.parameters * 2 / _MEGA, 2),
    }


def print_export(exported: Exported) -> None:
    """What was made, what was checked, and what to do with it next."""
    from mobilevit_edge.formats.manifest import MODEL_PREFIX

    manifest = exported.manifest
    info = manifest.input
    size = sum(file.bytes for file in manifest.files if file.path.startswith(MODEL_PREFIX)) / _MEGA
    sides = zip(info.layout, info.shape, strict=True)
    shape = "x".join(axis if side is None else str(side) for axis, side in sides)
    height, width = manifest.model.image_size
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("model", f"{manifest.model.name}, {_outputs_line(manifest)}")
    table.add_row("weights", _source_line(exported))
    if manifest.source.left_out:
        table.add_row("left out", ", ".join(manifest.source.left_out))
    table.add_row(
        "input",
        f"{info.name}: {info.dtype} {info.layout} {shape}, {info.channel_order}, "
        f"{info.resize.rule} to {height}x{width}, {info.resize.interpolation}, "
        f"{_values(info)}",
    )
    table.add_row("", f"({info.provenance})")
    if manifest.head is not None:
        table.add_row("head", f"{manifest.head.name}: {manifest.head.provenance}")
    table.add_row("labels", f"{manifest.labels.count} ({manifest.labels.source})")
    if manifest.calibration is not None:
        table.add_row("calibrated", _calibration_line(manifest.calibration))
    if manifest.kept_in_float:
        title = "in fp16" if manifest.unit == "npu" else "in fp32"
        table.add_row(title, ", ".join(manifest.kept_in_float))
    table.add_row("verified", _verification_line(manifest))
    if manifest.accuracy is not None:
        table.add_row("top-1", _accuracy_line(manifest.accuracy))
    if manifest.head_accuracy is not None:
        table.add_row(manifest.head_accuracy.measure, _head_accuracy_line(manifest.head_accuracy))
    if manifest.unit == "npu" and not manifest.contexts:
        table.add_row("written for", "the NPU, which has not seen it")
    for context in manifest.contexts:
        table.add_row(
            f"for {context.soc}",
            f"{context.file}, emulated: differs by {context.difference:.1e} of the largest output "
            f"({context.compiler}, SDK {context.sdk})",
        )
    table.add_row("size", f"{size:.1f} MB in {manifest.precision}")
    console = PlainConsole()
    runs = manifest.verification is not None
    console.print(
        Text("OK" if runs else "NOT RUN", "bold green" if runs else "bold yellow"), end=" "
    )
    console.print(str(exported.path))
    console.print(table)
    if exported.diagnosis is not None and exported.diagnosis.clearly_better is not None:
        console.print(_advice(exported.diagnosis))
    if runs and manifest.head is not None:
        console.print(f"next: mobilevit-predict {exported.path} IMAGE --overlay DIR")
    elif runs:
        console.print(f"next: mobilevit-predict {exported.path} IMAGE")
    if manifest.unit == "npu":
        console.print(f"      mobilevit-bench npu {exported.path}, which compiles it for the NPU")
    if manifest.contexts or manifest.precision == "mixed":
        from converters.targets.onnx.npu.compiler import LICENSE

        console.print(LICENSE)


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Every preprocessing that was tried, the best first, and what that says."""
    from converters.checks.diagnosis import normalization_name

    table = Table(
        title=f"{diagnosis.images} labeled photos, answered by the reference model",
        title_justify="left",
    )
    for heading in ("channel order", "normalization", "resize"):
        table.add_column(heading)
    for heading in ("right", "log-likelihood"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for trial in diagnosis.trials:
        preprocessing = trial.preprocessing
        table.add_row(
            preprocessing.channel_order,
            normalization_name(preprocessing),
            preprocessing.resize,
            str(sum(trial.right)),
            f"{trial.log_likelihood:.3f}",
            "as given" if trial is diagnosis.given else "",
        )
    console = PlainConsole(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    console.print(_advice(diagnosis))


def _advice(diagnosis: Diagnosis) -> str:
    """What the photos say, in a sentence."""
    right = sum(diagnosis.given.right)
    as_given = f"as given, {right} of {diagnosis.images} labeled photos are answered rightly"
    better = diagnosis.clearly_better
    if better is not None:
        return f"{as_given}; {sum(better.right)} with: {diagnosis.options}"
    if diagnosis.is_better_than_chance:
        return f"{as_given}; nothing else is clearly better"
    return f"{as_given}, which is no better than chance, and nothing else is clearly better"


def diagnosis_as_json(diagnosis: Diagnosis) -> dict[str, object]:
    """The same for programs."""
    from converters.checks.diagnosis import normalization_name

    return {
        "images": diagnosis.images,
        "options": diagnosis.options,
        "better_than_chance": diagnosis.is_better_than_chance,
        "trials": [
            {
                "channel_order": trial.preprocessing.channel_order,
                "normalization": normalization_name(trial.preprocessing),
                "resize": trial.preprocessing.resize,
                "right": sum(trial.right),
                "log_likelihood": trial.log_likelihood,
                "given": trial is diagnosis.given,
            }
            for trial in diagnosis.trials
        ],
    }


def _values(info: InputInfo) -> str:
    """What becomes of a pixel before the model gets it."""
    if info.dtype == "uint8":
        return "bytes as they are"  # whatever is subtracted and divided by is in the graph
    return str(Normalization(info.mean, info.std))


def _calibration_line(calibration: Calibration) -> str:
    skipped = f", {calibration.unreadable} unreadable skipped" if calibration.unreadable else ""
    return f"on {calibration.images} images{skipped}"


def _verification_line(manifest: Manifest) -> str:
    check = manifest.verification
    if check is None:
        return f"not: lowered for {manifest.backend}, which runs only on devices"
    from converters.checks.numerics import outliers

    if manifest.coreml is not None and manifest.coreml.core_ml_verification is not None:
        check = manifest.coreml.core_ml_verification
    worst = max(case.relative_error for case in check.cases)
    beyond = ", ".join(case.name for case in outliers(check.cases, check.max_relative_error))
    if beyond:
        classes = f"; beyond: {beyond}"
    else:
        # Rounding of a quantized one may exchange classes: labeled photos judge that.
        what = "top class" if manifest.head is None else "classes"
        classes = "" if PRECISIONS[manifest.precision].quantized else f", same {what}"
    return (
        f"{len(check.cases)} inputs through {check.runtime}: largest error {worst:.1e} "
        f"of the largest output (allowed {check.max_relative_error:.0e}){_noise(check)}{classes}"
    )


def _noise(check: Verification) -> str:
    if check.sqnr_db is None or check.min_sqnr_db is None:
        return ""
    return f", {check.sqnr_db:.1f} dB above its noise (at least {check.min_sqnr_db:g})"


def _accuracy_line(accuracy: Accuracy) -> str:
    images = accuracy.images
    shares = accuracy.reference_correct / images, accuracy.artifact_correct / images
    return _shares_line(accuracy, *shares)


def _head_accuracy_line(accuracy: HeadAccuracy) -> str:
    return _shares_line(accuracy, accuracy.reference, accuracy.artifact)


def _shares_line(accuracy: Accuracy | HeadAccuracy, reference: float, artifact: float) -> str:
    skipped = f", {accuracy.unreadable} unreadable skipped" if accuracy.unreadable else ""
    return (
        f"{100 * artifact:.1f} % of {accuracy.images} labeled images{skipped}; "
        f"the model itself {100 * reference:.1f} % (allowed drop {accuracy.max_drop:g})"
    )


def print_explanation(explanation: Explanation) -> None:
    """A target's rewrites with what each changes."""
    at_work = [effect for effect in explanation.effects if effect.sites or effect.refused]
    idle = ", ".join(e.name for e in explanation.effects if e not in at_work) or "none"
    table = Table(
        title=f"Rewrites of {explanation.model}",
        caption=f"the reference: {explanation.operators} operators, "
        f"{explanation.macs / _MEGA:,.1f} M multiply-adds; nothing to do here for: {idle}",
        show_lines=True,
    )
    table.add_column("rewrite", no_wrap=True)
    table.add_column("places", justify="right")
    table.add_column("operators")
    table.add_column("mult-adds (M)", justify="right")
    for effect in at_work:
        changes = ", ".join(f"{kind} {n:+d}" for kind, n in effect.operators.items())
        table.add_row(
            f"{effect.name}\n",
            str(effect.sites) if effect.sites else "refused",
            f"{effect.identity}\n{effect.refused or changes or 'no operator changes'}",
            f"{effect.macs / _MEGA:+,.1f}" if effect.macs else "",
        )
    PlainConsole(width=None if sys.stdout.isatty() else 120).print(table)


def _source_line(exported: Exported) -> str:
    source = exported.manifest.source
    parts = [source.origin]
    if source.naming:
        parts.append(f"{source.naming} naming")
    if source.part:
        parts.append(f"part {source.part!r}")
    return ", ".join(parts)


def print_predictions(predictions: Sequence[Prediction]) -> None:
    """The best classes of every image, with bars; of embeddings how alike they are."""
    console = PlainConsole()
    if any(prediction.embedding for prediction in predictions):
        _print_embeddings(console, predictions)
        return
    block = "█" if console.encoding.startswith("utf") else "#"
    for prediction in predictions:
        console.print(Text(one_line(prediction.image), "bold"))
        _print_boxes(console, prediction)
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
        for score in prediction.classes:
            bar = block * round(30 * score.probability)
            table.add_row(f"{score.probability:6.1%}", Text(one_line(score.label)), bar)
        console.print(table)


def _print_boxes(console: PlainConsole, prediction: Prediction) -> None:
    """The surest boxes, with their corners in pixels."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
    for found in prediction.detections[:_FIRST_BOXES]:
        corners = ", ".join(f"{value:.0f}" for value in found.box)
        table.add_row(f"{found.probability:6.1%}", Text(one_line(found.label)), f"({corners})")
    rest = len(prediction.detections) - _FIRST_BOXES
    if prediction.detections:
        console.print(table)
    if rest > 0:
        console.print(f"    and {rest} more, all of them with --json")


def _print_embeddings(console: PlainConsole, predictions: Sequence[Prediction]) -> None:
    """Norm and first numbers of every image, and the cosine similarity of every two."""
    from converters.classifier import cosine_similarities

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for prediction in predictions:
        values = prediction.embedding
        first = ", ".join(f"{value:.3g}" for value in values[:_FIRST_NUMBERS])
        norm = math.sqrt(math.fsum(value * value for value in values))
        table.add_row(Text(one_line(prediction.image), "bold"), f"norm {norm:.3g}", f"{first}, ...")
    console.print(table)
    if len(predictions) == 1:
        return
    alike = Table(title="cosine similarity", title_justify="left")
    alike.add_column("image", overflow="fold")
    for number in range(1, len(predictions) + 1):
        alike.add_column(str(number), justify="right")
    rows = zip(predictions, cosine_similarities(predictions), strict=True)
    for number, (prediction, row) in enumerate(rows, start=1):
        alike.add_row(
            Text(one_line(f"{number} {prediction.image}")),
            *(f"{similarity:.3f}" for similarity in row),
        )
    console.print(alike)


def _outputs_line(manifest: Manifest) -> str:
    """What the outputs are."""
    outputs, activation = manifest.model.outputs, manifest.output.activation
    made = "" if activation == "none" else f" through {activation}"
    match manifest.task:
        case "classification":
            return f"{outputs} classes{made}"
        case "multilabel":
            return f"{outputs} output{'s' if outputs > 1 else ''}, each by itself{made}"
        case "embedding":
            return f"{outputs} features"
        case "segmentation" | "detection":
            return f"{outputs} classes: {_ANSWERS[manifest.head.answer] if manifest.head else ''}"
