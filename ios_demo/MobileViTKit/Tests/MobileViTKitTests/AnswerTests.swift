import Foundation
import XCTest

@testable import MobileViTKit

final class AnswerTests: XCTestCase {
    private struct Case: Decodable {
        let task: String
        let logits: [Double]
        let probabilities: [Double]
        let order: [Int]
    }

    func testProbabilitiesAndOrderAreThoseOfPython() throws {
        for found in try JSONDecoder().decode([Case].self, from: Vectors.data("answers.json")) {
            let labels = found.logits.indices.map(String.init)
            let scores: Scores = found.task == "multilabel" ? .independentLogits : .logits
            let probabilities = TopClasses.probabilities(found.logits, scores)
            let classes = TopClasses.of(probabilities, labels: labels, count: found.logits.count)
            XCTAssertEqual(classes.map(\.index), found.order)
            for score in classes { XCTAssertEqual(score.probability, found.probabilities[score.index], accuracy: 1e-6) }
        }
    }

    func testTheSelfTestPassesOnTheExpectedAnswerAlone() throws {
        let manifest = try Vectors.manifest()
        let golden = manifest.golden
        var right = [Double](repeating: -100, count: manifest.model.outputs)
        for expected in golden.expected { right[expected.index] = expected.value }
        XCTAssertNil(SelfTest.failure(manifest, outputs: right))

        let best = golden.expected[0].index
        let other = try XCTUnwrap(right.indices.first { index in !golden.expected.contains { $0.index == index } })
        for (index, value) in [(best, right[best] + 2 * golden.tolerance), (best, .nan), (other, 100), (other, .nan)] {
            var wrong = right
            wrong[index] = value
            XCTAssertNotNil(SelfTest.failure(manifest, outputs: wrong), "\(index) \(value)")
        }
        XCTAssertTrue(SelfTest.failure(manifest, outputs: [1])?.contains("outputs") == true)
    }

    func testLabelsAreOneALine() throws {
        XCTAssertEqual(try Labels.parse("\u{FEFF}cat \r\ndog\r\n", count: 2), ["cat", "dog"])
        for (text, count) in [("cat\n\ndog", 3), ("cat", 2), ("", 1)] {
            XCTAssertThrowsError(try Labels.parse(text, count: count), text)
        }
    }

    func testLabelsAreWhatPythonReads() throws {
        struct Text: Decodable {
            let text: String
            let count: Int
            let labels: [String]?
        }
        let cases = try JSONDecoder().decode([Text].self, from: Vectors.data("labels.json"))
        XCTAssertGreaterThan(cases.count, 10)
        for found in cases {
            guard let labels = found.labels else {
                XCTAssertThrowsError(try Labels.parse(found.text, count: found.count), String(found.text.prefix(80)))
                continue
            }
            XCTAssertEqual(try Labels.parse(found.text, count: found.count), labels)
        }
    }

    func testABundleIsOpenedWhole() throws {
        let bundle = try Vectors.bundle()
        XCTAssertEqual(bundle.labels.count, 10)
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.copyItem(at: bundle.folder, to: copy)
        defer { try? FileManager.default.removeItem(at: copy) }
        XCTAssertEqual(
            ModelBundle.folders(in: copy.deletingLastPathComponent()).filter {
                $0.lastPathComponent == copy.lastPathComponent
            }.count, 1)
        try Data("short".utf8).write(to: copy.appendingPathComponent("model.onnx"))
        XCTAssertThrowsError(try ModelBundle(folder: copy)) { XCTAssertTrue("\($0)".contains("incomplete")) }
        try FileManager.default.removeItem(at: copy.appendingPathComponent("labels.txt"))
        XCTAssertThrowsError(try ModelBundle(folder: copy)) { XCTAssertTrue("\($0)".contains("labels.txt")) }
    }
}
