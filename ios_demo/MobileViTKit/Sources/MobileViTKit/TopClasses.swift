import Foundation

/// One class of an answer.
public struct ClassScore: Equatable, Sendable {
    public let index: Int
    public let label: String
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

    /// What `scores` make of a model's outputs.
    public static func probabilities(_ outputs: [Double], _ scores: Scores) -> [Double] {
        switch scores {
        case .probabilities: return outputs
        case .logits: return softmax(outputs)
        case .independentLogits: return outputs.map(sigmoid)
        case .features, .ofAHead: preconditionFailure("features are no classes")
        }
    }

    /// The `count` best classes, best first; equal ones in the order of their indices.
    public static func of(_ probabilities: [Double], labels: [String], count: Int) -> [ClassScore] {
        precondition(probabilities.count == labels.count, "\(probabilities.count) for \(labels.count) labels")
        return probabilities.indices
            .sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }
            .prefix(count)
            .map { ClassScore(index: $0, label: labels[$0], probability: probabilities[$0]) }
    }
}
