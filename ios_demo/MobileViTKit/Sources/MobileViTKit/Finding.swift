import Foundation

/// What a model says of one image.
public enum Finding: Sendable {
    /// Probabilities of all classes.
    case classes([Double])
    /// The class of each pixel.
    case regions(Mask)
    /// Objects in an image of a size, the surest first.
    case objects(width: Int, height: Int, boxes: [DetectedBox])
}

/// A line beside an image: a class, and in which color it is drawn over the image; nil if it is not.
public struct LegendRow: Equatable, Sendable {
    public let score: ClassScore
    public let color: ClassColor?
}

/// What is drawn over an image whose proportions are `width` to `height`: a mask's pixels as red, green, blue and alpha,
/// or boxes.
public struct Overlay: Equatable, Sendable {
    public struct Box: Equatable, Sendable {
        public let box: DetectedBox
        public let color: ClassColor
    }

    /// The least probability of a box that is drawn: hundreds of unlikely ones would hide the image.
    static let sure = 0.3
    /// Of boxes that are drawn.
    static let most = 100

    public let width: Int
    public let height: Int
    public let mask: [UInt8]?
    public let boxes: [Box]
}

/// What a screen shows of a `Finding`: lines of text, and what is drawn over the image.
public struct Shown: Equatable, Sendable {
    public let rows: [LegendRow]
    public let overlay: Overlay?

    public static let nothing = Shown(rows: [], overlay: nil)
}

/// Makes of a bundle's outputs what a screen shows.
public struct Interpreter: Sendable {
    /// Of a photo's mask, as in Python.
    public static let photoSide = 1024
    /// Of the mask of a camera's frame, which is made many times a second.
    public static let frameSide = 256

    private let manifest: Manifest
    private let labels: [String]
    private let dense: DenseAnswers

    public init(_ manifest: Manifest, labels: [String]) {
        (self.manifest, self.labels) = (manifest, labels)
        dense = DenseAnswers(manifest, labels: labels)
    }

    /// What `outputs` say of an image of `width` x `height`; a mask's longer side is at most `mostSide`.
    ///
    /// - Throws: `BundleError` if they are other than so many finite numbers, or no classes.
    public func finding(_ outputs: [Double], width: Int, height: Int, mostSide: Int) throws -> Finding {
        let count = manifest.output.count
        guard outputs.count == count, outputs.allSatisfy(\.isFinite) else {
            throw BundleError("the model's answer to this image is no list of \(count) finite numbers")
        }
        switch manifest.head {
        case nil: return .classes(TopClasses.probabilities(outputs, manifest.output.scores))
        case .masks(let head):
            let mask = try dense.mask(
                head, outputs.map(Float.init), width: width, height: height, mostSide: mostSide)
            return .regions(mask)
        case .boxes(let head):
            let boxes = dense.boxes(head, outputs.map(Float.init), width: width, height: height)
            return .objects(width: width, height: height, boxes: boxes)
        }
    }

    /// At most `rows` lines, best first, and what lies over the image.
    public func show(_ finding: Finding, rows: Int) -> Shown {
        let colors = manifest.head?.colors ?? []
        func legend(_ scores: some Sequence<ClassScore>) -> [LegendRow] {
            scores.prefix(rows).map {
                LegendRow(score: $0, color: colors.indices.contains($0.index) ? colors[$0.index] : nil)
            }
        }
        switch finding {
        case .classes(let probabilities):
            return Shown(rows: legend(TopClasses.of(probabilities, labels: labels, count: rows)), overlay: nil)
        case .regions(let mask):
            let overlay = Overlay(width: mask.width, height: mask.height, mask: mask.rgba(colors), boxes: [])
            return Shown(rows: legend(mask.shares(labels)), overlay: overlay)
        case .objects(let width, let height, let boxes):
            let drawn = boxes.filter { $0.probability >= Overlay.sure }.prefix(Overlay.most)
            var named = Set<Int>()
            let surest = drawn.filter { named.insert($0.index).inserted }
                .map { ClassScore(index: $0.index, label: $0.label, probability: $0.probability) }
            let colored = drawn.map { Overlay.Box(box: $0, color: colors[$0.index]) }
            return Shown(
                rows: legend(surest), overlay: Overlay(width: width, height: height, mask: nil, boxes: colored))
        }
    }
}
