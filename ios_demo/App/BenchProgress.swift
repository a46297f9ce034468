import Foundation
import MobileViTKit

/// What a measurement has come to: written while it runs, read by the screen.
final class BenchProgress: BenchObserver, @unchecked Sendable {
    private let lock = NSLock()
    private let store: ReportStore
    private let name: String
    private var row = ""
    private var round = 0
    private var samples: [Int] = []
    private var run: Run?
    private var stop: String?

    /// - Parameter name: the report's; what was measured is kept under it in `store`.
    init(store: ReportStore, name: String) {
        self.store = store
        self.name = name
    }

    func begins(_ row: String, round: Int) {
        lock.withLock { (self.row, self.round, samples) = (row, round, []) }
    }

    func sampled(_ nanoseconds: Int) {
        lock.withLock { samples.append(nanoseconds) }
    }

    func measured(_ run: Run) throws {
        lock.withLock { self.run = run }
        // A full storage does not end a measurement: the figures are on the screen, and the end says why there is
        // no report.
        try? store.keep(name, run)
    }

    func stopReason() -> String? { lock.withLock { stop } }

    /// End after the call that is under way.
    func end(because reason: String) {
        lock.withLock { stop = stop ?? reason }
    }

    /// The row and round under way, its samples, and what is measured already.
    func now() -> (row: String, round: Int, samples: [Int], run: Run?) {
        lock.withLock { (row, round, samples, run) }
    }
}
