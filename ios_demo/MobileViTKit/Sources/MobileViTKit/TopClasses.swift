import Foundation

/// One class of an answer: `value` is the model's output, `probability` its softmax.
public struct ClassScore: Equatable, Sendable {
    public let index: Int
    public let label: String
    public let value: Double
    public let probability: Double
}

public enum TopClasses {
    /// Probabilities of logits; finite for any finite input.
    public static func softmax(_ logits: [Double]) -> [Double] {
        let largest = logits.max() ?? 0
        let exponentials = logits.map { exp($0 - largest) }
        let sum = exponentials.reduce(0, +)
        return exponentials.map { $0 / sum }
    }

    /// The `count` best classes, best first; equal ones in the order of their indices.
    public static func of(_ outputs: [Double], labels: [String], isSoftmax: Bool, count: Int) -> [ClassScore] {
        precondition(outputs.count == labels.count, "\(outputs.count) outputs for \(labels.count) labels")
        let probabilities = isSoftmax ? outputs : softmax(outputs)
        return outputs.indices
            .sorted { (outputs[$1], $0) < (outputs[$0], $1) }
            .prefix(count)
            .map {
                ClassScore(index: $0, label: labels[$0], value: outputs[$0], probability: probabilities[$0])
            }
    }
}
