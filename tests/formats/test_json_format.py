"""What bundles' manifests and latency reports have in common as JSON documents."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevit_edge.errors import BundleError, MobileViTEdgeError, ReportError
from mobilevit_edge.formats.manifest import manifest_from_json, manifest_to_json
from mobilevit_edge.formats.report import report_from_json, report_to_json
from mobilevit_edge.formats.schema_check import _validator
from tests.formats.schemas import read_schema
from tests.formats.test_bundle import manifest
from tests.formats.test_report import REPORT, run


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of document: a good one, how it is read, what is raised for a bad one, its version."""

    text: str
    read: Callable[[str, str], Any]
    error: type[MobileViTEdgeError]
    remedy: str
    version: int

    def message(self, text: str) -> str:
        with pytest.raises(self.error) as caught:
            self.read(text, "here")
        return str(caught.value)


FORMATS = {
    "bundle": Format(manifest_to_json(manifest()), manifest_from_json, BundleError, "export", 2),
    "report": Format(report_to_json(REPORT), report_from_json, ReportError, "measure", 1),
}


@pytest.fixture(params=FORMATS)
def kind(request: pytest.FixtureRequest) -> Format:
    return FORMATS[request.param]


@pytest.mark.parametrize("version", [0, 9, "1", None, True, [1], 1.5, "x" * 10_000])
def test_another_schema_version_is_refused_with_both_and_the_way_out(
    kind: Format, version: object
) -> None:
    message = kind.message(json.dumps(json.loads(kind.text) | {"schema_version": version}))
    assert message.startswith(
        f"here has schema version {version!r:.60}, this version reads {kind.version}: "
    )
    assert f"{kind.remedy} " in message
    assert message.endswith("or update mobilevit-edge")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "1" * 5000])
def test_what_is_not_json_is_refused(kind: Format, text: str) -> None:
    assert kind.message(text).startswith("here is not JSON: ")


@pytest.mark.parametrize("text", ["[]", "1", "null", "{}", '"text"'])
def test_json_without_a_version_is_refused(kind: Format, text: str) -> None:
    assert kind.message(text).startswith("here has schema version None")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_not_json_are_refused(kind: Format, constant: str) -> None:
    message = kind.message(f'{{"schema_version": 1, "value": {constant}}}')
    assert message == f"here is not JSON: {constant} is not a number"


def test_messages_say_where_and_do_not_quote_a_whole_file(kind: Format) -> None:
    message = kind.message(json.dumps(json.loads(kind.text) | {"files": "x" * 100_000}))
    assert message.startswith("here is not valid at ")
    assert len(message) < 400


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_infinity_are_not_written(value: float) -> None:
    golden = dataclasses.replace(manifest().golden, tolerance=value)
    with pytest.raises(ValueError, match="JSON compliant"):
        manifest_to_json(manifest(golden=golden))
    report = dataclasses.replace(
        REPORT, runs=(run(protocol=dataclasses.replace(run().protocol, max_noise=value)),)
    )
    with pytest.raises(ValueError, match="JSON compliant"):
        report_to_json(report)


def test_what_the_schema_forbids_is_not_written() -> None:
    with pytest.raises(BundleError, match="the manifest is not valid at precision"):
        manifest_to_json(manifest(precision=""))
    with pytest.raises(ReportError, match="the report is not valid at runs/0/id"):
        report_to_json(dataclasses.replace(REPORT, runs=(run(""),)))


SAMPLES: st.SearchStrategy[list[Any]] = st.lists(
    st.one_of(
        st.integers(-2, 3),
        st.integers(2**53 - 2, 2**53 + 2),
        st.sampled_from([1.0, 1.5, True, None, "1", [], {}]),
    )
)


@given(SAMPLES | st.sampled_from([1, "text", None, {}]))
def test_samples_are_judged_as_the_standard_does(samples: Any) -> None:
    name = "latency_report.v1.json"
    schema = {"$defs": read_schema(name)["$defs"], "$ref": "#/$defs/nanoseconds"}
    fast = _validator(name).evolve(schema=schema)
    standard = jsonschema.Draft202012Validator(schema)

    def problems(validator: Any) -> list[str]:
        found = validator.iter_errors(samples)
        return [f"{list(error.path)} {error.message}" for error in found]

    assert problems(fast) == problems(standard)
