import Foundation

/// A row of a report for people. Times in milliseconds, nil where nothing was measured: `median`, and the
/// range from `low` to `high` that eight of ten samples lie in. `notes`: why figures may be wrong, or why
/// there are none.
public struct BenchLine: Equatable, Sendable, Identifiable {
    public let id: String
    public let title: ModelTitle
    public let units: ComputeUnit
    public let median: Double?
    public let low: Double?
    public let high: Double?
    public let samples: [Int]
    public let notes: [String]

    private static let nanoseconds = 1e6

    public init(_ row: LatencyRow, title: ModelTitle) {
        id = row.id.text
        self.title = title
        units = row.computeUnit
        samples = row.series.flatMap(\.samplesNs)
        let sorted = samples.sorted()
        median = BenchLine.quantile(sorted, 0.5)
        low = BenchLine.quantile(sorted, 0.1)
        high = BenchLine.quantile(sorted, 0.9)
        var notes = row.notRun.map { [$0.text] } ?? []
        for note in row.series.flatMap(\.flags).map(BenchLine.words) where !notes.contains(note) { notes.append(note) }
        self.notes = notes
    }

    /// A flag as a sentence.
    public static func words(_ flag: Flag) -> String {
        switch flag.kind {
        case .throttled: return "The phone was hot and may have slowed down: \(flag.reason.text)."
        case .lowPower: return "The phone was saving energy: \(flag.reason.text)."
        case .interrupted: return "The measurement was disturbed: \(flag.reason.text)."
        }
    }

    /// In milliseconds; linear between neighbors, as NumPy's default.
    private static func quantile(_ sorted: [Int], _ part: Double) -> Double? {
        guard !sorted.isEmpty else { return nil }
        let place = part * Double(sorted.count - 1)
        let below = Int(place)
        let above = min(below + 1, sorted.count - 1)
        let value = Double(sorted[below]) + (place - Double(below)) * Double(sorted[above] - sorted[below])
        return value / nanoseconds
    }
}
