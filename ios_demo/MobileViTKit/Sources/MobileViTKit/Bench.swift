import Foundation

/// A loaded model. One call at a time.
public protocol Classifier {
    associatedtype Prepared

    /// What must be made of `image`, of the model's size, before the model is asked: no part of a
    /// latency.
    func prepare(_ image: Pixels) throws -> Prepared

    /// One inference.
    func run(_ input: Prepared) async throws -> [Double]
}

/// `rounds` rounds of `warmUp` calls that do not count and `runs` that do, `coolDown` seconds between.
public struct BenchPlan: Equatable, Sendable {
    public var warmUp = 10
    public var runs = 100
    public var rounds = 3
    public var coolDown = 10

    public init() {}

    /// - Throws: `BundleError` if a number is out of range; plans come from launch arguments too.
    public func check() throws {
        // The first call is the cold start: it never counts as a sample.
        let limits = [
            ("warm-up", warmUp, 1...10_000), ("runs", runs, 1...100_000), ("rounds", rounds, 1...100),
            ("cool-down", coolDown, 0...600),
        ]
        for (name, value, range) in limits where !range.contains(value) {
            throw BundleError("\(name) is \(value); it must be \(range.lowerBound) to \(range.upperBound)")
        }
    }
}

/// What a measurement needs of the device; tests play one.
public protocol BenchDevice {
    /// Nanoseconds of a clock that never goes back.
    func nanoTime() -> Int
    /// UTC, such as `2026-01-31T12:00:00Z`.
    func utc() -> String
    func state() -> DeviceState
    func sleep(seconds: Int) async throws
}

/// What a report says of the app and the device that it ran on.
public struct BenchHost {
    let tool: Run.Versioned
    let device: Run.Device
    let system: Run.Versioned

    public init(appVersion: String, device: Run.Device, system: String, systemVersion: String) {
        tool = Run.Versioned(name: "mobilevit-edge ios", version: Name(appVersion))
        self.device = device
        self.system = Run.Versioned(name: Name(system), version: Name(systemVersion))
    }
}

/// One thing to measure: a bundle, where, and how it is loaded.
public struct BenchJob<Model: Classifier> {
    let bundle: ModelBundle
    let units: ComputeUnit
    let load: () async throws -> Model

    public init(bundle: ModelBundle, units: ComputeUnit, load: @escaping () async throws -> Model) {
        self.bundle = bundle
        self.units = units
        self.load = load
    }
}

/// Measures jobs one after the other, and makes the report's run of them.
public struct BenchRunner<Device: BenchDevice> {
    private let host: BenchHost
    private let device: Device
    private let plan: BenchPlan
    private let runtime: Run.Versioned

    public init(host: BenchHost, device: Device, plan: BenchPlan, runtime: String, version: String) {
        self.host = host
        self.device = device
        self.plan = plan
        self.runtime = Run.Versioned(name: Name(runtime), version: Name(version))
    }

    /// A row for every job; one that cannot be loaded, or fails its self-test, says so in its row.
    ///
    /// `progress` hears the row's name and the number of its rounds that have ended; answering false
    /// stops, and what was measured until then stays.
    public func run<Model: Classifier>(
        id: String, _ jobs: [BenchJob<Model>], progress: (String, Int) async -> Bool
    ) async throws -> Run {
        try plan.check()
        let created = device.utc()
        var rows: [LatencyRow] = []
        var stopped = false
        for (number, job) in jobs.enumerated() where !stopped {
            if number > 0 { try await device.sleep(seconds: plan.coolDown) }
            let name = "\(number) \(job.bundle.name) \(job.units.rawValue)"
            rows.append(
                try await row(name, job) { round in
                    let goOn = await progress(name, round)
                    if !goOn { stopped = true }
                    return goOn
                })
        }
        return Run(
            id: Name(id),
            tool: host.tool,
            created: created,
            device: host.device,
            system: host.system,
            versions: [runtime.name.text: runtime.version],
            affinity: Run.Affinity(asked: nil, inEffect: nil),
            protocol: Run.Plan(
                processes: plan.rounds, seconds: nil, warmUp: plan.warmUp, seed: nil, maxNoise: nil, digest: nil),
            calm: nil,
            flags: stopped ? [Flag(kind: .interrupted, reason: "stopped by the user")] : [],
            rows: rows
        )
    }

    private func row<Model: Classifier>(
        _ name: String, _ job: BenchJob<Model>, progress: (Int) async -> Bool
    ) async throws -> LatencyRow {
        var notRun: Name?
        var coldStart: ColdStart?
        var series: [Series] = []
        do {
            let image = SelfTest.image(job.bundle.manifest)
            for round in 0..<plan.rounds {
                if round > 0 { try await device.sleep(seconds: plan.coolDown) }
                let start = device.nanoTime()
                let model = try await job.load()
                let loaded = elapsed(since: start)
                let input = try model.prepare(image)
                let (measured, outputs) = try await self.round(round, model, input)
                if coldStart == nil { coldStart = ColdStart(loadNs: loaded, firstInferenceNs: measured.warmUpNs[0]) }
                // A model that answers wrongly has no latency.
                if let failure = SelfTest.failure(job.bundle.manifest, outputs: outputs) { throw BundleError(failure) }
                series.append(measured)
                if await !progress(round + 1) { break }
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            (notRun, coldStart, series) = (Name(error.localizedDescription), nil, [])
        }
        return LatencyRow(
            id: Name(name),
            subject: Subject(job.bundle.manifest, attributes: ["compute units": Name(job.units.rawValue)]),
            runtime: LatencyRow.Runtime(name: runtime.name, version: runtime.version),
            computeUnit: job.units,
            threads: nil,
            limitRow: nil,
            notRun: notRun,
            coldStarts: coldStart.map { [$0] } ?? [],
            series: series,
            profile: nil
        )
    }

    private func round<Model: Classifier>(
        _ number: Int, _ model: Model, _ input: Model.Prepared
    ) async throws -> (Series, [Double]) {
        let started = device.utc()
        let before = device.state()
        var warmUp: [Int] = []
        var samples: [Int] = []
        var outputs: [Double] = []
        for call in 0..<(plan.warmUp + plan.runs) {
            let start = device.nanoTime()
            outputs = try await model.run(input)
            let time = elapsed(since: start)
            if call < plan.warmUp { warmUp.append(time) } else { samples.append(time) }
        }
        let after = device.state()
        let series = Series(
            process: number, group: nil, started: started, warmUpNs: warmUp, samplesNs: samples, threads: nil,
            affinity: nil, involuntarySwitches: nil, before: before, after: after, flags: doubts(before, after))
        return (series, outputs)
    }

    /// A clock too coarse for the model would give zero, which no report may hold.
    private func elapsed(since start: Int) -> Int { max(1, device.nanoTime() - start) }
}

/// Why the figures between two states may be wrong.
func doubts(_ before: DeviceState, _ after: DeviceState) -> [Flag] {
    var flags: [Flag] = []
    let states = [before.thermal, after.thermal]
    if states.contains(.serious) || states.contains(.critical) {
        let path = states.map { $0?.rawValue ?? "unknown" }.joined(separator: " -> ")
        flags.append(Flag(kind: .throttled, reason: Name("thermal state \(path)")))
    }
    if before.lowPower == true || after.lowPower == true {
        flags.append(Flag(kind: .lowPower, reason: "low power mode is on"))
    }
    return flags
}
