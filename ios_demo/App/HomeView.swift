import MobileViTKit
import PhotosUI
import SwiftUI

/// Choose a model, classify a photo; the way to the camera and to the measurement.
struct HomeView: View {
    @ObservedObject var library: Library
    @State private var item: PhotosPickerItem?
    @State private var answer: Answer?
    @State private var message = ""

    var body: some View {
        NavigationStack {
            List {
                Section("Model") {
                    if library.bundles.isEmpty {
                        Text("No model yet: mobilevit-export --target coreml --ios-resources puts one into the app.")
                    } else {
                        Picker("Model", selection: $library.chosen) {
                            ForEach(library.bundles, id: \.name) { Text($0.name).tag($0.name) }
                        }
                    }
                    ForEach(library.problems, id: \.self) { Text($0) }
                }
                if library.model != nil {
                    Section("Classify") {
                        PhotosPicker("Choose a photo", selection: $item, matching: .images)
                        NavigationLink("Camera") { CameraView(library: library) }
                        if let answer { AnswerView(answer: answer) }
                        if !message.isEmpty { Text(message) }
                    }
                    Section("Measure") {
                        NavigationLink("Latency") { BenchView(library: library) }
                    }
                }
            }
            .navigationTitle("MobileViT Edge")
        }
        .task(id: item) { await classify() }
    }

    private func classify() async {
        guard let item, let bundle = library.model else { return }
        (answer, message) = (nil, "Working …")
        do {
            guard let data = try await item.loadTransferable(type: Data.self) else {
                throw BundleError("the photo is gone")
            }
            let recognizer = try await Recognizer(bundle, cache: library.cache)
            answer = try await recognizer.recognize(PhotoReader.read(data))
            message = ""
        } catch {
            message = error.localizedDescription
        }
    }
}
