import Foundation

/// Bundles that a person has added, below a folder of the app's that the Files app shows.
public struct ModelStore: Sendable {
    public static let maxBytes = 512 * 1024 * 1024
    private static let mostLetters = 100

    private let root: URL
    private let sha256: @Sendable (URL) throws -> String

    /// - Parameter sha256: of a file, in lower case: strangers' files are what they were exported as.
    public init(root: URL, sha256: @escaping @Sendable (URL) throws -> String) {
        self.root = root
        self.sha256 = sha256
    }

    /// Folders that have a manifest, by name.
    public func folders() -> [URL] {
        ModelBundle.folders(in: root).filter { !$0.lastPathComponent.hasPrefix(".") }
    }

    /// The bundle in one of the folders, whoever has put it there.
    ///
    /// - Throws: `BundleError` if it is no whole bundle, or not the one that was exported.
    public func open(_ folder: URL) throws -> ModelBundle {
        let bundle = try ModelBundle(folder: folder)
        for file in bundle.manifest.files {
            guard try sha256(folder.appendingPathComponent(file.path)) == file.sha256 else {
                throw BundleError("\(file.path) is not the file that was exported: export or copy it again")
            }
        }
        return bundle
    }

    /// Copy a bundle's folder; one of its name is replaced. Nothing stays if it is refused, and nothing
    /// but what its manifest lists is copied.
    ///
    /// - Throws: `BundleError` if it is no whole bundle, too large, or the storage is full.
    public func add(_ folder: URL) throws -> ModelBundle {
        let manager = FileManager.default
        let source = try ModelBundle(folder: folder)
        let files = source.manifest.files
        guard files.map(\.bytes).reduce(0, +) <= ModelStore.maxBytes else {
            throw BundleError("the bundle is larger than \(ModelStore.maxBytes >> 20) MB")
        }
        let name = ModelStore.name(folder.lastPathComponent)
        let (fresh, target) = (root.appendingPathComponent(".\(name).new"), root.appendingPathComponent(name))
        try? manager.removeItem(at: fresh)
        defer { try? manager.removeItem(at: fresh) }
        do {
            for path in [Manifest.fileName] + files.map(\.path) {
                let (from, to) = (folder.appendingPathComponent(path), fresh.appendingPathComponent(path))
                // A link would be copied as a link.
                guard ModelBundle.isFile(from) else { throw BundleError("\(path) is no file of the bundle's") }
                try manager.createDirectory(at: to.deletingLastPathComponent(), withIntermediateDirectories: true)
                try manager.copyItem(at: from, to: to)
            }
            _ = try open(fresh)
            try? manager.removeItem(at: target)
            try manager.moveItem(at: fresh, to: target)
        } catch let error as BundleError {
            throw error
        } catch {
            throw BundleError("cannot copy the bundle (is the storage full?): \(error.localizedDescription)")
        }
        return try ModelBundle(folder: target)
    }

    /// Remove a bundle; one that is not there is no error.
    public func delete(_ name: String) {
        guard name == ModelStore.name(name) else { return }
        try? FileManager.default.removeItem(at: root.appendingPathComponent(name))
    }

    /// Letters, digits, `_`, `.` and `-`, the first of them no `.` or `-`.
    static func name(_ folder: String) -> String {
        let plain = folder.unicodeScalars.map { scalar -> Character in
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            return isPlain || "_.-".unicodeScalars.contains(scalar) ? Character(scalar) : "_"
        }
        let name = String(String(plain.drop { $0 == "." || $0 == "-" }).prefix(mostLetters))
        return name.isEmpty ? "bundle" : name
    }
}
