import Foundation
import XCTest

@testable import MobileViTKit

final class ManifestReaderTests: XCTestCase {
    func testARealManifestIsRead() throws {
        let manifest = try Vectors.manifest()
        XCTAssertEqual(manifest.model.name, "mobilevitv2_050")
        XCTAssertEqual([manifest.model.height, manifest.model.width], [64, 64])
        XCTAssertEqual(manifest.modelPath, "model.onnx")
        // Foundation rounds what it parses to the last place but one.
        XCTAssertEqual(manifest.input.scale, 1 / 255.0, accuracy: 1e-17)
        XCTAssertFalse(manifest.golden.expected.isEmpty)
        XCTAssertNil(manifest.computeUnits)
    }

    func testAPackageIsOneModel() throws {
        let text = try Vectors.text("coreml/manifest.json")
        let manifest = try ManifestReader.read(text)
        XCTAssertEqual(manifest.target, "coreml")
        XCTAssertEqual(manifest.modelPath, "model.mlpackage")
        XCTAssertTrue(["all", "cpuAndGPU"].contains(manifest.computeUnits))
        XCTAssertTrue(manifest.input.bytes)
    }

    func testWhatPythonRefusesIsRefusedWithAMessage() throws {
        let bad = try JSONDecoder().decode([String: String].self, from: Vectors.data("bad_manifests.json"))
        XCTAssertGreaterThan(bad.count, 20)
        for (name, text) in bad {
            XCTAssertThrowsError(try ManifestReader.read(text), name) { error in
                XCTAssertTrue((error as? BundleError)?.message.hasPrefix("manifest") == true, "\(name): \(error)")
            }
        }
    }

    func testAnyDamageIsAManifestOrARefusalNeverACrash() throws {
        let damaged = try JSONDecoder().decode([String].self, from: Vectors.data("damaged_manifests.json"))
        XCTAssertGreaterThanOrEqual(damaged.count, 2000)
        for text in damaged {
            do {
                _ = try ManifestReader.read(text)
            } catch let error as BundleError {
                XCTAssertLessThan(error.message.count, 1000)
            }
        }
    }

    func testAModelOfSeveralImagesAtOnceIsRefused() throws {
        var json = try XCTUnwrap(
            JSONSerialization.jsonObject(with: Vectors.data("bundle/manifest.json")) as? [String: Any])
        var input = try XCTUnwrap(json["input"] as? [String: Any])
        input["shape"] = [2, 3, 64, 64]
        json["input"] = input
        let text = String(decoding: try JSONSerialization.data(withJSONObject: json), as: UTF8.self)
        XCTAssertThrowsError(try ManifestReader.read(text)) { error in
            XCTAssertTrue("\(error)".contains("--batch 1"))
        }
    }

    func testAHeadIsReadWithTheFormOfItsAnswer() throws {
        func manifest(_ name: String) throws -> Manifest {
            try ManifestReader.read(Vectors.text("dense/\(name)/manifest.json"))
        }
        for (name, answer) in ["logits": MaskAnswer.logits, "full_logits": .fullLogits, "labels": .labels] {
            guard case .masks(let head) = try manifest(name).head else { return XCTFail(name) }
            XCTAssertEqual(head.answer, answer)
        }
        XCTAssertEqual(try manifest("logits").output.count, 4 * 4 * 4)
        XCTAssertEqual(try manifest("labels").output.count, 64 * 64)
        guard case .boxes(let boxes) = try manifest("decoded").head else { return XCTFail("decoded") }
        XCTAssertEqual(boxes.rules.score, 0.01)
        XCTAssertEqual(boxes.rules.overlap, 0.5)
    }

    func testAHeadThatThisAppCannotShowIsRefusedWithTheWayOut() throws {
        func refusal(_ name: String, _ change: (inout [String: Any]) -> Void) throws -> String {
            let data = try Vectors.data("dense/\(name)/manifest.json")
            var json = try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
            change(&json)
            let text = String(decoding: try JSONSerialization.data(withJSONObject: json), as: UTF8.self)
            do {
                _ = try ManifestReader.read(text)
                return "read"
            } catch {
                return error.localizedDescription
            }
        }
        func put(_ value: Any, _ path: [String], _ json: inout [String: Any]) {
            guard let first = path.first else { return }
            var inner = json[first] as? [String: Any] ?? [:]
            put(value, Array(path.dropFirst()), &inner)
            json[first] = path.count == 1 ? value : inner
        }
        for form in ["raw", "nms"] {
            let refused = try refusal("decoded") { put(form, ["head", "answer"], &$0) }
            XCTAssertTrue(refused.contains("--boxes \(form)") && refused.contains("--boxes decoded"), refused)
        }
        let slow = try refusal("decoded") { put(100_000, ["head", "boxes", "candidates"], &$0) }
        XCTAssertTrue(slow.contains("at most 5000"), slow)
        let large = try refusal("full_logits") {
            put([2048, 2048], ["model", "image_size"], &$0)
            put([1, 3, 2048, 2048], ["input", "shape"], &$0)
            put([2048, 2048], ["input", "resize", "cover"], &$0)
            put([1, 4, 2048, 2048], ["output", "shape"], &$0)
        }
        XCTAssertTrue(large.contains("memory") && large.contains("--mask labels"), large)
    }

    func testPathsStayInside() {
        for good in ["model.onnx", "model.mlpackage/Data/a-b_c.bin", "_x"] {
            XCTAssertTrue(ManifestReader.isInside(good), good)
        }
        for bad in ["", "/a", "a//b", "a/", "../a", "a/..", ".a", "-a", "a\\b", "a b", "ü"] {
            XCTAssertFalse(ManifestReader.isInside(bad), bad)
        }
    }
}
