import Foundation

/// A head for masks or boxes: what its answer is, and how that becomes a mask or boxes.
public enum Head: Equatable, Sendable {
    case masks(MaskHead)
    case boxes(BoxHead)

    /// Of each class, by index.
    public var colors: [ClassColor] {
        switch self {
        case .masks(let head): return head.colors
        case .boxes(let head): return head.colors
        }
    }
}

/// A class for each pixel: `height` rows of `width` places, one of which is `stride` pixels of the input wide if they
/// are logits.
public struct MaskHead: Equatable, Sendable {
    public let answer: MaskAnswer
    public let height: Int
    public let width: Int
    public let stride: Int
    public let resize: MaskResize
    public let colors: [ClassColor]
}

/// `rows` boxes with probabilities of all classes, of which `rules` say what remains.
public struct BoxHead: Equatable, Sendable {
    public let rows: Int
    public let rules: DetectionRules
    public let colors: [ClassColor]
}

/// Logits of all classes, of low resolution or of the input's, or the best class of each pixel.
public enum MaskAnswer: String, CaseIterable, Sendable {
    case logits
    case fullLogits = "full-logits"
    case labels
}

/// How logits become a mask of the photo's size: once, bilinearly, with corners or with the centers of pixels aligned;
/// or with centers to the size of the input, and from there to the nearest.
public enum MaskResize: String, CaseIterable, Sendable {
    case aligned
    case halfPixel = "half-pixel"
    case halfPixelNearest = "half-pixel-nearest"
}

/// Which boxes are detections: those of a probability above `score`, of each class the `candidates` best, of which none
/// shares more than `overlap` with a better one; of all classes the `detections` best.
public struct DetectionRules: Equatable, Sendable {
    public let score: Float
    public let candidates: Int
    public let overlap: Double
    public let detections: Int
}

public struct ClassColor: Hashable, Sendable {
    public let red: UInt8
    public let green: UInt8
    public let blue: UInt8

    public init(red: UInt8, green: UInt8, blue: UInt8) {
        (self.red, self.green, self.blue) = (red, green, blue)
    }

    /// Whether dark letters are read better on it than light ones: by WCAG's luminance, with squares for its curve.
    public var isBright: Bool {
        let parts = [red, green, blue].map { Double($0) / 255 }
        return 0.2126 * parts[0] * parts[0] + 0.7152 * parts[1] * parts[1] + 0.0722 * parts[2] * parts[2] > 0.2
    }
}
