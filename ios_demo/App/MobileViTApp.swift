import MobileViTKit
import SwiftUI

@main
struct MobileViTApp: App {
    @StateObject private var library = Library()

    var body: some Scene {
        WindowGroup {
            if ProcessInfo.processInfo.environment["BENCH_BUNDLES"] == nil {
                HomeView(library: library)
            } else {
                UnattendedBenchView(library: library)
            }
        }
    }
}
