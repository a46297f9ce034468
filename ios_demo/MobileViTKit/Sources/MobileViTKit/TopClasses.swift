import Foundation

/// One class of an answer: `value` is the model's output, `probability` what `Scores` make of it.
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

    /// The probability of a logit by itself; no exponential overflows.
    public static func sigmoid(_ logit: Double) -> Double {
        let small = exp(-abs(logit))
        return (logit >= 0 ? 1 : small) / (1 + small)
    }

    /// The `count` best classes, best first; equal ones in the order of their indices.
    public static func of(_ outputs: [Double], labels: [String], scores: Scores, count: Int) -> [ClassScore] {
        precondition(outputs.count == labels.count, "\(outputs.count) outputs for \(labels.count) labels")
        let probabilities: [Double]
        switch scores {
        case .probabilities: probabilities = outputs
        case .logits: probabilities = softmax(outputs)
        case .independentLogits: probabilities = outputs.map(sigmoid)
        case .features: preconditionFailure("features are no classes")
        }
        return outputs.indices
            .sorted { (outputs[$1], $0) < (outputs[$0], $1) }
            .prefix(count)
            .map {
                ClassScore(index: $0, label: labels[$0], value: outputs[$0], probability: probabilities[$0])
            }
    }
}
