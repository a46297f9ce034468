import Foundation

/// Latency reports in a folder that is this store's alone.
public struct ReportStore: Sendable {
    private static let partial = ".partial.json"
    private let folder: URL

    public init(folder: URL) {
        self.folder = folder
    }

    /// Keep what was measured so far: it becomes a report of its own if the app ends before `finish`.
    ///
    /// - Throws: `BundleError` if the storage is full.
    public func keep(_ name: String, _ run: Run) throws {
        let cutShort = Flag(kind: .interrupted, reason: "the app ended before the measurement did")
        try put(run.flagged(cutShort), as: name + ReportStore.partial)
    }

    /// Write the whole report in one step: whoever finds the file finds it whole.
    ///
    /// - Throws: `BundleError` if the storage is full.
    public func finish(_ name: String, _ run: Run) throws -> URL {
        let file = try put(run, as: "\(name).json")
        try? FileManager.default.removeItem(at: folder.appendingPathComponent(name + ReportStore.partial))
        return file
    }

    /// Reports of measurements that the app did not live to finish, made whole ones.
    public func recover() -> [URL] {
        let found = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return found.filter { $0.hasSuffix(ReportStore.partial) }.sorted().compactMap { name in
            let whole = folder.appendingPathComponent("\(name.dropLast(ReportStore.partial.count)).json")
            try? FileManager.default.moveItem(at: folder.appendingPathComponent(name), to: whole)
            return FileManager.default.fileExists(atPath: whole.path) ? whole : nil
        }
    }

    @discardableResult
    private func put(_ run: Run, as name: String) throws -> URL {
        let file = folder.appendingPathComponent(name)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try LatencyReport(run: run).json().write(to: file, options: .atomic)
        } catch {
            throw BundleError("cannot write the report (is the storage full?): \(error.localizedDescription)")
        }
        return file
    }
}
