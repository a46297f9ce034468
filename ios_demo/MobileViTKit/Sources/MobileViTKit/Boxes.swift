import Foundation

/// An object in an image: corners in pixels of the image, clipped to it.
public struct DetectedBox: Equatable, Sendable {
    public let index: Int
    public let label: String
    public let probability: Double
    public let area: Area
}

/// The detections among many boxes, as `boxes.py` finds them.
enum Boxes {
    /// Corners x1, y1, x2, y2 before the probabilities of a row.
    static let values = 4
    private static let background = 0

    /// A row of the answer, as an object of a class.
    struct Found {
        let row: Int
        let label: Int
        let score: Float
    }

    /// What remains of `outputs`, `[rows, 4 + classes]`: the most probable first.
    static func detect(_ outputs: [Float], classes: Int, _ rules: DetectionRules) -> [Found] {
        let stride = values + classes
        var found: [Found] = []
        for label in (background + 1)..<max(background + 1, classes) {
            let own = (0..<(outputs.count / stride))
                .map { Found(row: $0, label: label, score: outputs[$0 * stride + values + label]) }
                .filter { $0.score > rules.score }
            found += apart(outputs, stride, best(own, rules.candidates), rules.overlap)
        }
        return best(found, rules.detections)
    }

    /// The first `most` by score; equal ones stay in their order.
    private static func best(_ found: [Found], _ most: Int) -> [Found] {
        let order = found.indices.sorted { (found[$1].score, $0) < (found[$0].score, $1) }
        return order.prefix(most).map { found[$0] }
    }

    /// Those of `candidates`, best first, that share no more than `overlap` of their union with a better one that stays.
    private static func apart(_ outputs: [Float], _ stride: Int, _ candidates: [Found], _ overlap: Double) -> [Found] {
        let areas = candidates.map { found in
            let corners = (0..<values).map { Double(outputs[found.row * stride + $0]) }
            return Area(left: corners[0], top: corners[1], right: corners[2], bottom: corners[3])
        }
        var kept: [Int] = []
        for index in candidates.indices
        where kept.allSatisfy({ areas[$0].overlap(with: areas[index]) <= overlap }) { kept.append(index) }
        return kept.map { candidates[$0] }
    }
}
