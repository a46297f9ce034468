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

    func testAModelThatIsNoClassifierIsRefusedWithWhatItDoes() throws {
        for (task, words) in ["segmentation": "marks regions", "detection": "finds objects"] {
            var json = try XCTUnwrap(
                JSONSerialization.jsonObject(with: Vectors.data("bundle/manifest.json")) as? [String: Any])
            json["task"] = task
            json["output"] = [String: Any]()
            let text = String(decoding: try JSONSerialization.data(withJSONObject: json), as: UTF8.self)
            XCTAssertThrowsError(try ManifestReader.read(text)) { error in
                XCTAssertTrue("\(error)".contains(words) && "\(error)".contains("mobilevit-predict --overlay"))
            }
        }
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
