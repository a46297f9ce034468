import Foundation
import XCTest

@testable import MobileViTKit

final class PreprocessorTests: XCTestCase {
    private struct Case: Decodable {
        let width: Int
        let height: Int
        let rgb: Data
        let size: [Int]
        let cover: [Int]
        let rule: String
        let interpolation: String
        let order: String
        let mean: [Double]
        let std: [Double]
        let tensor: Data
    }

    func testEveryImageBecomesTheTensorThatPythonMakesOfIt() throws {
        let cases = try JSONDecoder().decode([Case].self, from: Vectors.data("preprocessing.json"))
        XCTAssertGreaterThan(cases.count, 50)
        for found in cases {
            let image = Pixels(width: found.width, height: found.height, rgb: [UInt8](found.rgb))
            let resize = Manifest.Resize(
                crop: found.rule == "crop", interpolation: try XCTUnwrap(Interpolation(rawValue: found.interpolation)),
                coverHeight: found.cover[0], coverWidth: found.cover[1])
            let preprocessor = Preprocessor(
                model: Manifest.Model(name: "m", outputs: 1, height: found.size[0], width: found.size[1]),
                input: Manifest.Input(
                    name: "image", bytes: false, order: try XCTUnwrap(ChannelOrder(rawValue: found.order)),
                    scale: 1 / 255, mean: found.mean, std: found.std, resize: resize))
            let tensor = preprocessor.tensor(preprocessor.resize(image))
            let expected = found.tensor.withUnsafeBytes { raw in
                stride(from: 0, to: raw.count, by: 4).map {
                    Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
                }
            }
            XCTAssertEqual(tensor.count, expected.count)
            let worst = zip(tensor, expected).map { abs($0 - $1) }.max() ?? 0
            XCTAssertLessThanOrEqual(worst, 1e-6, "\(found.rule) \(found.width)x\(found.height)")
        }
    }
}
