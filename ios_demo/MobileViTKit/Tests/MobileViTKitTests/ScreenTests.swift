import Foundation
import XCTest

@testable import MobileViTKit

/// What the screens show, without the screens.
final class ScreenTests: XCTestCase {
    func testNamesAreThoseThatTheOtherAppShows() throws {
        let names = try JSONDecoder().decode([String: String].self, from: Vectors.data("names.json"))
        XCTAssertGreaterThan(names.count, 10)
        for (model, shown) in names { XCTAssertEqual(ModelTitle.name(model), shown) }
    }

    func testBelowTheNameStandsWhatTellsModelsApart() throws {
        let manifest = try Vectors.manifest()
        let megabytes = String(format: "%.1f MB", Double(manifest.modelBytes) / 1e6)
        XCTAssertEqual(ModelTitle(manifest).name, "MobileViTv2 0.5")
        XCTAssertEqual(ModelTitle(manifest).detail, "ONNX · fp32 · 64 × 64 · \(megabytes)")
    }

    func testOneFrameOfManyDoesNotChangeTheBestClass() {
        let (cat, dog) = ([1.0, 0.0], [0.0, 1.0])
        var smoother = Smoother()
        for frame in 0..<30 { _ = smoother.add(cat, at: Double(frame) / 30) }
        let seen = smoother.add(dog, at: 1)
        XCTAssertGreaterThan(seen[0], seen[1])
        XCTAssertGreaterThan(smoother.add(cat, at: 31 / 30.0)[0], 0.9)
    }

    func testAnotherPictureTakesAsLongAtAnyRateOfFrames() {
        for rate in [5, 10, 60] {
            var smoother = Smoother()
            _ = smoother.add([1, 0], at: 0)
            var seen: [Double] = []
            for frame in 1...rate { seen = smoother.add([0, 1], at: Double(frame) / Double(rate)) }
            XCTAssertEqual(seen[0], exp(-1 / Smoother.seconds), accuracy: 1e-9)
        }
        // Another model begins anew.
        var smoother = Smoother()
        _ = smoother.add([1, 0], at: 0)
        XCTAssertEqual(smoother.add([0.2, 0.3, 0.5], at: 0.1), [0.2, 0.3, 0.5])
    }

    func testASparklineLosesNoOutlier() {
        XCTAssertEqual(Sparkline.points([10, 15, 20], most: 8), [0, 0.5, 1])
        XCTAssertEqual(Sparkline.points([7, 7], most: 8), [0.5, 0.5])
        XCTAssertEqual(Sparkline.points([], most: 8), [])
        var random = Generator(state: 5)
        for _ in 0..<100 {
            var samples = (0..<Int.random(in: 2...2000, using: &random)).map { 100 + $0 % 20 }
            samples[Int.random(in: 0..<samples.count, using: &random)] = 1000
            let points = Sparkline.points(samples, most: 50)
            XCTAssertEqual(points.count, min(50, samples.count))
            XCTAssertEqual(points.max(), 1)
        }
    }

    func testInterruptionsThatGoOnAreToldEveryTime() {
        let seen = Interruptions()
        seen.begin("in the background")
        seen.once("a call")
        XCTAssertEqual(seen.take(), ["in the background", "a call"])
        XCTAssertEqual(seen.take(), ["in the background"])
        seen.end("in the background")
        XCTAssertEqual(seen.take(), [])
        seen.begin("a call")
        seen.end("a call")
        XCTAssertEqual(seen.take(), ["a call"])
    }

    func testARowShowsTheMedianAndWhereMostSamplesLie() throws {
        let title = ModelTitle(try Vectors.manifest())
        let flag = Flag(kind: .lowPower, reason: "low power mode is on")
        let line = BenchLine(try row((0...10).map { $0 * 1_000_000 }, flags: [flag, flag]), title: title)
        XCTAssertEqual([line.median, line.low, line.high], [5, 1, 9])
        XCTAssertEqual(line.notes, ["The phone was saving energy: low power mode is on."])
        let none = BenchLine(try row([], notRun: "out of memory"), title: title)
        XCTAssertNil(none.median)
        XCTAssertEqual(none.notes, ["out of memory"])
    }

    func testAMeasurementThatSucceededIsNoneThatFailedWhereCoreMLHasNoPlan() async {
        let models = [(title: ModelTitle(name: "a"), model: 1), (title: ModelTitle(name: "b"), model: 2)]
        let notes = await Placement.notes(of: models, on: [.all, .cpu]) { model, unit in
            if model == 2 { throw BundleError("no plan") }
            return unit == .cpu ? nil : Placement(neuralEngine: 3, gpu: 2, cpu: 1)
        }
        XCTAssertEqual(
            notes,
            [
                "a, All: 3 operators on the Neural Engine, 2 on the GPU, 1 on the CPU", "b, All: no plan",
                "b, CPU: no plan",
            ])
    }

    private func row(_ samples: [Int], flags: [Flag] = [], notRun: Name? = nil) throws -> LatencyRow {
        let calm = DeviceState(thermal: .nominal, batteryPercent: 80, charging: false, lowPower: false)
        let series = Series(
            process: 0, group: nil, started: "2026-01-31T12:00:00Z", warmUpNs: [1], samplesNs: samples, threads: nil,
            affinity: nil, involuntarySwitches: nil, before: calm, after: calm, flags: flags)
        return LatencyRow(
            id: "0 a all", subject: Subject(try Vectors.manifest(), attributes: [:]),
            runtime: LatencyRow.Runtime(name: "played", version: nil), computeUnit: .all, threads: nil, limitRow: nil,
            notRun: notRun, coldStarts: [], series: samples.isEmpty ? [] : [series], profile: nil)
    }
}
