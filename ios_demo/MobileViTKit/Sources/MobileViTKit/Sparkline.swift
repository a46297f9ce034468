import Foundation

/// Samples as a line of few points, each from 0, the fastest, to 1, the slowest.
public enum Sparkline {
    /// `samples` in their order, at most `most` points: of neighbors that share a point the slowest is
    /// shown, so that no outlier is lost.
    public static func points(_ samples: [Int], most: Int) -> [Double] {
        precondition(most > 0, "\(most) points")
        guard let low = samples.min(), let high = samples.max() else { return [] }
        let count = min(most, samples.count)
        return (0..<count).map { point in
            let range = (point * samples.count / count)..<((point + 1) * samples.count / count)
            let slowest = samples[range].max() ?? low
            return high == low ? 0.5 : Double(slowest - low) / Double(high - low)
        }
    }
}
