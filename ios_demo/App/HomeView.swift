import MobileViTKit
import SwiftUI

/// The three screens.
struct HomeView: View {
    @ObservedObject var library: Library
    @ObservedObject var bench: BenchModel

    var body: some View {
        TabView {
            ClassifyView(library: library)
                .tabItem { Label("Classify", systemImage: "photo") }
            MeasureView(library: library, model: bench)
                .tabItem { Label("Measure", systemImage: "timer") }
            ModelsView(library: library)
                .tabItem { Label("Models", systemImage: "square.stack") }
        }
        .task { await library.reload() }
    }
}
