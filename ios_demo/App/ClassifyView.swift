import MobileViTKit
import PhotosUI
import SwiftUI

/// Classify: choose a model, then a photo or the camera.
struct ClassifyView: View {
    /// What is asked: another model or another photo is another question.
    private struct Question: Equatable {
        let item: PhotosPickerItem?
        let model: String
    }

    private struct Found {
        let rows: [LegendRow]
        let drawing: Drawing?
        let milliseconds: Double
    }

    @ObservedObject var library: Library
    @Environment(\.verticalSizeClass) private var height
    @State private var item: PhotosPickerItem?
    @State private var photo: Photo?
    @State private var answer: Found?
    @State private var message = ""

    var body: some View {
        NavigationStack {
            List {
                Section("Model") {
                    if library.entries.isEmpty {
                        Text(library.isReady ? "No model yet: add one under Models." : "Working …")
                    } else {
                        Picker("Model", selection: $library.chosen) {
                            ForEach(library.entries) { Text("\($0.title.name), \($0.title.detail)").tag($0.id) }
                        }
                    }
                }
                if library.model != nil {
                    Section("Classify") {
                        PhotosPicker("Choose a photo", selection: $item, matching: .images)
                        NavigationLink("Camera") { CameraView(library: library) }
                    }
                    Section("Answer") {
                        // Beside each other where the screen is wide.
                        let layout = height == .compact ? AnyLayout(HStackLayout()) : AnyLayout(VStackLayout())
                        layout {
                            if let photo {
                                Image(decorative: photo.image, scale: 1)
                                    .resizable()
                                    .scaledToFit()
                                    .overlay { if let drawing = answer?.drawing { OverlayView(drawing: drawing) } }
                                    .accessibilityLabel(Text("The chosen photo"))
                            }
                            if let answer { AnswerView(rows: answer.rows, milliseconds: answer.milliseconds) }
                        }
                        if !message.isEmpty { Text(message) }
                    }
                }
            }
            .navigationTitle("MobileViT Edge")
        }
        .task(id: Question(item: item, model: library.chosen)) { await classify() }
    }

    /// Nothing of an earlier model or photo stays: SwiftUI cancels this when the question changes.
    private func classify() async {
        answer = nil
        guard let item, let bundle = library.model else { return }
        message = "Working …"
        do {
            guard let data = try await item.loadTransferable(type: Data.self) else {
                throw BundleError("the photo is gone")
            }
            let read = try await Task.detached { try PhotoReader.read(data) }.value
            guard !Task.isCancelled else { return }
            photo = read
            let recognizer = try await Recognizer(bundle, cache: library.cache)
            let found = try await recognizer.recognize(read.pixels, mostSide: Interpreter.photoSide)
            let shown = recognizer.show(found.finding, legend: Recognizer.legend)
            guard !Task.isCancelled else { return }
            answer = Found(rows: shown.rows, drawing: Drawing(shown.overlay), milliseconds: found.milliseconds)
            message = ""
        } catch {
            guard !Task.isCancelled else { return }
            message = error.localizedDescription
        }
    }
}
