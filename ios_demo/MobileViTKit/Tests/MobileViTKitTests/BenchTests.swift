import Foundation
import XCTest

@testable import MobileViTKit

/// A device whose clock moves only when something asks the model or sleeps.
private final class PlayedDevice: BenchDevice, @unchecked Sendable {
    var now = 1_000
    var slept: [Int] = []
    var states: () -> DeviceState = { calm() }
    var disturbs: () -> Void = {}
    let disturbing = Interruptions()

    func nanoTime() -> Int { now }
    func utc() -> String { "2026-01-31T12:00:00Z" }
    func state() async -> DeviceState { states() }
    func interruptions() -> [String] { disturbing.take() }

    func sleep(seconds: Int) async throws {
        slept.append(seconds)
        disturbs()
        now += seconds * 1_000_000_000
    }
}

/// A model whose calls take 1, 2, 3, ... microseconds.
private final class PlayedModel: Classifier, @unchecked Sendable {
    private let device: PlayedDevice
    private let answer: [Double]
    private var calls = 0

    init(_ device: PlayedDevice, answer: [Double]) {
        self.device = device
        self.answer = answer
    }

    func prepare(_ image: Pixels) throws -> Pixels { image }

    func run(_ input: Pixels) async throws -> [Double] {
        calls += 1
        device.now += calls * 1_000
        return answer
    }

    func numbers(_ outputs: [Double]) throws -> [Double] { outputs }
}

/// Hears everything, and stops where `stop` says so.
private final class PlayedObserver: BenchObserver, @unchecked Sendable {
    var begun: [Int] = []
    var samples: [Int] = []
    var runs: [Run] = []
    private let stop: (PlayedObserver) -> String?

    init(stop: @escaping (PlayedObserver) -> String? = { _ in nil }) {
        self.stop = stop
    }

    func begins(_ row: String, round: Int) { begun.append(round) }
    func sampled(_ nanoseconds: Int) { samples.append(nanoseconds) }
    func measured(_ run: Run) throws { runs.append(run) }
    func stopReason() -> String? { stop(self) }
}

private func calm() -> DeviceState {
    DeviceState(thermal: .nominal, batteryPercent: 80, charging: false, lowPower: false)
}

final class BenchTests: XCTestCase {
    private let device = PlayedDevice()

    private func plan(warmUp: Int = 2, runs: Int = 3, rounds: Int = 2, coolDown: Int = 7) -> BenchPlan {
        var plan = BenchPlan()
        (plan.warmUp, plan.runs, plan.rounds, plan.coolDown) = (warmUp, runs, rounds, coolDown)
        return plan
    }

    private func right() throws -> [Double] {
        let manifest = try Vectors.manifest()
        var answer = [Double](repeating: -100, count: manifest.model.outputs)
        for expected in manifest.golden.expected { answer[expected.index] = expected.value }
        return answer
    }

    private func job(_ answer: [Double]) throws -> BenchJob<PlayedModel> {
        let device = device
        return BenchJob(bundle: try Vectors.bundle(), units: .all) {
            device.now += 5_000
            return PlayedModel(device, answer: answer)
        }
    }

    private func runner(_ plan: BenchPlan, text: String = "iPhone17,1") -> BenchRunner<PlayedDevice> {
        let told = Run.Device(isSimulator: false, name: Name(text), processor: Name(text), cores: 6, memoryBytes: nil)
        let host = BenchHost(appVersion: text, device: told, system: "iOS", systemVersion: text)
        return BenchRunner(host: host, device: device, plan: plan, runtime: "Core ML", version: text)
    }

    private func keep(_ name: String, _ run: Run) throws {
        let folder = try Vectors.folder("REPORTS")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try LatencyReport(run: run).json().write(to: folder.appendingPathComponent("\(name).json"))
    }

    func testEveryRoundHasAModelOfItsOwnAndWarmUpIsKeptApart() async throws {
        let observer = PlayedObserver()
        let run = try await runner(plan()).run(id: "whole", [job(right()), job(right())], observer: observer)
        XCTAssertEqual(run.rows.map(\.series.count), [2, 2])
        for series in run.rows.flatMap(\.series) {
            XCTAssertEqual(series.warmUpNs, [1_000, 2_000])
            XCTAssertEqual(series.samplesNs, [3_000, 4_000, 5_000])
        }
        XCTAssertEqual(run.rows[0].coldStarts, [ColdStart(loadNs: 5_000, firstInferenceNs: 1_000)])
        XCTAssertEqual(device.slept, [7, 7, 7])
        XCTAssertEqual(observer.begun, [1, 2, 1, 2])
        XCTAssertEqual(observer.samples, run.rows.flatMap(\.series).flatMap(\.samplesNs))
        XCTAssertEqual(observer.runs.map(\.rows.count), [1, 2])
        try keep("whole", run)
    }

    func testAModelThatAnswersWronglyHasAReasonAndNoLatency() async throws {
        let jobs = [try job(right().map { $0 + 1 }), try job(right())]
        let run = try await runner(plan()).run(id: "wrong", jobs, observer: PlayedObserver())
        XCTAssertTrue(run.rows[0].notRun?.text.contains("self-test") == true)
        XCTAssertTrue(run.rows[0].series.isEmpty)
        XCTAssertEqual(run.rows[1].series.count, 2)
        try keep("wrong", run)
    }

    func testStoppingKeepsWhatThereIs() async throws {
        let observer = PlayedObserver { $0.samples.count >= 5 ? "the screen was left" : nil }
        let run = try await runner(plan()).run(id: "stopped", [job(right()), job(right())], observer: observer)
        // In the middle of a round too: nobody waits for thousands of calls.
        XCTAssertEqual(run.rows.map { $0.series.map(\.samplesNs.count) }, [[3, 2]])
        XCTAssertEqual(run.flags, [Flag(kind: .interrupted, reason: "the screen was left")])
        try keep("stopped", run)
    }

    func testOneThatIsStoppedBeforeASampleSaysSo() async throws {
        let observer = PlayedObserver { $0.begun.isEmpty ? nil : "stopped by the user" }
        let run = try await runner(plan()).run(id: "early", [job(right())], observer: observer)
        XCTAssertEqual(run.rows.map(\.notRun?.text), ["stopped by the user"])
        try keep("early", run)
    }

    func testWhatDisturbsARoundIsInItsFlagsAndWhatDisturbsAPauseIsNot() async throws {
        let device = device
        device.disturbs = { device.disturbing.once("a call in the pause") }
        let observer = PlayedObserver { observer in
            if observer.samples.count == 4 { device.disturbing.once("the app was in the background") }
            return nil
        }
        let run = try await runner(plan(rounds: 3)).run(id: "disturbed", [job(right())], observer: observer)
        XCTAssertEqual(
            run.rows[0].series.map { $0.flags.map(\.reason.text) }, [[], ["the app was in the background"], []])
        try keep("disturbed", run)
    }

    func testAClockTooCoarseGivesNoZero() async throws {
        let device = device
        let answer = try right()
        let still = BenchJob(bundle: try Vectors.bundle(), units: .cpu) { Still(answer: answer) }
        let run = try await runner(plan()).run(id: "still", [still], observer: PlayedObserver())
        XCTAssertEqual(Set(run.rows[0].series.flatMap(\.samplesNs)), [1])
        XCTAssertEqual(device.slept.count, 1)
    }

    func testHeatAndLowPowerAreReasonsToDoubt() {
        let hot = DeviceState(thermal: .serious, batteryPercent: nil, charging: nil, lowPower: true)
        XCTAssertEqual(doubts(calm(), hot).map(\.kind), [.throttled, .lowPower])
        XCTAssertEqual(doubts(calm(), hot)[0].reason.text, "thermal state nominal -> serious")
        let silent = DeviceState(thermal: nil, batteryPercent: nil, charging: nil, lowPower: nil)
        XCTAssertEqual(doubts(calm(), calm()) + doubts(silent, silent), [])
    }

    func testAPlanOutOfRangeIsRefusedInWords() throws {
        try BenchPlan().check()
        for bad in [plan(warmUp: 0), plan(runs: 0), plan(rounds: 101), plan(coolDown: -1)] {
            XCTAssertThrowsError(try bad.check()) { XCTAssertTrue("\($0)".contains("it must be")) }
        }
    }

    func testTheEnvironmentAsksForAMeasurement() throws {
        XCTAssertNil(try BenchRequest.of(environment: ["HOME": "/"]))
        let asked = try XCTUnwrap(
            BenchRequest.of(environment: [
                "BENCH_BUNDLES": "a,b", "BENCH_REPORT": "x-1", "BENCH_UNITS": "cpu,cpu_and_npu", "BENCH_RUNS": "7",
            ]))
        XCTAssertEqual(asked.bundles, ["a", "b"])
        XCTAssertEqual(asked.units, [.cpu, .cpuAndNeuralEngine])
        XCTAssertEqual([asked.plan.runs, asked.plan.warmUp], [7, 10])
        for (name, value) in [
            ("BENCH_REPORT", "../x"), ("BENCH_REPORT", ""), ("BENCH_RUNS", "many"), ("BENCH_RUNS", "0"),
            ("BENCH_UNITS", "tpu"),
        ] {
            var wrong = ["BENCH_BUNDLES": "a", "BENCH_REPORT": "x"]
            wrong[name] = value
            XCTAssertThrowsError(try BenchRequest.of(environment: wrong), "\(name) \(value)")
        }
    }

    func testWhateverADeviceSaysOfItselfPythonReadsIt() async throws {
        let texts = [
            "", " ", "a\nb\u{1b}[31m", "\u{0}", "\"\\", "ü 手机 \u{85}", String(repeating: "x", count: 5000), "</script>",
            String(repeating: "👨‍👩‍👧‍👦", count: 200),
        ]
        var random = Generator(state: 2)
        for number in 0..<40 {
            device.states = {
                func maybe<T>(_ value: T) -> T? { Bool.random(using: &random) ? value : nil }
                return DeviceState(
                    thermal: maybe(ThermalState.allCases.randomElement(using: &random) ?? .fair),
                    batteryPercent: maybe(Double.random(in: 0...100, using: &random)), charging: maybe(true),
                    lowPower: maybe(false))
            }
            let text = texts[number % texts.count]
            let run = try await runner(plan(), text: text)
                .run(id: "any\(number)", [job(right())], observer: PlayedObserver())
            try keep("any\(number)", run)
        }
    }
}

private struct Still: Classifier {
    let answer: [Double]

    func prepare(_ image: Pixels) throws -> Pixels { image }

    func run(_ input: Pixels) async throws -> [Double] { answer }

    func numbers(_ outputs: [Double]) throws -> [Double] { outputs }
}
