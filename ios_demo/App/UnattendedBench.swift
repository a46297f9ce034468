import Foundation
import MobileViTKit
import SwiftUI

/// Measures what was asked for, tells the result on standard output, and ends the app: for
/// `mobilevit-bench device ios`, which waits for that.
struct UnattendedBenchView: View {
    @ObservedObject var library: Library
    @StateObject private var model = BenchModel()

    var body: some View {
        VStack {
            ProgressView()
            ForEach(model.lines, id: \.self) { Text($0) }
        }
        .task { await measure() }
    }

    private func measure() async {
        do {
            guard let request = try BenchRequest.of(environment: ProcessInfo.processInfo.environment) else { return }
            let bundles = try request.bundles.map { name in
                guard let found = library.bundles.first(where: { $0.name == name }) else {
                    throw BundleError("the app has no bundle called \(name.prefix(100))")
                }
                return found
            }
            try await model.measure(
                bundles, on: request.units, plan: request.plan, name: request.report, cache: library.cache)
            print("MOBILEVIT-BENCH DONE \(request.report)")
            exit(0)
        } catch {
            print("MOBILEVIT-BENCH FAILED \(error.localizedDescription)")
            exit(1)
        }
    }
}
