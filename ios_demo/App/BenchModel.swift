import Foundation
import MobileViTCoreML
import MobileViTKit
import SwiftUI

/// Measures bundles and keeps the report. It belongs to the app: no screen that goes away ends it.
@MainActor
final class BenchModel: ObservableObject {
    @Published private(set) var status = ""
    @Published private(set) var samples: [Int] = []
    @Published private(set) var lines: [BenchLine] = []
    /// What holds for the whole run: flags, and what runs where.
    @Published private(set) var notes: [String] = []
    @Published private(set) var report: URL?
    @Published private(set) var running = false

    private static let background = "the app was in the background"
    private static let covered = "another screen covered the app, such as a call"
    private static let pollNanoseconds: UInt64 = 500_000_000

    private let interruptions = Interruptions()
    private let store: ReportStore
    private var progress: BenchProgress?

    init() {
        let documents = FileManager.default.urls(for: .documentDirectory, in: .userDomainMask)[0]
        store = ReportStore(folder: documents.appendingPathComponent("reports"))
        if let recovered = store.recover().last {
            report = recovered
            status = "The last measurement was cut short; the report has what was measured."
        }
    }

    func stop() { progress?.end(because: "stopped by the user") }

    /// The app has come to the front or left it: whoever is covered is not left alone by the system.
    func changed(to phase: ScenePhase) {
        interruptions.end(BenchModel.background)
        interruptions.end(BenchModel.covered)
        switch phase {
        case .active: break
        case .inactive: interruptions.begin(BenchModel.covered)
        case .background: interruptions.begin(BenchModel.background)
        @unknown default: break
        }
    }

    func memoryWarning() { interruptions.once("the phone was short of memory") }

    /// - Throws: `BundleError` if nothing can be measured or the report cannot be written.
    func measure(_ bundles: [ModelBundle], on units: [ComputeUnit], plan: BenchPlan, name: String, cache: ModelCache)
        async throws
    {
        guard !running else { throw BundleError("another measurement is under way") }
        let progress = BenchProgress(store: store, name: name)
        (running, report, lines, notes, status) = (true, nil, [], [], "Working …")
        self.progress = progress
        // The phone would lock itself in the first pause.
        UIApplication.shared.isIdleTimerDisabled = true
        let titles = Dictionary(
            bundles.map { ($0.name, ModelTitle($0.manifest)) }, uniquingKeysWith: { first, _ in first })
        let polling = Task { await poll(progress, plan, titles) }
        defer {
            polling.cancel()
            (running, self.progress, samples) = (false, nil, [])
            UIApplication.shared.isIdleTimerDisabled = false
        }
        let jobs = bundles.flatMap { bundle in
            units.map { units in
                BenchJob(bundle: bundle, units: units) {
                    try await CoreMLClassifier.load(bundle, on: units, cache: cache)
                }
            }
        }
        let version = ProcessInfo.processInfo.operatingSystemVersionString
        let runner = BenchRunner(
            host: PhoneDevice.host(), device: PhoneDevice(interruptions: interruptions), plan: plan,
            runtime: "Core ML", version: version)
        do {
            let run = try await runner.run(id: UUID().uuidString, jobs, observer: progress)
            show(run, titles)
            report = try store.finish(name, run)
            status = ""
        } catch {
            status = ""
            throw error
        }
        notes += await Placement.notes(of: bundles.map { (ModelTitle($0.manifest), $0) }, on: units) { bundle, unit in
            try await Placement.of(bundle, on: unit, cache: cache)
        }
    }

    private func poll(_ progress: BenchProgress, _ plan: BenchPlan, _ titles: [String: ModelTitle]) async {
        while !Task.isCancelled {
            let now = progress.now()
            if !now.row.isEmpty { status = "\(now.row): round \(now.round) of \(plan.rounds)" }
            samples = now.samples
            if let run = now.run, run.rows.count != lines.count { show(run, titles) }
            try? await Task.sleep(nanoseconds: BenchModel.pollNanoseconds)
        }
    }

    private func show(_ run: Run, _ titles: [String: ModelTitle]) {
        lines = run.rows.map { row in
            // A row is called by its number, its bundle and its units.
            let name = row.id.text.split(separator: " ").dropFirst().first.map(String.init) ?? ""
            return BenchLine(row, title: titles[name] ?? ModelTitle(name: name))
        }
        notes = run.flags.map(BenchLine.words)
    }
}
