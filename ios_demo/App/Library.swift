import Foundation
import MobileViTCoreML
import MobileViTKit
import SwiftUI

/// The bundles that came with the app, as `mobilevit-export --ios-resources` put them there.
@MainActor
final class Library: ObservableObject {
    @Published private(set) var bundles: [ModelBundle] = []
    @Published private(set) var problems: [String] = []
    @Published var chosen = ""

    let cache: ModelCache

    init() {
        let caches = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask)[0]
        cache = ModelCache(folder: caches.appendingPathComponent("models"))
        let root = Foundation.Bundle.main.resourceURL?.appendingPathComponent("Models")
        for folder in root.map(ModelBundle.folders) ?? [] {
            do {
                let bundle = try ModelBundle(folder: folder)
                guard bundle.manifest.target == "coreml" else {
                    throw BundleError("a bundle for \(bundle.manifest.target): export it with --target coreml")
                }
                bundles.append(bundle)
            } catch {
                problems.append("\(folder.lastPathComponent): \(error.localizedDescription)")
            }
        }
        chosen = bundles.first?.name ?? ""
    }

    var model: ModelBundle? { bundles.first { $0.name == chosen } }
}
