import Foundation

/// What an app needs of a bundle's `manifest.json`; `bundle.v2.json` is the definition.
public struct Manifest: Equatable, Sendable {
    /// `outputs`: of a classifier, or the classes of a head; `height` and `width` are the image size in pixels.
    public struct Model: Equatable, Sendable {
        public let name: String
        public let outputs: Int
        public let height: Int
        public let width: Int
    }

    /// `bytes`: uint8 NHWC pixels as they are; otherwise float32 NCHW, (pixel * `scale` - `mean`) / `std`,
    /// with channels in `order`.
    public struct Input: Equatable, Sendable {
        public let name: String
        public let bytes: Bool
        public let order: ChannelOrder
        public let scale: Double
        public let mean: [Double]
        public let std: [Double]
        public let resize: Resize
    }

    /// `coverHeight` and `coverWidth`: what a cropped image is scaled to cover first.
    public struct Resize: Equatable, Sendable {
        public let crop: Bool
        public let interpolation: Interpolation
        public let coverHeight: Int
        public let coverWidth: Int
    }

    /// `count`: numbers of one image's answer; `scores`: what those of a classifier are.
    public struct Output: Equatable, Sendable {
        public let name: String
        public let count: Int
        public let scores: Scores
    }

    /// A tiny RGB image of `rows` x `columns`, and what it must give: the best classes, or some numbers of a head.
    public struct Golden: Equatable, Sendable {
        public let rows: Int
        public let columns: Int
        public let pixels: [UInt8]
        public let expected: [Expected]
        public let tolerance: Double
    }

    public struct Expected: Equatable, Sendable {
        public let index: Int
        public let label: String
        public let value: Double
    }

    public struct BundleFile: Equatable, Sendable {
        public let path: String
        public let bytes: Int
        public let sha256: String
    }

    public let model: Model
    public let target: String
    public let precision: String
    /// `MLModelConfiguration.computeUnits` to begin with; nil for other targets than Core ML.
    public let computeUnits: String?
    public let input: Input
    public let output: Output
    public let head: Head?
    public let labelCount: Int
    public let golden: Golden
    public let files: [BundleFile]

    public static let fileName = "manifest.json"
    public static let labelsName = "labels.txt"
    public static let modelPrefix = "model."
    public static let maxBytes = 4 * 1024 * 1024

    /// Of the model's files.
    public var modelBytes: Int {
        files.filter { $0.path.hasPrefix(Manifest.modelPrefix) }.map(\.bytes).reduce(0, +)
    }

    /// The model's file, or the folder of a Core ML package, relative to the bundle.
    public var modelPath: String {
        let first = files.first { $0.path.hasPrefix(Manifest.modelPrefix) }?.path ?? ""
        return String(first.prefix { $0 != "/" })
    }
}

/// Of an input. Photos have no alpha: theirs is 255.
public enum ChannelOrder: String, CaseIterable, Sendable {
    case rgb = "RGB"
    case bgr = "BGR"
    case gray = "GRAY"
    case rgba = "RGBA"

    public var channels: Int {
        switch self {
        case .rgb, .bgr: return 3
        case .gray: return 1
        case .rgba: return 4
        }
    }
}

/// What outputs are: probabilities, logits of one class of many, logits of each class by itself, or no classes but
/// features or what a head says.
public enum Scores: Sendable {
    case probabilities
    case logits
    case independentLogits
    case features
    case ofAHead
}

public enum Interpolation: String, Sendable {
    case bilinear
    case bicubic
}
