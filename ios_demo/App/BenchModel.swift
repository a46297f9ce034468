import Foundation
import MobileViTCoreML
import MobileViTKit
import SwiftUI

/// Measures bundles and keeps the report.
@MainActor
final class BenchModel: ObservableObject {
    @Published private(set) var lines: [String] = []
    @Published private(set) var report: URL?
    @Published private(set) var running = false
    private var stopped = false

    func stop() { stopped = true }

    /// - Throws: `BundleError` if nothing can be measured or the report cannot be written.
    func measure(_ bundles: [ModelBundle], on units: [ComputeUnit], plan: BenchPlan, name: String, cache: ModelCache)
        async throws
    {
        guard !running else { throw BundleError("another measurement is under way") }
        (running, stopped, report, lines) = (true, false, nil, ["Working …"])
        defer { running = false }
        let jobs = bundles.flatMap { bundle in
            units.map { units in
                BenchJob(bundle: bundle, units: units) {
                    try await CoreMLClassifier.load(bundle, on: units, cache: cache)
                }
            }
        }
        let version = ProcessInfo.processInfo.operatingSystemVersionString
        let runner = BenchRunner(
            host: PhoneDevice.host(), device: PhoneDevice(), plan: plan, runtime: "Core ML", version: version)
        let run = try await runner.run(id: UUID().uuidString, jobs) { row, round in
            self.show("\(row): round \(round) of \(plan.rounds)")
        }
        report = try write(run, name)
        lines = run.rows.map(line)
        for bundle in bundles {
            for units in units {
                if let placed = try await Placement.of(bundle, on: units, cache: cache) {
                    lines.append(
                        "\(bundle.name) \(units.rawValue): \(placed.neuralEngine) operators on the Neural Engine, "
                            + "\(placed.gpu) on the GPU, \(placed.cpu) on the CPU")
                }
            }
        }
    }

    private func show(_ line: String) -> Bool {
        lines = [line]
        return !stopped
    }

    private func write(_ run: Run, _ name: String) throws -> URL {
        let documents = FileManager.default.urls(for: .documentDirectory, in: .userDomainMask)[0]
        let folder = documents.appendingPathComponent("reports")
        let file = folder.appendingPathComponent("\(name).json")
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            // In one step: whoever finds the file finds it whole.
            try LatencyReport(run: run).json().write(to: file, options: .atomic)
        } catch {
            throw BundleError("cannot write the report: \(error.localizedDescription)")
        }
        return file
    }

    private func line(_ row: LatencyRow) -> String {
        if let reason = row.notRun { return "\(row.id.text): not measured: \(reason.text)" }
        let samples = row.series.flatMap(\.samplesNs).sorted()
        let flags = Set(row.series.flatMap(\.flags).map(\.reason.text)).sorted()
        let median = String(format: "median %.2f ms", Double(samples[samples.count / 2]) / 1e6)
        let heat = [row.series.first?.before, row.series.last?.after].map { $0?.thermal?.rawValue ?? "?" }
        let thermal = "thermal state \(heat[0]) before, \(heat[1]) after"
        return (["\(row.id.text): \(median), \(thermal)"] + flags).joined(separator: "; ")
    }
}
