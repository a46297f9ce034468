import Foundation

/// A loaded model. One call at a time.
public protocol Classifier: Sendable {
    associatedtype Prepared: Sendable
    associatedtype Outputs: Sendable

    /// What must be made of `image`, of the model's size, before the model is asked: no part of a
    /// latency.
    func prepare(_ image: Pixels) throws -> Prepared

    /// One inference, and nothing else.
    func run(_ input: Prepared) async throws -> Outputs

    /// The outputs of one image as numbers: no part of a latency either.
    func numbers(_ outputs: Outputs) throws -> [Double]
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
public protocol BenchDevice: Sendable {
    /// Nanoseconds of a clock that never goes back.
    func nanoTime() -> Int
    /// UTC, such as `2026-01-31T12:00:00Z`.
    func utc() -> String
    func state() async -> DeviceState
    func sleep(seconds: Int) async throws
    /// What has disturbed the app since this was asked last, or still does, in words.
    func interruptions() -> [String]
}

/// Hears how a measurement goes.
public protocol BenchObserver: Sendable {
    /// A round of a row begins, the first with number 1.
    func begins(_ row: String, round: Int)
    /// A sample in nanoseconds, between two calls of the model: it must return at once.
    func sampled(_ nanoseconds: Int)
    /// All that was measured so far, after each row.
    func measured(_ run: Run) throws
    /// Why to end now, in words; nil to go on. What was measured until then stays.
    func stopReason() -> String?
}

/// What a report says of the app and the device that it ran on.
public struct BenchHost: Sendable {
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
public struct BenchJob<Model: Classifier>: Sendable {
    let bundle: ModelBundle
    let units: ComputeUnit
    let load: @Sendable () async throws -> Model

    public init(bundle: ModelBundle, units: ComputeUnit, load: @escaping @Sendable () async throws -> Model) {
        self.bundle = bundle
        self.units = units
        self.load = load
    }
}

/// Measures jobs one after the other, and makes the report's run of them.
public struct BenchRunner<Device: BenchDevice>: Sendable {
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
    public func run<Model: Classifier>(
        id: String, _ jobs: [BenchJob<Model>], observer: some BenchObserver
    ) async throws -> Run {
        try plan.check()
        let created = device.utc()
        var rows: [LatencyRow] = []
        for (number, job) in jobs.enumerated() {
            if number > 0 { try await device.sleep(seconds: plan.coolDown) }
            if observer.stopReason() != nil { break }
            let name = "\(number) \(job.bundle.name) \(job.units.rawValue)"
            rows.append(try await row(name, job, observer))
            try observer.measured(whole(id, created, rows, observer))
        }
        return whole(id, created, rows, observer)
    }

    private func whole(_ id: String, _ created: String, _ rows: [LatencyRow], _ observer: some BenchObserver) -> Run {
        Run(
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
            flags: observer.stopReason().map { [Flag(kind: .interrupted, reason: Name($0))] } ?? [],
            rows: rows
        )
    }

    private func row<Model: Classifier>(
        _ name: String, _ job: BenchJob<Model>, _ observer: some BenchObserver
    ) async throws -> LatencyRow {
        var notRun: Name?
        var coldStart: ColdStart?
        var series: [Series] = []
        do {
            let image = SelfTest.image(job.bundle.manifest)
            for round in 0..<plan.rounds {
                if round > 0 { try await device.sleep(seconds: plan.coolDown) }
                if observer.stopReason() != nil { break }
                observer.begins(name, round: round + 1)
                // What happened during the pause disturbs no sample.
                _ = device.interruptions()
                let start = device.nanoTime()
                let model = try await job.load()
                let loaded = elapsed(since: start)
                let (measured, outputs) = try await self.round(round, model, model.prepare(image), observer)
                if coldStart == nil, let first = measured.warmUpNs.first {
                    coldStart = ColdStart(loadNs: loaded, firstInferenceNs: first)
                }
                guard let outputs, !measured.samplesNs.isEmpty else { break }
                // A model that answers wrongly has no latency.
                let numbers = try model.numbers(outputs)
                if let failure = SelfTest.failure(job.bundle.manifest, outputs: numbers) { throw BundleError(failure) }
                series.append(measured)
            }
            if series.isEmpty { throw BundleError(observer.stopReason() ?? "there is no sample") }
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

    /// Fewer samples than planned if it is stopped, and no outputs if it is before the first call.
    private func round<Model: Classifier>(
        _ number: Int, _ model: Model, _ input: Model.Prepared, _ observer: some BenchObserver
    ) async throws -> (Series, Model.Outputs?) {
        let started = device.utc()
        let before = await device.state()
        var warmUp: [Int] = []
        var samples: [Int] = []
        var outputs: Model.Outputs?
        for call in 0..<(plan.warmUp + plan.runs) where observer.stopReason() == nil {
            let start = device.nanoTime()
            outputs = try await model.run(input)
            let time = elapsed(since: start)
            if call < plan.warmUp {
                warmUp.append(time)
            } else {
                samples.append(time)
                observer.sampled(time)
            }
        }
        let after = await device.state()
        let disturbed = device.interruptions().map { Flag(kind: .interrupted, reason: Name($0)) }
        let series = Series(
            process: number, group: nil, started: started, warmUpNs: warmUp, samplesNs: samples, threads: nil,
            affinity: nil, involuntarySwitches: nil, before: before, after: after,
            flags: doubts(before, after) + disturbed)
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
