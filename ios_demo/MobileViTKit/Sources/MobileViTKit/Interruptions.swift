import Foundation

/// What disturbs a measurement from outside, such as a call. For several threads at once.
public final class Interruptions: @unchecked Sendable {
    private let lock = NSLock()
    private var ongoing: [String] = []
    private var happened: [String] = []

    public init() {}

    /// Something begins that goes on until `end`.
    public func begin(_ what: String) {
        lock.withLock {
            if !ongoing.contains(what) { ongoing.append(what) }
            if !happened.contains(what) { happened.append(what) }
        }
    }

    public func end(_ what: String) {
        lock.withLock { ongoing.removeAll { $0 == what } }
    }

    /// Something has happened.
    public func once(_ what: String) {
        lock.withLock { if !happened.contains(what) { happened.append(what) } }
    }

    /// What has happened since this was asked last, or still goes on.
    public func take() -> [String] {
        lock.withLock {
            let all = happened + ongoing.filter { !happened.contains($0) }
            happened = []
            return all
        }
    }
}
