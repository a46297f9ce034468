"""One export, as every later step needs it: one value instead of the options and the model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from converters.job.answers import OutputShape, output_shape
from converters.job.options import ExportOptions
from converters.job.precisions import PRECISIONS, PrecisionSpec
from converters.job.source import SourceModel
from mobilevit_edge.boxes import DetectionRules
from mobilevit_edge.formats.manifest import Activation, AnswerForm, Layout, Task
from mobilevit_edge.input_contract import InputContract

_SOME_SIZES: Final = ((72, 104), (160, 96))
"""One whose maps are odd, so that they are resized; one higher than wide."""


@dataclass(frozen=True)
class ExportJob:
    """What is exported and how.

    Attributes:
        takes_pixels: whether the artifact takes RGB bytes and scales them itself: it was asked to,
            or the target's format does so always.
        activation: what the artifact's output makes of the logits.
        float_layout: the axes of its input, where that is not bytes.
        answer: what it makes of a head for masks or boxes; ``None`` where it classifies.
        rules: which boxes remain, in the artifact or after it.
    """

    options: ExportOptions
    source: SourceModel
    takes_pixels: bool
    activation: Activation
    float_layout: Layout = "NCHW"
    answer: AnswerForm | None = None
    rules: DetectionRules = field(default_factory=DetectionRules)

    @property
    def precision(self) -> PrecisionSpec:
        """The row of the artifact's precision."""
        return PRECISIONS[self.options.precision]

    @property
    def task(self) -> Task:
        """What the outputs mean."""
        return "multilabel" if self.options.activation == "sigmoid" else self.source.task

    @property
    def network_input(self) -> InputContract:
        """What the reference network takes."""
        contract = self.source.network_input(self.options.batch)
        return replace(contract, dynamic_size=self.options.dynamic_size)

    @property
    def module_input(self) -> InputContract:
        """What the module to convert takes: the artifact's input, but where its format scales.

        A format scales pixels by one number and subtracts one for each channel, no more.
        """
        network = self.network_input
        if self.options.raw_input:
            return network.taking_pixels()
        return network.without_std() if self.takes_pixels else self._float_input

    @property
    def artifact_input(self) -> InputContract:
        """What the artifact takes."""
        network = self.network_input
        return network.taking_pixels() if self.takes_pixels else self._float_input

    @property
    def _float_input(self) -> InputContract:
        network = self.network_input
        return network.channels_last() if self.float_layout == "NHWC" else network

    @property
    def output(self) -> OutputShape:
        """The artifact's answer to one image."""
        source = self.source
        return output_shape(source.model, source.outputs, self.answer, source.image_size)

    @property
    def other_sizes(self) -> tuple[tuple[int, int], ...]:
        """Further image sizes that the artifact is verified at: those it takes, or some of them."""
        return _SOME_SIZES if self.options.dynamic_size else self.options.other_sizes

    def at_size(self, image_size: tuple[int, int]) -> ExportJob:
        """The same export for images of another size (height, width)."""
        return replace(self, source=replace(self.source, image_size=image_size))
