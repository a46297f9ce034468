import Foundation
import XCTest

@testable import MobileViTKit

/// Masks and boxes of random answers, against what Python makes of them.
final class DenseTests: XCTestCase {
    private struct Case: Decodable {
        struct Found: Decodable {
            let index: Int
            let probability: Double
            let box: [Double]
        }

        let manifest: String
        let width: Int
        let height: Int
        let outputs: Data
        let size: [Int]?
        let labels: Data?
        let unsure: Int?
        let shares: [Double]?
        let found: [Found]?
    }

    private let names = ["background", "cat", "dog", "owl"]

    private func cases(_ file: String) throws -> [Case] {
        try JSONDecoder().decode([Case].self, from: Vectors.data(file))
    }

    private func floats(_ data: Data) -> [Float] {
        data.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: 4).map {
                Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
            }
        }
    }

    private func mask(_ found: Case, mostSide: Int = Interpreter.photoSide) throws -> (Manifest, Mask) {
        let manifest = try ManifestReader.read(found.manifest)
        guard case .masks(let head) = manifest.head else { throw BundleError("no mask") }
        let answers = DenseAnswers(manifest, labels: names)
        let mask = try answers.mask(
            head, floats(found.outputs), width: found.width, height: found.height, mostSide: mostSide)
        return (manifest, mask)
    }

    func testEveryPixelHasTheClassThatPythonFindsAndTheLegendItsShares() throws {
        let cases = try cases("masks.json")
        XCTAssertGreaterThanOrEqual(cases.count, 50)
        var pixels = 0
        for found in cases {
            let (manifest, mask) = try mask(found)
            let place = "\(String(describing: manifest.head).prefix(80)) \(found.width) x \(found.height)"
            XCTAssertEqual([mask.height, mask.width], found.size, place)
            let expected = try XCTUnwrap(found.labels).map { Int32(Int8(bitPattern: $0)) }
            let unsure = try XCTUnwrap(found.unsure)
            // Where two classes are nearer to each other than rounding can tell, Python says -2.
            let wrong = zip(expected, mask.labels).filter { $0 != -2 && $0 != $1 }.count
            XCTAssertEqual(wrong, 0, "\(place): of \(expected.count)")
            pixels += expected.count
            let shares = try XCTUnwrap(found.shares)
            let off = Double(unsure) / Double(expected.count)
            XCTAssertLessThan(off, 0.001 + 1 / Double(expected.count))
            for share in mask.shares(names) {
                XCTAssertEqual(share.probability, shares[share.index], accuracy: 1e-12 + off, place)
            }
            XCTAssertEqual(mask.shares(names).map(\.probability).reduce(0, +), 1, accuracy: 1e-9)
        }
        XCTAssertGreaterThan(pixels, 1_000_000)
    }

    func testEveryBoxIsOneThatPythonFindsInItsOrder() throws {
        for found in try cases("boxes.json") {
            let manifest = try ManifestReader.read(found.manifest)
            guard case .boxes(let head) = manifest.head else { return XCTFail("no boxes") }
            let answers = DenseAnswers(manifest, labels: names)
            let boxes = answers.boxes(head, floats(found.outputs), width: found.width, height: found.height)
            let expected = try XCTUnwrap(found.found)
            XCTAssertEqual(boxes.map(\.index), expected.map(\.index))
            for (box, other) in zip(boxes, expected) {
                XCTAssertEqual(box.probability, other.probability)
                // Python rounds to hundredths of a pixel.
                let corners = [box.area.left, box.area.top, box.area.right, box.area.bottom]
                for (here, there) in zip(corners, other.box) { XCTAssertEqual(here, there, accuracy: 0.00501) }
            }
        }
    }

    func testAMaskOfACamerasFrameIsNoLargerThanItNeedBe() throws {
        let wide = try XCTUnwrap(try cases("masks.json").first { $0.width == 700 })
        let mask = try mask(wide, mostSide: Interpreter.frameSide).1
        XCTAssertEqual([mask.width, mask.height], [128, 256])
    }

    func testStrangeAnswersAreRefusedInWords() throws {
        let manifest = try ManifestReader.read(Vectors.text("dense/labels/manifest.json"))
        let interpreter = Interpreter(manifest, labels: names)
        let right = [Double](repeating: 1, count: manifest.output.count)
        XCTAssertNoThrow(try interpreter.finding(right, width: 8, height: 8, mostSide: 8))
        for strange in [-1, 4, 0.5, 1e20] {
            var wrong = right
            wrong[7] = strange
            XCTAssertThrowsError(try interpreter.finding(wrong, width: 8, height: 8, mostSide: 8)) {
                XCTAssertTrue("\($0)".contains("none of its 4 classes"))
            }
        }
        for wrong in [[1], right.map { _ in Double.nan }] {
            XCTAssertThrowsError(try interpreter.finding(wrong, width: 8, height: 8, mostSide: 8)) {
                XCTAssertTrue("\($0)".contains("finite numbers"))
            }
        }
    }

    func testTheSelfTestOfAHeadComparesItsNumbersAlone() throws {
        for name in ["logits", "full_logits", "labels", "decoded"] {
            let manifest = try ManifestReader.read(Vectors.text("dense/\(name)/manifest.json"))
            var answer = [Double](repeating: 1000, count: manifest.output.count)
            for expected in manifest.golden.expected { answer[expected.index] = expected.value }
            XCTAssertNil(SelfTest.failure(manifest, outputs: answer), name)
            answer[manifest.golden.expected[0].index] += 1
            XCTAssertNotNil(SelfTest.failure(manifest, outputs: answer), name)
        }
    }

    func testAMaskIsDrawnInTheColorsOfItsClassesAndNotWhereTheModelHasNotLooked() {
        let mask = Mask(width: 3, height: 1, labels: [1, Mask.notSeen, 0])
        let colors = [ClassColor(red: 0, green: 0, blue: 2), ClassColor(red: 255, green: 0, blue: 0)]
        XCTAssertEqual(mask.rgba(colors), [128, 0, 0, 128, 0, 0, 0, 0, 0, 0, 1, 128])
        XCTAssertEqual(mask.shares(["a", "b"]).map(\.probability), [0.5, 0.5])
    }

    func testAnImageLiesInTheMiddleOfItsPlaceWholeAndUndistorted() {
        let wide = Area.fitting(200, 100, inside: (100, 100))
        XCTAssertEqual(wide, Area(left: 0, top: 25, right: 100, bottom: 75))
        let part = Area(left: 20, top: 0, right: 200, bottom: 100).shown(in: wide, imageWidth: 200)
        XCTAssertEqual(part, Area(left: 10, top: 25, right: 100, bottom: 75))
        let mirrored = Area(left: 10, top: 1, right: 30, bottom: 2).mirrored(in: 100)
        XCTAssertEqual(mirrored, Area(left: 70, top: 1, right: 90, bottom: 2))
    }

    func testAScreenShowsSureBoxesAloneAndEachClassOfThemOnce() throws {
        let manifest = try ManifestReader.read(Vectors.text("dense/decoded/manifest.json"))
        let interpreter = Interpreter(manifest, labels: names)
        func box(_ index: Int, _ probability: Double) -> DetectedBox {
            DetectedBox(
                index: index, label: names[index], probability: probability,
                area: Area(left: 0, top: 0, right: 1, bottom: 1))
        }
        let boxes = [box(2, 0.9), box(1, 0.8), box(2, 0.5), box(3, 0.29)]
        let shown = interpreter.show(.objects(width: 10, height: 10, boxes: boxes), rows: 5)
        XCTAssertEqual(shown.rows.map(\.score.label), ["dog", "cat"])
        XCTAssertEqual(shown.overlay?.boxes.count, 3)
        let many = [DetectedBox](repeating: box(1, 0.9), count: 500)
        let drawn = interpreter.show(.objects(width: 10, height: 10, boxes: many), rows: 5)
        XCTAssertEqual(drawn.overlay?.boxes.count, Overlay.most)
    }

    func testLettersStandOutFromTheColorBelowThem() {
        XCTAssertTrue(ClassColor(red: 255, green: 255, blue: 0).isBright)
        XCTAssertFalse(ClassColor(red: 0, green: 0, blue: 255).isBright)
    }
}
