import Foundation
import MobileViTCoreML
import MobileViTKit
import SwiftUI

/// A bundle of the app; `isAdded`: by a person, who may delete it.
struct ModelEntry: Identifiable, Sendable {
    let bundle: ModelBundle
    let isAdded: Bool

    var id: String { bundle.name }
    var title: ModelTitle { ModelTitle(bundle.manifest) }
}

/// The bundles that came with the app, as `mobilevit-export --ios-resources` put them there, and those that a
/// person has added, by the app or in its folder in Files.
@MainActor
final class Library: ObservableObject {
    @Published private(set) var entries: [ModelEntry] = []
    @Published private(set) var problems: [String] = []
    @Published private(set) var isReady = false
    @Published var chosen = ""

    let cache: ModelCache
    private let store: ModelStore

    init() {
        let manager = FileManager.default
        let caches = manager.urls(for: .cachesDirectory, in: .userDomainMask)[0]
        let documents = manager.urls(for: .documentDirectory, in: .userDomainMask)[0]
        let models = documents.appendingPathComponent("Models")
        // So that Files shows where bundles go.
        try? manager.createDirectory(at: models, withIntermediateDirectories: true)
        cache = ModelCache(folder: caches.appendingPathComponent("models"))
        store = ModelStore(root: models, sha256: FileHash.sha256)
    }

    var model: ModelBundle? { entries.first { $0.id == chosen }?.bundle }

    /// Read the bundles that there are; hashes are computed off the main thread.
    func reload() async {
        let store = store
        let (found, problems) = await Task.detached { Library.read(store) }.value
        (entries, self.problems, isReady) = (found, problems, true)
        if model == nil { chosen = entries.first?.id ?? "" }
    }

    /// - Throws: `BundleError` if the folder holds no bundle that runs here, or the storage is full.
    func add(_ folder: URL) async throws {
        let store = store
        // Files lends the folder for as long as it is asked for.
        let isLent = folder.startAccessingSecurityScopedResource()
        defer { if isLent { folder.stopAccessingSecurityScopedResource() } }
        let bundle = try await Task.detached { try store.add(folder) }.value
        await reload()
        chosen = bundle.name
    }

    func delete(_ entry: ModelEntry) async {
        store.delete(entry.bundle.name)
        await reload()
    }

    private nonisolated static func read(_ store: ModelStore) -> ([ModelEntry], [String]) {
        var (entries, problems): ([ModelEntry], [String]) = ([], [])
        func take(_ folder: URL, isAdded: Bool, _ open: (URL) throws -> ModelBundle) {
            do {
                let bundle = try open(folder)
                guard bundle.manifest.target == "coreml" else {
                    throw BundleError("a bundle for \(bundle.manifest.target): export it with --target coreml")
                }
                // One that was added stands for one of its name that came with the app.
                entries.removeAll { $0.id == bundle.name }
                entries.append(ModelEntry(bundle: bundle, isAdded: isAdded))
            } catch {
                problems.append("\(folder.lastPathComponent): \(error.localizedDescription)")
            }
        }
        let resources = Foundation.Bundle.main.resourceURL?.appendingPathComponent("Models")
        for folder in resources.map(ModelBundle.folders) ?? [] {
            take(folder, isAdded: false) { try ModelBundle(folder: $0) }
        }
        for folder in store.folders() { take(folder, isAdded: true, store.open) }
        return (entries, problems)
    }
}
