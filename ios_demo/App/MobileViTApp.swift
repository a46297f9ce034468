import MobileViTKit
import SwiftUI

@main
struct MobileViTApp: App {
    @StateObject private var library = Library()
    // Of the app, not of a screen: another tab or a turned phone does not end a measurement.
    @StateObject private var bench = BenchModel()
    @Environment(\.scenePhase) private var phase

    var body: some Scene {
        WindowGroup {
            if ProcessInfo.processInfo.environment["BENCH_BUNDLES"] == nil {
                HomeView(library: library, bench: bench)
            } else {
                UnattendedBenchView(library: library, model: bench)
            }
        }
        .onChange(of: phase) { bench.changed(to: $0) }
    }
}
