import Foundation

/// Probabilities of a moving picture, averaged over time: each frame's weight falls by e in `seconds`,
/// however many frames come. A label that is best in one frame of many does not flicker.
public struct Smoother: Sendable {
    /// Long enough for the eye, short enough for a moving hand.
    public static let seconds = 0.4

    private var average: [Double] = []
    private var last = 0.0

    public init() {}

    /// The average with `probabilities` of a frame at a time in seconds in it.
    public mutating func add(_ probabilities: [Double], at now: Double) -> [Double] {
        let kept = average.count == probabilities.count ? exp(-max(0, now - last) / Smoother.seconds) : 0
        let before = kept > 0 ? average : probabilities
        average = zip(before, probabilities).map { kept * $0 + (1 - kept) * $1 }
        last = now
        return average
    }
}
