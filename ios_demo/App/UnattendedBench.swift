import Foundation
import MobileViTKit
import SwiftUI

/// Measures what was asked for, tells the result on standard output, and ends the app: for
/// `mobilevit-bench device ios`, which waits for that.
struct UnattendedBenchView: View {
    @ObservedObject var library: Library
    @ObservedObject var model: BenchModel

    var body: some View {
        VStack {
            ProgressView()
            Text(model.status)
            ForEach(model.lines) { BenchLineView(line: $0) }
        }
        .task { await measure() }
    }

    private func measure() async {
        do {
            guard let request = try BenchRequest.of(environment: ProcessInfo.processInfo.environment) else { return }
            await library.reload()
            let bundles = try request.bundles.map { name in
                guard let found = library.entries.first(where: { $0.id == name }) else {
                    throw BundleError("the app has no bundle called \(name.prefix(100))")
                }
                return found.bundle
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
