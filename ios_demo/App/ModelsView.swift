import MobileViTKit
import SwiftUI
import UniformTypeIdentifiers

/// Models: what there is, whether it passes its self-test on this phone; add from Files, delete.
struct ModelsView: View {
    @ObservedObject var library: Library
    @State private var isChoosing = false
    @State private var message = ""
    @State private var verdicts: [String: String] = [:]

    var body: some View {
        NavigationStack {
            List {
                Section {
                    Button("Add a model (a bundle's folder)") { isChoosing = true }
                    if !message.isEmpty { Text(message) }
                    ForEach(library.problems, id: \.self) { Text($0) }
                }
                Section {
                    ForEach(library.entries) { entry in
                        VStack(alignment: .leading) {
                            Text(entry.title.name)
                            Text(entry.title.detail).font(.footnote)
                            Text(verdicts[entry.id] ?? "Self-test …").font(.footnote)
                        }
                        .swipeActions {
                            if entry.isAdded {
                                Button("Delete", role: .destructive) { Task { await library.delete(entry) } }
                            }
                        }
                    }
                }
            }
            .navigationTitle("Models")
            .refreshable { await library.reload() }
        }
        .fileImporter(isPresented: $isChoosing, allowedContentTypes: [.folder]) { result in
            Task { await add(result) }
        }
        .task(id: library.entries.map(\.id)) { await test() }
    }

    private func add(_ chosen: Result<URL, any Error>) async {
        message = "Working …"
        do {
            try await library.add(chosen.get())
            message = ""
        } catch {
            message = error.localizedDescription
        }
    }

    /// One after the other: two at once would wait for each other's memory.
    private func test() async {
        verdicts = [:]
        for entry in library.entries {
            do {
                try await Recognizer.tested(entry.bundle, cache: library.cache)
                verdicts[entry.id] = "Self-test passed: it answers as when it was exported."
            } catch {
                verdicts[entry.id] = error.localizedDescription
            }
            if Task.isCancelled { return }
        }
    }
}
