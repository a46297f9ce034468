import Foundation
import XCTest

@testable import MobileViTKit

/// What Python computes, from the folder that the environment's `VECTORS` names.
enum Vectors {
    static func folder(_ variable: String) throws -> URL {
        guard let path = ProcessInfo.processInfo.environment[variable] else {
            throw XCTSkip("\(variable) is not set: run tools/ios/check.py")
        }
        return URL(fileURLWithPath: path)
    }

    static func data(_ name: String) throws -> Data {
        try Data(contentsOf: folder("VECTORS").appendingPathComponent(name))
    }

    static func text(_ name: String) throws -> String {
        String(decoding: try data(name), as: UTF8.self)
    }

    static func manifest() throws -> Manifest { try ManifestReader.read(text("bundle/manifest.json")) }

    static func bundle() throws -> ModelBundle {
        try ModelBundle(folder: folder("VECTORS").appendingPathComponent("bundle"))
    }
}

/// Random numbers that come again.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // The low bits of such a generator have short periods.
        return state ^ (state >> 33)
    }
}
