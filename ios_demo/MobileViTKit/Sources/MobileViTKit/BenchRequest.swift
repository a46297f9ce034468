import Foundation

/// What the environment asks the app to measure without a touch: `BENCH_BUNDLES`, names with commas
/// between them, `BENCH_REPORT`, the report's name, and, if they are to be others than usual,
/// `BENCH_UNITS`, `BENCH_WARM_UP`, `BENCH_RUNS`, `BENCH_ROUNDS` and `BENCH_COOL_DOWN`.
public struct BenchRequest: Equatable, Sendable {
    private static let mostLetters = 80

    public let bundles: [String]
    public let report: String
    public let units: [ComputeUnit]
    public let plan: BenchPlan

    /// Nil if the environment asks for nothing.
    ///
    /// - Throws: `BundleError` if it asks for what cannot be.
    public static func of(environment: [String: String]) throws -> BenchRequest? {
        guard let names = environment["BENCH_BUNDLES"] else { return nil }
        guard let report = environment["BENCH_REPORT"], isName(report) else {
            throw BundleError("BENCH_REPORT must be a name of letters, digits and -")
        }
        func number(_ name: String, _ usual: Int) throws -> Int {
            guard let text = environment[name] else { return usual }
            guard let value = Int(text) else { throw BundleError("\(name) is no whole number") }
            return value
        }
        func unit(_ name: Substring) throws -> ComputeUnit {
            guard let found = ComputeUnit(rawValue: String(name)) else {
                let known = ComputeUnit.allCases.map(\.rawValue).joined(separator: ", ")
                throw BundleError("BENCH_UNITS knows \(known)")
            }
            return found
        }
        var plan = BenchPlan()
        plan.warmUp = try number("BENCH_WARM_UP", plan.warmUp)
        plan.runs = try number("BENCH_RUNS", plan.runs)
        plan.rounds = try number("BENCH_ROUNDS", plan.rounds)
        plan.coolDown = try number("BENCH_COOL_DOWN", plan.coolDown)
        try plan.check()
        return BenchRequest(
            bundles: names.split(separator: ",").map(String.init), report: report,
            units: try environment["BENCH_UNITS"]?.split(separator: ",").map(unit) ?? ComputeUnit.allCases, plan: plan)
    }

    /// It becomes a file's name.
    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= mostLetters
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == UInt8(ascii: "-")
            }
    }
}
