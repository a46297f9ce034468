#if canImport(CoreML)
    import CoreML
    import Foundation
    import MobileViTKit

    /// Compiled packages, which the device makes of a bundle once.
    public struct ModelCache: Sendable {
        private let folder: URL

        /// - Parameter folder: the app's alone, such as one below its caches.
        public init(folder: URL) {
            self.folder = folder
        }

        /// - Throws: `BundleError` if Core ML cannot compile the package, or the device is full.
        public func compiled(_ bundle: ModelBundle) async throws -> URL {
            let target = folder.appendingPathComponent("\(key(bundle)).mlmodelc")
            if FileManager.default.fileExists(atPath: target.path) { return target }
            do {
                let fresh = try await MLModel.compileModel(at: bundle.model)
                defer { try? FileManager.default.removeItem(at: fresh) }
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                // In one step: what is in the cache is whole.
                try FileManager.default.moveItem(at: fresh, to: target)
                return target
            } catch {
                // Another task may have been faster.
                if FileManager.default.fileExists(atPath: target.path) { return target }
                throw BundleError("Core ML cannot compile \(bundle.name): \(error.localizedDescription)")
            }
        }

        /// Another content, or another system, which may compile otherwise, is another entry.
        private func key(_ bundle: ModelBundle) -> String {
            let version = ProcessInfo.processInfo.operatingSystemVersion
            let system = "\(version.majorVersion).\(version.minorVersion).\(version.patchVersion)"
            let model = bundle.manifest.files.filter { $0.path.hasPrefix(Manifest.modelPrefix) }
            // 64 bits of each file's SHA-256, which the manifest holds already.
            return ([bundle.name] + model.map { String($0.sha256.prefix(16)) } + [system]).joined(separator: "-")
        }
    }
#endif
